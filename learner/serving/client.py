"""Clients of the policy service, and a supervisor for a service on this machine. Does not import torch.

Requests are retried: the service answers the same `request_id` with the same action.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import structlog

from learner.protocol import (
    PROTOCOL_VERSION,
    GameFinished,
    PolicyError,
    PolicyStatus,
    TurnAnswer,
    TurnRequest,
    TurnTooLong,
)
from learner.serving.http import PATIENCE_SECONDS, Remote
from learner.serving.vllm import VllmPolicy
from learner.settings import LearnerSettings
from store.settings import NO_KEYS

log = structlog.get_logger(__name__)

VLLM = "vllm+"
"""Prefix of the URL of a vLLM server."""
START_SECONDS = 120.0
"""Seconds without processor time after which a service that does not listen yet is considered hung."""
PROBE_SECONDS = 5.0
HANGING_PROBES = 6
"""Number of failed probes in a row after which the local service is considered hung."""
STOP_SECONDS = 5.0
"""Time for the service to end before it is killed."""
RESTART_SECONDS = 0.5
START_TRIES = 3
"""Of the first start, where something kills the service meanwhile."""


class _Killed(PolicyError):
    """The service was killed from outside before it was up."""


class PolicyClient(Remote):
    """Client of one policy service. Use it as an async context manager."""

    async def act(self, request: TurnRequest) -> TurnAnswer:
        """Play a turn, with retries. Raises `PolicyError` after `patience` seconds."""
        async for attempt in self.patiently():
            with attempt:
                return TurnAnswer.model_validate(await self._ask("POST", "/v1/act", request.model_dump()))
        raise AssertionError("unreachable")

    async def status(self) -> PolicyStatus:
        """The state of the service, without retries. Raises `PolicyError`."""
        status = PolicyStatus.model_validate(await self._ask("GET", "/v1/status"))
        if status.protocol != PROTOCOL_VERSION:
            raise PolicyError(
                f"The policy service at {self.url} speaks protocol {status.protocol}, this bot "
                f"{PROTOCOL_VERSION}: install the same version of respect on both machines",
                retry=False,
            )
        return status

    async def finished(self, game_id: str) -> None:
        """Tell the service that a game is over. If the message is lost, the service forgets the game after a
        day."""
        with contextlib.suppress(PolicyError):
            await self._ask("POST", "/v1/finished", GameFinished(game_id=game_id).model_dump())

    async def reload(self) -> PolicyStatus:
        """Make the service look for a newly published adapter now."""
        return PolicyStatus.model_validate(await self._ask("POST", "/v1/reload"))

    async def _ask(self, method: str, path: str, body: object = None) -> object:
        status, answer = await self.fetch(method, path, body)
        if not isinstance(answer, dict):
            raise PolicyError(f"The policy service at {self.url} does not answer: what it says is not JSON")
        if status == 200:
            return answer
        if status == 413:
            raise TurnTooLong(str(answer.get("error", "The request is too long")))
        raise PolicyError(str(answer.get("error", status)), retry=bool(answer.get("retry", False)))


def connect(
    url: str, settings: LearnerSettings, *, patience: float = PATIENCE_SECONDS
) -> PolicyClient | VllmPolicy:
    """The client for a URL: of our own service, or of a vLLM server if the URL begins with "vllm+".

    Raises `PolicyError` for settings that contradict each other.
    """
    if url.startswith(VLLM):
        return VllmPolicy(url.removeprefix(VLLM), settings, patience=patience)
    return PolicyClient(url, settings.service.secret, patience=patience)


class LocalPolicy:
    """Runs the policy service in a subprocess, and restarts it when it dies or hangs.

    The address stays the same over restarts, so that clients only have to retry.
    """

    def __init__(self, settings: LearnerSettings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stack = contextlib.AsyncExitStack()
        self._port = settings.service.port
        self.client: PolicyClient
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """Process id of the service, None while it is down."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def __aenter__(self) -> Self:
        url = await self._start_first()
        self.client = await self._stack.enter_async_context(PolicyClient(url, self._settings.service.secret))
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._stack.aclose()
        await self._stop()

    async def act(self, request: TurnRequest) -> TurnAnswer:
        """Play a turn (`PolicyClient.act`), also over restarts of the service."""
        return await self.client.act(request)

    async def finished(self, game_id: str) -> None:
        """Tell the service that a game is over (`PolicyClient.finished`)."""
        await self.client.finished(game_id)

    async def status(self) -> PolicyStatus:
        """The state of the service (`PolicyClient.status`)."""
        return await self.client.status()

    async def _start_first(self) -> str:
        """Start it, again where something kills it before it is up. Gives its URL. Raises `PolicyError`."""
        for tries_left in reversed(range(START_TRIES)):
            try:
                return await self._start()
            except _Killed as error:
                if not tries_left:
                    raise
                log.warning("the policy service is started again", error=str(error))
                await asyncio.sleep(RESTART_SECONDS)
        raise AssertionError("unreachable")

    async def _start(self) -> str:
        """Start the service, wait until it listens, and return its URL. Raises `PolicyError`."""
        with tempfile.TemporaryDirectory(prefix="respect-policy-") as folder:
            url_file = Path(folder) / "url"
            self._process = await self._spawn("--url-file", str(url_file), "--port", str(self._port))
            self.starts += 1
            used, used_at = 0.0, time.monotonic()
            while not url_file.exists():
                if (now := _cpu_seconds(self._process.pid)) > used + 0.1:
                    used, used_at = now, time.monotonic()
                code = self._process.returncode
                if code is not None or time.monotonic() - used_at > START_SECONDS:
                    await self._stop()
                    if code is not None and code < 0:
                        raise _Killed(f"The policy service was killed by signal {-code} while it started")
                    raise PolicyError(
                        "The policy service did not start; its log above says why. `respect doctor` checks "
                        "the model.",
                        retry=False,
                    )
                await asyncio.sleep(0.05)
            url = url_file.read_text().strip()
        self._port = int(url.rsplit(":", 1)[1])
        log.info("the policy service is up", url=url, pid=self._process.pid)
        return url

    async def _spawn(self, *options: str) -> asyncio.subprocess.Process:
        """Start a process of the service with options of its command line."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "learner.serving", *options, "--parent", str(os.getpid())),
            env=self._settings.changed(store=NO_KEYS).environment(LearnerSettings),
        )

    async def _keep(self) -> None:
        failed = 0
        while True:
            await self._sleep_or_exit(1.0)
            if self.pid is not None:
                try:
                    async with asyncio.timeout(PROBE_SECONDS):
                        await self.client.status()
                    failed = 0
                    continue
                except (PolicyError, TimeoutError):
                    failed += 1
                    if self.pid is not None and failed < HANGING_PROBES:
                        continue
            code = self._process.returncode if self._process else None
            log.warning("the policy service is started again", exit_code=code, failed_probes=failed)
            await self._stop()
            failed = 0
            try:
                await self._start()
            except (PolicyError, OSError) as error:
                log.error("the policy service could not be started again", error=str(error))
                await asyncio.sleep(RESTART_SECONDS * 4)

    async def _sleep_or_exit(self, seconds: float) -> None:
        """Sleep, but return when the process ends."""
        if self._process is None or self._process.returncode is not None:
            await asyncio.sleep(RESTART_SECONDS)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._process.wait()), seconds)

    async def _stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


def _cpu_seconds(pid: int) -> float:
    """Processor time, in seconds, that a process has used; 0 if it has ended."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system

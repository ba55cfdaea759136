"""The thread that owns the model: it batches waiting turns, and loads and unloads adapters."""

import asyncio
import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import structlog

from learner.conversation import probe_request
from learner.protocol import BASE_ADAPTER, PolicyError, TurnRequest
from learner.registry import AdapterRegistry, adapter_problems
from learner.serving.fair_queue import FairQueue
from learner.serving.pins import Pins
from store.logs import message_of

if TYPE_CHECKING:
    from learner.policy import Policy

log = structlog.get_logger(__name__)

MAX_BATCH = 32
GATHER_SECONDS = 0.004
"""Seconds that the first turn of a batch waits for others."""
STUCK_SECONDS = 120.0
"""The worker is taken to be stuck if one batch, or one adapter, takes longer."""
MAX_ADAPTERS = 8
"""Maximum number of loaded adapters; the least recently used one is unloaded first."""


@dataclass(frozen=True)
class _Job:
    work: TurnRequest | Callable[[], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop

    def done(self, result: Any = None, error: BaseException | None = None) -> None:
        def settle() -> None:
            if self.future.done():
                return
            if error is not None:
                self.future.set_exception(error)
            else:
                self.future.set_result(result)

        self.loop.call_soon_threadsafe(settle)


class Worker:
    """Owns a `Policy`. All methods but the async ones run on its thread."""

    def __init__(self, policy: "Policy", registry: AdapterRegistry, seed: int = 0) -> None:
        self._policy = policy
        self._registry = registry
        self.seed = seed
        self._jobs: FairQueue[_Job | None] = FairQueue()
        self._held: _Job | None = None
        self._adapters = Pins()
        self._current = BASE_ADAPTER
        self._thread = threading.Thread(target=self._run, name="policy", daemon=True)
        self._beat = time.monotonic()
        """When the thread last began or ended something, or was first given something after a pause."""
        self._unsettled = 0

    @property
    def loaded(self) -> tuple[str, ...]:
        """Names of the adapters in memory."""
        return self._adapters.names

    @property
    def temperature(self) -> float:
        """Sampling temperature of the policy."""
        return self._policy.temperature

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Turns that are still waiting fail and are retried by their clients."""
        self._jobs.put(None, "")
        self._thread.join(10)

    async def act(self, request: TurnRequest) -> tuple[str, float]:
        """(action, log-propensity). Raises `PolicyError`."""
        return await self._put(request)

    async def load(self, name: str) -> None:
        """Load an adapter for new games; those of games in progress stay loaded.

        Raises `PolicyError` with the reason if it is refused.
        """
        await self._put(lambda: self._take_up(name))

    async def finished(self, game_id: str) -> None:
        """Record that a game is over. Its adapter is unloaded if no other game is pinned to it."""
        await self._put(lambda: self._forget(game_id))

    def trouble(self) -> str | None:
        """Why no turn will be played, as far as can be told from outside the thread."""
        if self._thread.ident is not None and not self._thread.is_alive():
            return "The policy's worker has ended; the service must be started again"
        if self._unsettled and (stuck := time.monotonic() - self._beat) > STUCK_SECONDS:
            return f"The policy's worker has not moved for {stuck:.0f} s while turns wait"
        return None

    async def _put(self, work: TurnRequest | Callable[[], Any]) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        job = _Job(work, future, loop)
        if not self._unsettled:
            self._beat = time.monotonic()
        self._unsettled += 1
        if isinstance(work, TurnRequest):
            self._jobs.put(job, work.community)
        else:
            self._jobs.put_urgent(job)
        try:
            return await future
        finally:
            self._unsettled -= 1

    def _run(self) -> None:
        warming = self._policy.warming()
        while True:
            taken: list[_Job | None] = []
            try:
                if not self._turn_to(warming, taken):
                    return
                self._beat = time.monotonic()
            except (
                Exception
            ) as error:  # the thread outlives whatever goes wrong, a log that cannot be written too
                for job in taken:
                    if job is not None:
                        job.done(error=PolicyError(f"The policy's worker failed: {type(error).__name__}"))
                with contextlib.suppress(Exception):
                    log.exception("the worker failed outside a turn")
                if None in taken:
                    return

    def _turn_to(self, warming: Iterator[None], taken: list[_Job | None]) -> bool:
        """Do what comes next, and note in `taken` for whom. False if it is the sign to stop."""
        job = self._held
        self._held = None
        if job is None:
            job = self._next(warming)
        self._beat = time.monotonic()
        taken.append(job)
        if job is None:
            return False
        if isinstance(job.work, TurnRequest):
            taken[:] = self._gather(job)
            return self._play(taken)
        try:
            job.done(job.work())
        except Exception as error:
            job.done(error=error)
        return True

    def _next(self, warming: Iterator[None]) -> _Job | None:
        """The next job. While there is none, continue with `warming`."""
        for _ in chain((None,), warming):
            with contextlib.suppress(queue.Empty):
                return self._jobs.get(timeout=0)
        return self._jobs.get()

    def _gather(self, first: _Job) -> list[_Job | None]:
        """The first job and those that arrive within `GATHER_SECONDS`; a job of another kind ends the batch."""
        batch: list[_Job | None] = [first]
        deadline = time.monotonic() + GATHER_SECONDS
        while len(batch) < MAX_BATCH:
            try:
                job = self._jobs.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if job is not None and not isinstance(job.work, TurnRequest):
                self._held = job
                break
            batch.append(job)
            if job is None:
                break
        return batch

    def _play(self, batch: list[_Job | None]) -> bool:
        """Play a batch. False if it contains the request to stop (None)."""
        playable: list[tuple[_Job, TurnRequest]] = []
        for job in batch:
            if job is None or not isinstance(job.work, TurnRequest):
                continue
            try:
                self._policy.check_length(job.work)
                self._use(job.work.adapter)
                self._adapters.hold(job.work.adapter, job.work.game_id)
                playable.append((job, job.work))
            except PolicyError as error:
                job.done(error=error)
            except ValueError as error:
                job.done(error=PolicyError(f"The policy cannot play this turn: {error}", retry=False))
        self._release({request.adapter for _, request in playable})
        if playable:
            self._act(playable)
        return None not in batch

    def _act(self, playable: list[tuple[_Job, TurnRequest]]) -> None:
        try:
            answers = self._policy.act([request for _, request in playable], self.seed)
        except Exception as error:
            if len(playable) > 1:  # one bad request must not take the others down
                for one in playable:
                    self._act([one])
                return
            job, request = playable[0]
            job.done(error=PolicyError(f"The policy cannot play this turn: {message_of(error)}", retry=False))
            log.exception("a turn failed", request=request.request_id)
            return
        for (job, _), answer in zip(playable, answers, strict=True):
            job.done(answer)

    def _use(self, name: str) -> None:
        """Load an adapter unless it is loaded."""
        if name == BASE_ADAPTER:
            return
        if name in self._adapters:
            self._adapters.use(name)
            return
        try:
            folder = self._registry.fetch(name)
            wrong = adapter_problems(folder, self._policy.fingerprint)
            if wrong:
                raise PolicyError(f"Adapter {name!r} is refused: {'; '.join(wrong)}", retry=False)
            self._policy.load_adapter(name, folder)
            self._probe(name)
        except PolicyError:
            raise
        except Exception as error:
            raise PolicyError(
                f"Adapter {name!r} cannot be loaded: {message_of(error)}", retry=False
            ) from error
        self._adapters.use(name)
        log.info("adapter loaded", adapter=name)

    def _take_up(self, name: str) -> None:
        self._use(name)
        self._current = name
        self._release_unpinned()

    def _forget(self, game_id: str) -> None:
        self._adapters.end(game_id)
        self._policy.cache.end(game_id)
        self._release_unpinned()

    def _release_unpinned(self) -> None:
        """Unload the adapters that neither new games nor games in progress use."""
        for name in self._adapters.idle(self._current):
            self._unload(name)

    def _probe(self, name: str) -> None:
        """Play one turn under an adapter that was just loaded. If it fails, unloads the adapter and raises
        `PolicyError`."""
        try:
            logps = self._policy.all_action_logps(probe_request(name)).values()
            total = math.fsum(map(math.exp, logps))
            if not abs(total - 1.0) < 1e-3:  # NaN included
                raise ValueError(f"the probabilities of all actions add up to {total}")
        except ValueError as error:
            self._policy.unload_adapter(name)
            raise PolicyError(
                f"Adapter {name!r} is refused, it cannot play a probe turn: {error}", retry=False
            ) from error

    def _release(self, needed: set[str]) -> None:
        for name in self._adapters.names:
            if len(self._adapters.names) <= MAX_ADAPTERS:
                return
            if name not in needed:
                self._unload(name)

    def _unload(self, name: str) -> None:
        self._policy.unload_adapter(name)
        self._adapters.drop(name)
        log.info("adapter released", adapter=name)

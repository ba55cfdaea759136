"""The process that runs a round, for the bot or the worker that starts it. Does not import torch."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Self

import structlog
from filelock import FileLock, Timeout

from learner.rounds import LOCK_FILE, command
from learner.settings import LearnerSettings
from store.folder import private_file
from store.models import Round

log = structlog.get_logger(__name__)

STOP_SECONDS = 10.0
LOG_TAIL = 300


class RoundProcess:
    """A process of a round that this process started."""

    def __init__(self, process: asyncio.subprocess.Process, path: Path) -> None:
        self._process = process
        self._path = path
        self.stopped = False
        """Whether it was told to end before the round did."""

    @classmethod
    async def start(cls, settings: LearnerSettings, row: Round, worker: str | None = None) -> Self:
        """Start the process of a round. It goes on where an earlier one was killed.

        With the name of the `worker` that holds the round, it ends with this process.
        """
        assert row.id is not None
        path = private_file(settings.store.data_dir / "logs" / f"round-{row.id}.log")
        of_worker = () if worker is None else ("--worker", worker, "--parent", str(os.getpid()))
        with path.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command(row.id, settings.rounds.processes),
                *of_worker,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=settings.environment(LearnerSettings),
                start_new_session=True,
            )
        log.info("round started", round=row.number, pid=process.pid, log=str(path))
        return cls(process, path)

    async def wait(self) -> str:
        """Wait until it exits, and say how, for a round that has not ended by then."""
        return _reason(await self._process.wait(), self._path)

    async def stop(self) -> None:
        """End it, and those that it started."""
        self.stopped = True
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()


def is_locked(settings: LearnerSettings) -> bool:
    """Whether a process holds the lock of the rounds."""
    path = settings.adapters_dir / LOCK_FILE
    if not path.exists():
        return False
    try:
        with FileLock(path, blocking=False):
            return False
    except Timeout:
        return True


def _reason(code: int, path: Path) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = "; the machine may have run out of memory" if -code == signal.SIGKILL else ""
        return f"Its process was ended by {name}{hint}."
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_TAIL))
        lines = file.read().decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "no output"
    return f"Its process ended with code {code} before the round did: {last}"

"""The lock that lets only one round run at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from learner.rounds import LOCK_FILE
from learner.rounds.work import RoundError
from store.folder import private_file


@contextmanager
def alone(folder: Path, seconds: float = 0) -> Iterator[None]:
    """Hold the registry's lock. The system releases it if the process dies.

    Raises `RoundError` if another process has it for so many seconds.
    """
    lock = FileLock(private_file(folder / LOCK_FILE), timeout=seconds)
    try:
        lock.acquire()
    except Timeout:
        raise RoundError("Another process is running a round; wait until it ends") from None
    try:
        yield
    finally:
        lock.release()

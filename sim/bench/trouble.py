"""What `respect bench chaos` does to the machine of the bot: kills, a full disk, a clock that is set back."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import psutil
import structlog

from sim.bench.watch import LOOK_SECONDS
from sim.demo import BotProcess

log = structlog.get_logger(__name__)

DISK_MEGABYTES = 256


class NotPossible(RuntimeError):
    """This fault cannot be made on this machine; the message says why."""


class SmallDisk:
    """A file system of its own in memory, which can be filled without harm to anybody else."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave not a byte free."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Context manager: a small disk at an empty folder. Raises NotPossible where this process may not mount one."""
    asked = ("mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=700", "respect-chaos", str(folder))
    if shutil.which("mount") is None or (done := _run(*asked)) is None or done.returncode != 0:
        raise NotPossible("the disk was not filled: only root may mount one, and only on Linux")
    try:
        yield SmallDisk(folder)
    finally:
        _run("umount", "--lazy", str(folder))


def _run(*command: str) -> "subprocess.CompletedProcess[bytes] | None":
    with contextlib.suppress(OSError):
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return None


class Clock:
    """The time of day as the bot's process sees it (`sim.bench.set_back`). It starts as the machine's."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set_back(0)

    @property
    def program(self) -> tuple[str, ...]:
        """Python's arguments that run the bot with this clock."""
        return ("-m", "sim.bench.set_back", str(self._file))

    def set_back(self, seconds: int) -> None:
        """Set it back by so many seconds from the machine's time."""
        written = self._file.with_suffix(".new")
        written.write_text(str(seconds))
        written.replace(self._file)  # never read when half written


def runs(module: str) -> Callable[[psutil.Process], bool]:
    """Whether a process runs `python -m module`."""
    return lambda process: module in process.cmdline()


async def killed(wanted: Callable[[psutil.Process], bool], wait: float = 120.0) -> bool:
    """Kill a process below this one, once there is such a process. False if there is none within `wait` seconds."""
    deadline = monotonic() + wait
    while monotonic() < deadline:
        for process in psutil.Process(os.getpid()).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if wanted(process):
                    process.send_signal(signal.SIGKILL)
                    log.info("killed", pid=process.pid)
                    return True
        await asyncio.sleep(LOOK_SECONDS)
    return False


async def kill_bot(bot: BotProcess) -> bool:
    """Kill a bot, which then starts anew."""
    process = bot.process
    pid = process.pid if process is not None and process.returncode is None else None
    return await killed(lambda found: found.pid == pid)

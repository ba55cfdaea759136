"""`python -m sim.bench.set_back FILE ...`: the bot, whose clock is behind the machine's.

FILE has the number of seconds, and may change while the bot runs. Only the bot's own process is behind: its policy
service, its rounds and the database's server have the machine's time.
"""

import runpy
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import store.columns

LOOK_SECONDS = 0.5
"""How long a number that was read holds."""


def _set_back(seconds: Callable[[], float]) -> None:
    """Set this process's clock back: what the program takes for now, and the times of its log."""

    class Behind(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) - timedelta(seconds=seconds())

    store.columns.datetime = Behind  # pyright: ignore[reportPrivateImportUsage]
    machine = time.time
    time.time = lambda: machine() - seconds()


def _read(file: Path) -> Callable[[], float]:
    found, looked = 0.0, -LOOK_SECONDS

    def seconds() -> float:
        nonlocal found, looked
        if time.monotonic() - looked >= LOOK_SECONDS:
            found, looked = float(file.read_text()), time.monotonic()
        return found

    return seconds


if __name__ == "__main__":
    _set_back(_read(Path(sys.argv.pop(1))))
    runpy.run_module("bot", run_name="__main__", alter_sys=True)

"""Log lines that repeat: counted instead of written, so that a fault that comes again and again fills no disk."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

MOST = 20
"""Times that one warning or error is written in `WINDOW_SECONDS`."""
WINDOW_SECONDS = 60.0
KINDS = 512
"""Different events that are counted at a time."""


@dataclass
class _Window:
    """One event within the current minute."""

    began: float
    seen: int = 0


class Repeats(logging.Filter):
    """For a log handler: of each event from warning on so many a minute, then a line that says how many there were.

    Lines of lower levels are what the program does, and pass. It takes ours (`structlog`) and the libraries' alike: an
    event is its logger, its level and its text before values are put in.
    """

    def __init__(
        self,
        most: int = MOST,
        seconds: float = WINDOW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._most = most
        self._seconds = seconds
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, int, str], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        if record.levelno < logging.WARNING:
            return True
        text = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        key = (record.name, record.levelno, str(text)[:200])
        now = self._clock()
        with self._lock:
            over = [known for known, window in self._windows.items() if now - window.began >= self._seconds]
            left_out = [(known, self._windows.pop(known).seen - self._most) for known in over]
            window = self._windows.setdefault(key, _Window(now))
            window.seen += 1
            passes = window.seen <= self._most
            if len(self._windows) > KINDS:
                del self._windows[next(iter(self._windows))]
        for (name, level, event), count in left_out:
            if count > 0:
                logging.getLogger(name).log(
                    level, "%d more times within %d s: %s", count, round(self._seconds), event
                )
        return passes

"""Snowflake ids: time-ordered, unique and monotonic, like Discord's."""

import time
from datetime import UTC, datetime

EPOCH_MS = 1_420_070_400_000


class Snowflakes:
    """Creates ids that always increase, even within one millisecond."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        now = (time.time_ns() // 1_000_000 - EPOCH_MS) << 22
        self._last = max(now, self._last + 1)
        return self._last


def now_iso() -> str:
    """The current time in Discord's format."""
    return datetime.now(UTC).isoformat(timespec="microseconds")

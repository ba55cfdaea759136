"""A log of the bot's REST requests, for tests."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class RequestRecord:
    """One request and its answer. `route` is Discord's path template, `/channels/{channel_id}/messages`."""

    method: str
    path: str
    route: str
    query: dict[str, str]
    body: Any
    """The JSON body or the `payload_json` part, None where there was none."""
    files: tuple[str, ...]
    status: int
    seconds: float
    authorized: bool
    """Whether the request carried the bot's token."""
    answer: Any = None
    """The answer, if it was JSON."""
    problems: tuple[str, ...] | None = None
    """The problems that the validator found, None without a validator."""


Validator = Callable[[RequestRecord], list[str]]


class RequestLog:
    """The last `size` requests, each checked by `validator` if there is one."""

    def __init__(self, size: int = 2_000, validator: Validator | None = None) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=size)
        self.validator = validator

    def add(self, record: RequestRecord) -> None:
        if self.validator is not None:
            record = replace(record, problems=tuple(self.validator(record)))
        self._records.append(record)

    def __iter__(self) -> Iterator[RequestRecord]:
        return iter(list(self._records))

    def __len__(self) -> int:
        return len(self._records)

    def clear(self) -> None:
        self._records.clear()

    def of(self, method: str, route: str) -> list[RequestRecord]:
        """The requests of one route."""
        return [r for r in self._records if r.method == method and r.route == route]

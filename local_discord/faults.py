"""Fault injection: 429, 5xx, slow, lost and forbidden answers, by route, count, probability and time."""

import random
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """A fault of the bot's requests: which requests are affected, how and how often."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["rate_limit", "error", "delay", "drop", "forbidden"]
    """`error` answers `status`, `drop` closes the connection, `forbidden` answers 403 Missing Permissions."""
    method: str = "*"
    route: str = "*"
    """A pattern over the path after the version, `/channels/*/messages`, or over the route's name."""
    count: int | None = Field(default=1, ge=1)
    """Number of requests affected; None for no limit."""
    probability: float = Field(default=1.0, ge=0, le=1)
    seconds: float = Field(default=60.0, gt=0)
    """Seconds after which the fault ends, whatever the count."""
    status: int = Field(default=500, ge=500, le=599)
    retry_after: float = Field(default=0.1, ge=0)
    is_global: bool = False
    via: bool = True
    """A client treats a 429 without the Via header as a ban and does not retry."""
    delay: float = Field(default=1.0, ge=0)
    after: bool = False
    """The request is executed and only its answer is lost (`error`, `drop`)."""

    def matches(self, method: str, path: str, route: str) -> bool:
        named = fnmatchcase(path, self.route) or fnmatchcase(route, self.route)
        return named and fnmatchcase(method, self.method.upper())


@dataclass
class _Active:
    fault: Fault
    until: float
    struck: int = 0


@dataclass
class Faults:
    """The active faults. A fault ends after its count or its time, or with `clear`."""

    chance: random.Random = field(default_factory=random.Random)
    _active: list[_Active] = field(default_factory=list)

    def add(self, fault: Fault) -> Fault:
        self._active.append(_Active(fault, time.monotonic() + fault.seconds))
        return fault

    def clear(self) -> None:
        self._active.clear()

    def current(self) -> list[Fault]:
        """The active faults with their remaining counts."""
        self._active = [a for a in self._active if a.until > time.monotonic()]
        return [replace_count(a.fault, a.struck) for a in self._active]

    def strike(self, method: str, path: str, route: str) -> list[Fault]:
        """The faults of this request: all delays, and the first of the others."""
        now = time.monotonic()
        struck: list[Fault] = []
        fatal = False
        for active in list(self._active):
            fault = active.fault
            if active.until <= now:
                self._active.remove(active)
                continue
            if not fault.matches(method, path, route) or (fatal and fault.kind != "delay"):
                continue
            if self.chance.random() >= fault.probability:
                continue
            active.struck += 1
            if fault.count is not None and active.struck >= fault.count:
                self._active.remove(active)
            fatal = fatal or fault.kind != "delay"
            struck.append(fault)
        return struck


def replace_count(fault: Fault, struck: int) -> Fault:
    """A fault and the number of requests that it still affects."""
    if fault.count is None:
        return fault
    return fault.model_copy(update={"count": fault.count - struck})

"""Faults on demand: 429, 5xx, slow, lost and forbidden answers, by route, count, chance and time."""

import random
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """What goes wrong with the bot's requests that match, and how often."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["rate_limit", "error", "delay", "drop", "forbidden"]
    """`error` answers `status`, `drop` closes the connection, `forbidden` answers 403 Missing Permissions."""
    method: str = "*"
    route: str = "*"
    """A pattern over the path after the version, `/channels/*/messages`, or over the route's name."""
    count: int | None = Field(default=1, ge=1)
    """How many requests it strikes; None for no end."""
    probability: float = Field(default=1.0, ge=0, le=1)
    seconds: float = Field(default=60.0, gt=0)
    """After so long it is over whatever the count."""
    status: int = Field(default=500, ge=500, le=599)
    retry_after: float = Field(default=0.1, ge=0)
    is_global: bool = False
    via: bool = True
    """Without the Via header a client takes a 429 for a ban and does not try again."""
    delay: float = Field(default=1.0, ge=0)
    after: bool = False
    """The request is carried out first and only its answer is lost (`error`, `drop`)."""

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
    """The faults that are switched on. Each ends by itself: by count, by time or with `clear`."""

    chance: random.Random = field(default_factory=random.Random)
    _active: list[_Active] = field(default_factory=list)

    def add(self, fault: Fault) -> Fault:
        self._active.append(_Active(fault, time.monotonic() + fault.seconds))
        return fault

    def clear(self) -> None:
        self._active.clear()

    def current(self) -> list[Fault]:
        """What is on now, with the counts that are left."""
        self._active = [a for a in self._active if a.until > time.monotonic()]
        return [replace_count(a.fault, a.struck) for a in self._active]

    def strike(self, method: str, path: str, route: str) -> list[Fault]:
        """The faults that befall this request; delays all of them, of the others only the first."""
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
    """The fault with the number of strikes it has left."""
    if fault.count is None:
        return fault
    return fault.model_copy(update={"count": fault.count - struck})

"""The events that one person's client received, and waiting for the next ones."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local_discord.model import Json

REMEMBERED = 2000
PATIENCE_SECONDS = 90.0
"""Seconds to wait for an event that should come at once; long enough for a busy machine."""


@dataclass(frozen=True)
class Seen:
    """One event that a person's client received."""

    number: int
    name: str
    data: Json


class Feed:
    """The last 2,000 events of the client of `name`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._seen: deque[Seen] = deque(maxlen=REMEMBERED)
        self._taken: set[int] = set()
        self._count = 0
        self._acted_at = 0
        self._wakers: set[asyncio.Future[None]] = set()

    async def wait_for(
        self,
        name: str | Sequence[str],
        check: Callable[[Json], Any] = lambda _: True,
        *,
        timeout: float = PATIENCE_SECONDS,
        since: int | None = None,
    ) -> Json:
        """The next event of this name that passes `check`, received since the person's last action.

        Each event is returned once. `since=0` searches all stored events, `since=person.now` only future ones.
        Raises TimeoutError, which lists the events seen instead.
        """
        names = {name} if isinstance(name, str) else set(name)
        start = self._acted_at if since is None else since
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            for seen in list(self._seen):
                if seen.number <= start or seen.number in self._taken or seen.name not in names:
                    continue
                if check(seen.data):
                    self._taken.add(seen.number)
                    return seen.data
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not await self._next(left):
                told = [seen.name for seen in self._seen if seen.number > start]
                raise TimeoutError(f"{self.name} waited {timeout} s for {sorted(names)}, was told {told}")

    async def events(self) -> AsyncIterator[Seen]:
        """All events from now on. Ends when the service stops."""
        last = self._count
        while True:
            for seen in list(self._seen):
                if seen.number > last:
                    last = seen.number
                    yield seen
            if not await self._next(None):
                return

    @property
    def now(self) -> int:
        """The number of the last event received."""
        return self._count

    def tell(self, name: str, data: Json) -> None:
        """Adds an event of the world."""
        self._count += 1
        if len(self._seen) == REMEMBERED:
            self._taken.discard(self._seen[0].number)
        self._seen.append(Seen(self._count, name, data))
        self._wake(True)

    def leave(self) -> None:
        """Ends every wait, because the service stops."""
        self._wake(False)

    def _wake(self, more: bool) -> None:
        for waker in self._wakers:
            if not waker.done():
                waker.set_result(None) if more else waker.cancel()
        self._wakers.clear()

    async def _next(self, timeout: float | None) -> bool:
        waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wakers.add(waker)
        done, _ = await asyncio.wait({waker}, timeout=timeout)
        self._wakers.discard(waker)
        return bool(done) and not waker.cancelled()

    def act(self) -> None:
        """Marks an action of the person: waits consider only later events."""
        self._acted_at = self._count

"""Idempotency of turns: a request id is played only once, even if it is sent repeatedly."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from learner.protocol import TurnAnswer

REMEMBERED_ANSWERS = 4_096


class IdempotencyCache:
    """The latest answers by request id, and the turns in progress. A failed turn is not kept, so it can be
    retried."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, asyncio.Task[TurnAnswer]] = OrderedDict()
        self._open: set[asyncio.Task[TurnAnswer]] = set()

    @property
    def waiting(self) -> int:
        """Turns that are being played."""
        return len(self._open)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._known

    async def once(self, request_id: str, play: Callable[[], Awaitable[TurnAnswer]]) -> TurnAnswer:
        """The answer to a request: a known one, one in progress, or the result of `play`.

        If the caller is cancelled, the turn is still played and its answer kept for the next attempt.
        """
        answer = self._known.get(request_id)
        if answer is None:
            answer = asyncio.ensure_future(_awaited(play))
            self._known[request_id] = answer
            self._open.add(answer)
            answer.add_done_callback(lambda done: self._settle(request_id, done))
            while len(self._known) > REMEMBERED_ANSWERS:
                self._known.popitem(last=False)
        return await asyncio.shield(answer)

    async def close(self) -> None:
        """Cancel the turns in progress."""
        for answer in self._open:
            answer.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _settle(self, request_id: str, done: asyncio.Task[TurnAnswer]) -> None:
        self._open.discard(done)
        if (done.cancelled() or done.exception() is not None) and self._known.get(request_id) is done:
            del self._known[request_id]


async def _awaited(play: Callable[[], Awaitable[TurnAnswer]]) -> TurnAnswer:
    return await play()

"""Limits on connections: slow, half-open and idle ones are closed, so that they take no place from the others.

aiohttp waits for the beginning of a request for as long as it takes, and a process that has as many connections open as
it may have files accepts no more.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import cast

import structlog
from aiohttp import web

log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 256
"""Open at once; each new one takes the place of the one that has waited longest without a request."""
SHARE_OF_FILES = 0.25
"""Of the files that the process may open, at most so many are connections."""
REQUEST_SECONDS = 20.0
"""In which a connection must send a whole request, from when it was opened or its last answer was sent. Longer than the
15 s for which aiohttp's client keeps an idle connection."""
BACKLOG = 128

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Connections:
    """All connections of one server."""

    def __init__(self, most: int = MOST_CONNECTIONS, seconds: float = REQUEST_SECONDS) -> None:
        files = _open_files_limit()
        self._most = most if files is None else min(most, max(1, int(SHARE_OF_FILES * files)))
        self._seconds = seconds
        self._open: dict[asyncio.BaseTransport, _Connection] = {}
        """Oldest first."""
        self.closed = 0
        """How many were closed because they sent no request."""

    async def listen(self, runner: web.AppRunner, host: str, port: int) -> tuple[asyncio.Server, str, int]:
        """Serve a runner's application: (server, host, port). Raises OSError for an address that cannot be bound."""
        inner = runner.server
        assert inner is not None, "set the runner up first"
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self, inner()), host, port, backlog=BACKLOG, reuse_address=True
        )
        bound = server.sockets[0].getsockname()
        return server, bound[0], bound[1]

    @web.middleware
    async def reading(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Reads the body before the request is handled, and takes the connection for busy from then on."""
        connection = self._open.get(cast(asyncio.BaseTransport, request.transport))
        await request.read()  # what takes too long is closed by its timer
        if connection is None:
            return await handler(request)
        connection.wait(None)
        try:
            return await handler(request)
        finally:
            connection.wait(self._seconds)

    def opened(self, transport: asyncio.BaseTransport, connection: "_Connection") -> None:
        """A connection was opened: if there are too many now, one that only waits is closed."""
        self._open[transport] = connection
        connection.wait(self._seconds)
        if len(self._open) > self._most:
            idle = (each for each in self._open.values() if not each.busy)
            fresh = (each for each in self._open.values() if not each.busy and not each.asked)
            victim = next(itertools.chain(fresh, idle), connection)
            victim.close()

    def lost(self, transport: asyncio.BaseTransport | None) -> None:
        """A connection is closed."""
        if transport is not None:
            self._open.pop(transport, None)


class _Connection(asyncio.Protocol):
    """One connection: aiohttp's protocol, with a timer while no request is being answered."""

    def __init__(self, all_of_them: Connections, inner: asyncio.Protocol) -> None:
        self._all = all_of_them
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.busy = False
        self.asked = False
        """Whether it has ever sent a whole request."""

    def wait(self, seconds: float | None) -> None:
        """Close in so many seconds; None while a request is answered."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self.busy = seconds is None
        self.asked |= self.busy
        if seconds is not None and self._transport is not None and not self._transport.is_closing():
            self._timer = asyncio.get_running_loop().call_later(seconds, self.close)

    def close(self) -> None:
        """Close at once."""
        if self._transport is None or self._transport.is_closing():
            return
        self._all.closed += not self.asked
        self._all.lost(self._transport)
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._inner.connection_made(transport)
        self._all.opened(transport, self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._all.lost(self._transport)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


def _open_files_limit() -> int | None:
    """How many files this process may have open; None where there is no limit, or no way to ask (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if files == resource.RLIM_INFINITY else files

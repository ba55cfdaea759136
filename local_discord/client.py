"""Sends the real discord.py client to the local service instead of to Discord."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

START_SECONDS = 120.0
"""How long a client may take to sign in and get ready, on a busy machine too."""


@contextmanager
def redirect(rest_url: str, gateway_url: str) -> Iterator[None]:
    """Within it, every discord.py client talks to `rest_url` (with `/api/v10`) and `gateway_url`.

    The two addresses are all that is changed. They hold for the whole process, so a bot must be closed
    before leaving.
    """
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = rest_url, yarl.URL(gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


@asynccontextmanager
async def running(
    client: discord.Client, token: str, *, timeout: float = START_SECONDS
) -> AsyncIterator[discord.Client]:
    """A client that is signed in and ready, closed on leaving. Raises what keeps it from getting there."""
    connection: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(timeout):
            await client.login(token)
            connection = asyncio.create_task(client.connect())
            ready = asyncio.create_task(client.wait_until_ready())
            await asyncio.wait({connection, ready}, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
        if connection.done():
            await connection
        yield client
    finally:
        await client.close()
        if connection:
            await asyncio.gather(connection, return_exceptions=True)

"""Connects the real discord.py client to the local service instead of Discord."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

START_SECONDS = 120.0
"""Seconds that a client may take to sign in and become ready; long enough for a busy machine."""


@contextmanager
def redirect(rest_url: str, gateway_url: str) -> Iterator[None]:
    """Context manager: every discord.py client connects to `rest_url` (with `/api/v10`) and `gateway_url`.

    Only these two addresses are changed. They hold for the whole process, so close all bots before leaving the
    context.
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
    """Context manager: sign a client in, wait until it is ready, and close it at the end. Raises the client's error."""
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

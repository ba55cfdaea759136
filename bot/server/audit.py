"""The channel in which a server's moderators read who did what. No words of players, and no pings."""

import asyncio
from collections.abc import Callable

import discord
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import OUTSIDE, UNKNOWN_CHANNEL
from bot.language import server_locale, speaking
from bot.respond import NO_PINGS
from bot.texts import LONGEST_MESSAGE
from store.database import Database
from store.guilds import audit_channels, forget_audit_channel

log = structlog.get_logger(__name__)

Line = Callable[[], str]
"""Gives what was done, in the current language."""


class Audit:
    """Writes what was done, in order, without holding up who did it. Never raises."""

    def __init__(self, client: discord.Client, database: Database) -> None:
        self._client = client
        self._database = database
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()

    def here(self, guild_id: int, line: Line, until_now: str | None = None) -> None:
        """Something was done in one server.

        The channel in which its moderators read of it `until_now` is told too, so that none falls silent unseen.
        """
        self._begin(str(guild_id), line, until_now)

    def everywhere(self, line: Line) -> None:
        """Something was done that concerns every server."""
        self._begin(None, line)

    async def close(self) -> None:
        """Wait until everything is written."""
        await asyncio.gather(*self._tasks)

    def _begin(self, guild_id: str | None, line: Line, until_now: str | None = None) -> None:
        task = asyncio.create_task(self._write(guild_id, line, until_now), name="audit")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, guild_id: str | None, line: Line, until_now: str | None) -> None:
        async with self._writing:
            try:
                async with self._database.async_session() as session:
                    channels = await audit_channels(session, guild_id)
                told = list(channels.items())
                if guild_id is not None and until_now not in (None, channels.get(guild_id)):
                    told.append((guild_id, until_now))
                for guild, channel_id in told:
                    with speaking(await server_locale(self._client, self._database, int(guild))):
                        await self._send(guild, channel_id, line())
            except SQLAlchemyError as error:
                log.error("not written to audit channels", error=str(error.__cause__ or error))

    async def _send(self, guild_id: str, channel_id: str, text: str) -> None:
        channel = self._client.get_partial_messageable(int(channel_id), guild_id=int(guild_id))
        try:
            await channel.send(text[:LONGEST_MESSAGE], allowed_mentions=NO_PINGS)
        except OUTSIDE as error:
            log.warning("not written to an audit channel", guild=guild_id, error=str(error))
            if isinstance(error, discord.NotFound) and error.code == UNKNOWN_CHANNEL:
                async with self._database.async_writing() as session:
                    await forget_audit_channel(session, channel_id)

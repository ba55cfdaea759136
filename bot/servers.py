"""The language in which a server, or one of its channels, is written to."""

from typing import Protocol

import discord

from store.database import Database
from store.guilds import guild_settings


class _Client(Protocol):
    def get_guild(self, id: int, /) -> discord.Guild | None: ...

    def get_channel(
        self, id: int, /
    ) -> discord.abc.GuildChannel | discord.Thread | discord.abc.PrivateChannel | None: ...


async def server_locale(client: _Client, database: Database, guild_id: int) -> str:
    """The locale of what a whole server reads: what it chose with `/setup`, else Discord's setting of it."""
    async with database.async_session() as session:
        settings = await guild_settings(session, str(guild_id))
    guild = client.get_guild(guild_id)
    return settings.locale or (str(guild.preferred_locale) if guild is not None else "en")


async def channel_locale(
    client: _Client, database: Database, channel_id: int, guild_id: int | None = None
) -> str:
    """The locale of what is written to a channel for everybody. English where its server is not known."""
    if guild_id is None:
        channel = client.get_channel(channel_id)
        guild = channel.guild if isinstance(channel, discord.abc.GuildChannel | discord.Thread) else None
        guild_id = guild.id if guild is not None else None
    return await server_locale(client, database, guild_id) if guild_id is not None else "en"

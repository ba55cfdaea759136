"""Settings of communities and the channels that they chose for games. Async, for the bot."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from store.models import Game, GuildSettings, PlayChannel, now
from store.study_tables import Assignment


async def guild_settings(session: AsyncSession, guild_id: str | None) -> GuildSettings:
    """A community's settings; those of a new one if it has chosen nothing."""
    found = await session.get(GuildSettings, guild_id) if guild_id is not None else None
    return found or GuildSettings(guild_id=guild_id or "")


async def may_ask_about(session: AsyncSession, game: Game) -> bool:
    """Whether the bot may ask what was meant in a game: if its community wants that. In a study it never does, so that
    what players meet is the same in every arm."""
    wanted = (await guild_settings(session, game.guild_id)).unsure
    return wanted and await session.get(Assignment, game.id) is None


async def change_guild_settings(session: AsyncSession, guild_id: str, **values: Any) -> GuildSettings:
    """Set these values of `GuildSettings` and leave the others."""
    row = await guild_settings(session, guild_id)
    for name, value in values.items():
        setattr(row, name, value)
    if values:
        row.updated_at = now()
        session.add(row)
        await session.flush()
    return row


async def play_channels(session: AsyncSession, guild_id: str | None = None) -> Sequence[PlayChannel]:
    """The channels that a community, or any, chose for games."""
    query = select(PlayChannel).order_by(col(PlayChannel.channel_id))
    if guild_id is not None:
        query = query.where(PlayChannel.guild_id == guild_id)
    return (await session.exec(query)).all()


async def add_play_channel(session: AsyncSession, guild_id: str, channel_id: str) -> None:
    """Choose a channel for games."""
    if await session.get(PlayChannel, channel_id) is None:
        session.add(PlayChannel(channel_id=channel_id, guild_id=guild_id))


async def drop_play_channel(session: AsyncSession, channel_id: str) -> PlayChannel | None:
    """Choose a channel no longer. Gives the row that it had."""
    row = await session.get(PlayChannel, channel_id)
    if row is not None:
        await session.exec(delete(PlayChannel).where(col(PlayChannel.channel_id) == channel_id))
    return row


async def record_play_message(session: AsyncSession, channel_id: str, message_id: str | None) -> bool:
    """Record the message with the Play button of a channel. False if the channel is not chosen (any more)."""
    result = await session.exec(
        update(PlayChannel).where(col(PlayChannel.channel_id) == channel_id).values(message_id=message_id)
    )
    return result.rowcount > 0


async def channels_of_play_messages(session: AsyncSession, message_ids: set[str]) -> Sequence[PlayChannel]:
    """The channels whose message with the Play button is among these."""
    return (await session.exec(select(PlayChannel).where(col(PlayChannel.message_id).in_(message_ids)))).all()


async def audit_channels(session: AsyncSession, guild_id: str | None = None) -> dict[str, str]:
    """Guild id -> the channel in which the bot writes who did what, of the communities that chose one, or of one."""
    query = select(GuildSettings.guild_id, GuildSettings.audit_channel_id)
    query = query.where(col(GuildSettings.audit_channel_id).is_not(None))
    if guild_id is not None:
        query = query.where(GuildSettings.guild_id == guild_id)
    return {guild: channel for guild, channel in await session.exec(query) if channel is not None}


async def forget_audit_channel(session: AsyncSession, channel_id: str) -> None:
    """Write no more to a channel that is gone."""
    chosen = col(GuildSettings.audit_channel_id) == channel_id
    await session.exec(update(GuildSettings).where(chosen).values(audit_channel_id=None))


async def guilds_that_lock(session: AsyncSession) -> set[str]:
    """Ids of the communities that lock the threads of finished games."""
    return set((await session.exec(select(GuildSettings.guild_id).where(GuildSettings.lock_threads))).all())


async def idle_hours(session: AsyncSession) -> dict[str, int]:
    """Guild id -> hours without a word after which a game ends, for the communities that chose it."""
    query = select(GuildSettings.guild_id, GuildSettings.idle_hours)
    rows = await session.exec(query.where(col(GuildSettings.idle_hours).is_not(None)))
    return {guild_id: hours for guild_id, hours in rows if hours is not None}

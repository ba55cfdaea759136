"""The pinned message with Play buttons in the channels that a server chose for games."""

import io
from collections.abc import Collection

import discord
import structlog

from bot import texts
from bot.errors import OUTSIDE, UNKNOWN_CHANNEL
from bot.images import ImageSets
from bot.language import server_locale, speaking
from bot.locks import KeyedLocks
from bot.play.buttons import play_buttons
from bot.play.example import example_of
from bot.play.repeated import Repeated
from bot.respond import NO_PINGS
from games import GAMES
from games.language import _
from store.database import Database
from store.guilds import (
    channels_of_play_messages,
    drop_play_channel,
    guild_settings,
    play_channels,
    record_play_message,
)
from store.models import PlayChannel

log = structlog.get_logger(__name__)

UNKNOWN_MESSAGE = 10008
EVERY_SECONDS = 3600.0
"""How often it is checked whether the messages are still there."""


class PlayMessages:
    """Keeps one message with Play buttons in each chosen channel. One that is deleted is sent again."""

    def __init__(self, client: discord.Client, database: Database, images: ImageSets) -> None:
        self._client = client
        self._database = database
        self._images = images
        self._locks = KeyedLocks()
        self._checking = Repeated("Play messages", self._check_all, EVERY_SECONDS)

    def start(self) -> None:
        """Check now and every hour, unless it has begun."""
        self._checking.start()

    async def close(self) -> None:
        """Stop."""
        await self._checking.close()

    async def _check_all(self) -> None:
        async with self._database.async_session() as session:
            found = await play_channels(session)
        for row in found:
            await self.show(row.channel_id)

    async def show(self, channel_id: str, *, again: bool = False) -> bool:
        """Make sure that a chosen channel has its message; with `again`, that it offers what the server allows now.

        False if Discord does not let the bot.
        """
        async with self._locks(channel_id):
            async with self._database.async_session() as session:
                row = await session.get(PlayChannel, channel_id)
                games = (await guild_settings(session, row.guild_id)).games if row is not None else None
            if row is None:
                return True
            channel = self._client.get_partial_messageable(int(channel_id), guild_id=int(row.guild_id))
            locale = await server_locale(self._client, self._database, int(row.guild_id))
            try:
                with speaking(locale):
                    if row.message_id is not None and await self._there(
                        channel, row.message_id, games, again
                    ):
                        return True
                    message = await self._send(channel, games)
            except OUTSIDE as error:
                if isinstance(error, discord.NotFound) and error.code == UNKNOWN_CHANNEL:
                    await self.channel_gone(int(channel_id))  # deleted while the bot was offline
                    return True
                log.warning("no message with a Play button", channel=channel_id, error=str(error))
                return False
            async with self._database.async_writing() as session:
                await record_play_message(session, channel_id, str(message.id))
            return True

    async def remove(self, row: PlayChannel) -> None:
        """Delete the message of a channel that is not chosen any more."""
        async with self._locks(row.channel_id):
            if row.message_id is not None:
                channel = self._client.get_partial_messageable(
                    int(row.channel_id), guild_id=int(row.guild_id)
                )
                try:
                    await channel.get_partial_message(int(row.message_id)).delete()
                except OUTSIDE as error:
                    log.warning("message with a Play button not deleted", error=str(error))

    async def deleted(self, message_ids: Collection[int]) -> None:
        """Messages were deleted: those with a Play button are sent again."""
        async with self._database.async_session() as session:
            found = await channels_of_play_messages(session, {str(each) for each in message_ids})
        for row in found:
            await self.show(row.channel_id)

    async def channel_gone(self, channel_id: int) -> None:
        """A channel was deleted."""
        async with self._database.async_writing() as session:
            await drop_play_channel(session, str(channel_id))

    async def _there(
        self, channel: discord.PartialMessageable, message_id: str, games: list[str] | None, again: bool
    ) -> bool:
        message = channel.get_partial_message(int(message_id))
        try:
            if again:
                await message.edit(content=_(texts.PLAY_HERE), view=play_buttons(games))
            else:
                await message.fetch()
        except discord.NotFound as error:
            if error.code == UNKNOWN_MESSAGE:
                return False
            raise
        return True

    async def _send(self, channel: discord.PartialMessageable, games: list[str] | None) -> discord.Message:
        board = await example_of((games or list(GAMES))[0], self._images)
        message = await channel.send(
            _(texts.PLAY_HERE),
            file=discord.File(io.BytesIO(board.png), "example.png", description=board.alt),
            view=play_buttons(games),
            allowed_mentions=NO_PINGS,
        )
        try:
            await message.pin()
        except OUTSIDE as error:  # the message does without
            log.info("message with a Play button not pinned", channel=channel.id, error=str(error))
        return message

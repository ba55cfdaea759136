"""Ends games in which nobody says anything any more, archives the threads of finished games, and deletes what was said
in old ones."""

import asyncio
from datetime import timedelta

import discord
import structlog

from bot.errors import OUTSIDE
from bot.play.repeated import Repeated
from bot.play.session import GameSessions
from bot.settings import BotSettings
from store.database import Database
from store.games import idle_games, record_closed, threads_to_close
from store.guilds import guilds_that_lock, idle_hours
from store.models import EndReason, Game, now
from store.retention import forget_words

log = structlog.get_logger(__name__)

EVERY_SECONDS = 60.0
FORGET_EVERY_SECONDS = 3600.0
CLOSE_AFTER = 600.0
"""Seconds after a game's end before its thread is archived."""
CLOSED_AT_ONCE = 20
"""Threads that are archived at one time; the others wait for the next."""


class Housekeeping:
    """Looks after threads, every minute. What cannot be done is tried again, unless Discord forbids it."""

    def __init__(
        self, client: discord.Client, settings: BotSettings, database: Database, games: GameSessions
    ) -> None:
        self._client = client
        self._idle_hours = settings.play.idle_hours
        self._database = database
        self._games = games
        self._keep_words_days = settings.store.keep_words_days
        self._tidying = Repeated("housekeeping", self._tidy, EVERY_SECONDS)
        self._forgetting = Repeated("deletion of old utterances", self._forget_words, FORGET_EVERY_SECONDS)

    def start(self) -> None:
        """Begin, unless it has begun."""
        self._tidying.start()
        if self._keep_words_days:
            self._forgetting.start()

    async def close(self) -> None:
        """Stop."""
        await self._tidying.close()
        await self._forgetting.close()

    async def _tidy(self) -> None:
        await self._end_idle_games()
        await self._close_threads()

    async def _forget_words(self) -> None:
        before = now() - timedelta(days=self._keep_words_days or 0)
        games = 0
        while done := await self._database.write_in_thread(lambda session: forget_words(session, before)):
            games += done
        if games:
            await asyncio.to_thread(self._database.scrub)
            log.info("what was said in old games was deleted", games=games)

    async def _end_idle_games(self) -> None:
        """End games in which nothing was said for the time that their server, or the operator, chose.

        Their end is not shown, because that would open their threads again.
        """
        async with self._database.async_session() as session:
            chosen = await idle_hours(session)
            shortest = min((hours for hours in (self._idle_hours, *chosen.values()) if hours), default=None)
            if shortest is None:
                return
            found = await idle_games(session, now() - timedelta(hours=shortest))
        for game, since in found:
            hours = chosen.get(game.guild_id or "", self._idle_hours)
            if hours and since < now() - timedelta(hours=hours):
                await self._games.give_up(game.id, EndReason.IDLE)

    async def _close_threads(self) -> None:
        """Archive the threads of games that ended a while ago, and lock them where the server wants it."""
        async with self._database.async_session() as session:
            found = await threads_to_close(session, now() - timedelta(seconds=CLOSE_AFTER), CLOSED_AT_ONCE)
            locking = await guilds_that_lock(session) if found else set[str]()
        for game in found:
            if await self._closed(game, lock=game.guild_id in locking):
                async with self._database.async_writing() as session:
                    await record_closed(session, game.id)

    async def _closed(self, game: Game, lock: bool) -> bool:
        """Whether a game's thread is archived now, or cannot be. A thread that is archived already needs no request."""
        guild = self._client.get_guild(int(game.guild_id or 0))
        if guild is not None and guild.unavailable:
            return False
        thread = guild.get_thread(int(game.thread_id or 0)) if guild is not None else None
        if thread is None:  # archived, deleted, or the bot has left the server
            return True
        try:
            may_lock = lock and thread.permissions_for(thread.guild.me).manage_threads
            await (thread.edit(archived=True, locked=True) if may_lock else thread.edit(archived=True))
        except (discord.Forbidden, discord.NotFound) as error:
            log.warning("thread not archived", thread=game.thread_id, error=str(error))
            return True
        except OUTSIDE as error:
            log.warning("thread not archived yet", thread=game.thread_id, error=str(error))
            return False
        return True

"""Ends games in which nobody says anything any more, and archives the threads of finished games."""

import asyncio
from datetime import timedelta

import discord
import structlog
from discord.ext import tasks
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import OUTSIDE
from bot.play.session import GameSessions
from bot.settings import BotSettings
from store.database import Database
from store.games import idle_games, record_closed, threads_to_close
from store.guilds import guilds_that_lock, idle_hours
from store.models import EndReason, Game, now

log = structlog.get_logger(__name__)

EVERY_SECONDS = 60.0
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
        self._loop = tasks.loop(seconds=EVERY_SECONDS)(self._tidy)

    def start(self) -> None:
        """Begin, unless it has begun."""
        if not self._loop.is_running():
            self._loop.start()

    async def close(self) -> None:
        """Stop."""
        self._loop.cancel()
        if (task := self._loop.get_task()) is not None:
            await asyncio.gather(task, return_exceptions=True)

    async def _tidy(self) -> None:
        try:
            await self.end_idle_games()
            await self.close_threads()
        except SQLAlchemyError as error:
            log.error("database not available", error=str(error.__cause__ or error))
        except Exception:  # the loop would end with it
            log.exception("housekeeping failed")

    async def end_idle_games(self) -> int:
        """End games in which nothing was said for the time that their server, or the operator, chose.

        Gives their number. Their end is not shown, because that would open their threads again.
        """
        async with self._database.async_session() as session:
            chosen = await idle_hours(session)
            shortest = min((hours for hours in (self._idle_hours, *chosen.values()) if hours), default=None)
            if shortest is None:
                return 0
            found = await idle_games(session, now() - timedelta(hours=shortest))
        ended = 0
        for game, since in found:
            hours = chosen.get(game.guild_id or "", self._idle_hours)
            if hours and since < now() - timedelta(hours=hours):
                ended += await self._games.give_up(game.id, EndReason.IDLE)
        return ended

    async def close_threads(self, after: float = CLOSE_AFTER) -> None:
        """Archive the threads of games that ended so many seconds ago, and lock them where the server wants it."""
        async with self._database.async_session() as session:
            found = await threads_to_close(session, now() - timedelta(seconds=after), CLOSED_AT_ONCE)
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

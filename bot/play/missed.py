"""Reads the messages that were missed in games' threads: while the bot was offline, or its connection was lost."""

import asyncio
from collections.abc import Awaitable, Callable

import discord
import structlog

from bot.errors import OUTSIDE
from bot.language import speak
from bot.locks import KeyedLocks
from bot.play.session import GameSessions
from games.core import Outcome
from store.database import Database
from store.games import game_in_thread, games_with_instructions, unshown_games
from store.models import Game, Player

log = structlog.get_logger(__name__)

TRIES, FIRST_PAUSE, AT_ONCE = 6, 0.5, 5
"""How often a thread that could not be read is tried again, the first pause, which doubles, and threads at a time."""


class Missed:
    """Reads what was missed. A caller of `read` holds the thread's lock."""

    def __init__(
        self,
        client: discord.Client,
        database: Database,
        games: GameSessions,
        locks: KeyedLocks,
        take: Callable[[discord.Message], Awaitable[None]],
    ) -> None:
        """`locks`: by thread; `take`: handles one message of a player."""
        self._client = client
        self._database = database
        self._games = games
        self._locks = locks
        self._take = take
        self._starting = True
        self.up_to_date: set[int] = set()
        """Threads whose messages have all been read since the last disconnection."""
        self._failures: dict[int, int] = {}
        """Threads that could not be read, and how often in a row."""
        self._retries: dict[int, asyncio.Task[None]] = {}

    def is_tried_again(self, thread_id: int) -> bool:
        """Whether a thread that could not be read will be read later."""
        return thread_id in self._retries

    def disconnected(self) -> None:
        """Messages may be missed from now on."""
        self.up_to_date.clear()
        self._failures.clear()

    async def resume(self) -> int:
        """Resume every game: read missed messages, show missing boards. Gives the number of games."""
        async with self._database.async_session() as session:
            games = await unshown_games(session)
            waiting = await games_with_instructions(session)
        for game in games:
            if game.id not in waiting:
                self._games.wake(game.id)
        running = [game for game in games if game.outcome is Outcome.OPEN]
        at_once = asyncio.Semaphore(AT_ONCE)

        async def resume(game: Game) -> None:
            async with at_once, self._locks(thread_id := int(game.thread_id or 0)):
                if not (self._starting and self._nothing_missed(game)):
                    await self.read(thread_id, again=True)
            self._games.wake(game.id)  # not before: what was missed may continue the message that waits

        await asyncio.gather(*map(resume, sorted(running, key=lambda game: game.id not in waiting)))
        self._starting = False
        if games:
            log.info("games resumed", games=len(games))
        return len(games)

    def _nothing_missed(self, game: Game) -> bool:
        """Whether Discord's list of a server's active threads says that no message is newer than the last known one.

        Only to be asked at the start: later the list may be older than the messages that were missed. Archived
        threads are not in it.
        """
        guild = self._client.get_guild(int(game.guild_id or 0))
        thread = guild.get_thread(int(game.thread_id or 0)) if guild is not None else None
        if thread is None:
            return False
        known = max(int(game.heard_message_id or 0), int(game.board_message_id or 0))
        return thread.last_message_id is not None and thread.last_message_id <= known

    async def close(self) -> None:
        """Give up trying again. What was missed is read after the next start."""
        tasks = list(self._retries.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def read(self, thread_id: int, again: bool = False) -> bool:
        """Read the messages of a thread after the last one that was handled.

        Gives False if they could not be read. With `again` it is retried later, a few times unless that is not
        allowed. Raises nothing, so that one game does not stop the others. The caller holds the thread's lock.
        """
        try:
            found = await game_of(self._database, thread_id)
            if found is None:
                return False
            game, player = found
            speak(player.locale)
            after = discord.Object(int(game.heard_message_id or thread_id))
            guild_id = int(game.guild_id) if game.guild_id else None
            thread = self._client.get_partial_messageable(thread_id, guild_id=guild_id)
            async for message in thread.history(after=after, oldest_first=True, limit=None):
                if may_instruct(game, player, message.author):
                    await self._take(message)
        except (discord.Forbidden, discord.NotFound) as error:
            log.warning("missed messages may not be read", thread=thread_id, error=str(error))
            return False
        except Exception as error:  # an answer may be broken in any way
            failures = self._failures[thread_id] = self._failures.get(thread_id, 0) + 1
            about = {"thread": thread_id, "attempt": failures, "kind": type(error).__name__}
            if isinstance(error, OUTSIDE):
                log.warning("missed messages cannot be read", error=str(error), **about)
            else:
                log.exception("missed messages cannot be read", **about)
            if again and failures <= TRIES and thread_id not in self._retries:
                task = asyncio.create_task(self._read_later(thread_id), name=f"catch-up-{thread_id}")
                self._retries[thread_id] = task
            return False
        self._failures.pop(thread_id, None)
        self.up_to_date.add(thread_id)
        return True

    async def _read_later(self, thread_id: int) -> None:
        """Try again until the thread is read or has been tried so often that its newest message has to do."""
        try:
            while (failures := self._failures.get(thread_id, 0)) <= TRIES:
                await asyncio.sleep(FIRST_PAUSE * 2 ** max(0, failures - 1))
                async with self._locks(thread_id):
                    if thread_id in self.up_to_date or await self.read(thread_id):
                        return
                    if not self._failures.get(thread_id):
                        return  # there is no game any more, or its thread may not be read
            log.error("missed messages are given up until the next start", thread=thread_id)
        finally:
            del self._retries[thread_id]


async def game_of(database: Database, thread_id: int) -> tuple[Game, Player] | None:
    """The newest game of a thread, and who began it."""
    async with database.async_session() as session:
        game = await game_in_thread(session, str(thread_id))
        if game is None:
            return None
        return game, await session.get_one(Player, game.player_id)


def may_instruct(game: Game, player: Player, author: discord.abc.User) -> bool:
    """Whether somebody's messages in a game's thread are played."""
    return str(author.id) == player.external_id or (game.team and not author.bot)

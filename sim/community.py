"""Simulated players on the local Discord-compatible service: they type, press buttons and look at boards.

They use the service as a person does. Only the selection, which a person would see in the board's picture, is read
from the store.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlmodel import col, select

from bot import texts
from games import GAMES
from games.core import Deal, Outcome
from games.figures import open_images
from local_discord.invoke import ActionRefused
from local_discord.model import Message
from local_discord.people import Person
from sim.players import PlayerFactory, View
from store.database import Database
from store.games import game_in_thread, turns_of
from store.models import Game, Player

log = structlog.get_logger(__name__)

NAMES = (
    "Ada",
    "Bruno",
    "Chloé",
    "Dmitri",
    "Emeka",
    "Farah",
    "Greta",
    "Hiro",
    "Inés",
    "Jonas",
    "Kavya",
    "Liam",
)
ANSWER_SECONDS = 300.0
"""Seconds that a player waits for an answer."""


ATTEMPTS = 8
LOOK_SECONDS = 30.0
"""Seconds that a player waits for a new game before sending `/play` again."""


@dataclass(frozen=True)
class Pace:
    """Ranges of delays in seconds, from which one is drawn for each utterance."""

    think: tuple[float, float] = (0.0, 0.0)
    rest: tuple[float, float] = (0.0, 0.0)
    """Delay between two games."""


LIVELY = Pace(think=(2.0, 6.0), rest=(3.0, 12.0))


class CommunityMember:
    """One simulated player with an account on the service."""

    def __init__(
        self, person: Person, factory: PlayerFactory, database: Database, rng: random.Random, pace: Pace
    ) -> None:
        self.person = person
        self._factory = factory
        self._database = database
        self._rng = rng
        self._pace = pace

    async def play(self, channel: str) -> Outcome:
        """One game from `/play` to its end."""
        thread = await self._open_game(channel)
        game, view = await self._look(thread)
        descriptions = open_images(game.images).descriptions(game.listener)
        player = self._factory(self._rng, descriptions)
        while game.outcome == Outcome.OPEN:
            await asyncio.sleep(self._rng.uniform(*self._pace.think))
            utterance = player.speak(view)
            if utterance is None:
                await self.person.slash(thread, "giveup")
                sure = await self.person.wait_message(_has_buttons, where=thread, timeout=ANSWER_SECONDS)
                await self.person.press_labelled(sure, texts.GIVE_UP_YES)
            else:
                await self.person.say(thread, utterance)
            await self._wait_for_board(thread, view.turn)
            game, view = await self._look(thread)
        return game.outcome

    async def keep_playing(self, channel: str, wanted: Callable[[], bool]) -> None:
        """Play games for as long as `wanted` returns true."""
        while wanted():
            try:
                outcome = await self.play(channel)
                log.debug("game played", player=self.person.id, outcome=str(outcome))
            except (ActionRefused, TimeoutError) as error:
                log.warning("a simulated player lost the thread", player=self.person.id, error=str(error))
                await asyncio.sleep(1)
            await asyncio.sleep(self._rng.uniform(*self._pace.rest))

    async def _open_game(self, channel: str) -> int:
        """Send `/play`, again if no game is opened, and return the new game's thread id."""
        for _ in range(ATTEMPTS):
            await self.person.slash(channel, "play")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    return await self._my_thread()
        raise TimeoutError(f"{self.person.name} typed /play {ATTEMPTS} times and no game was opened")

    async def _my_thread(self) -> int:
        """The thread id of the game in progress, when its board is shown."""
        mine = (
            select(Game.thread_id)
            .join(Player)
            .where(Player.external_id == str(self.person.id), Game.outcome == Outcome.OPEN)
            .where(col(Game.shown_turns).is_not(None))
        )
        while True:
            async with self._database.async_session() as session:
                thread = (await session.exec(mine)).first()
            if thread is not None:
                return int(thread)
            await asyncio.sleep(0.1)

    async def _wait_for_board(self, thread: int, turns: int) -> None:
        """Wait until the last utterance is answered. A turn is committed before its board is shown."""
        while True:
            await self.person.wait_message(_is_board, where=thread, timeout=ANSWER_SECONDS)
            game, view = await self._look(thread)
            if game.outcome != Outcome.OPEN or view.turn > turns:
                return

    async def _look(self, thread: int) -> tuple[Game, View]:
        async with self._database.async_session() as session:
            game = await game_in_thread(session, str(thread))
            if game is None:
                raise TimeoutError(f"no game in thread {thread}")
            turns = await turns_of(session, game.id)
        rules, context = GAMES[game.game], game.listener
        previous = tuple(
            (turn.utterance, frozenset(rules.selected(context, turn.state_after))) for turn in turns
        )
        deal = Deal(tuple(game.speaker), tuple(context), frozenset(game.targets))
        state = turns[-1].state_after if turns else rules.initial_state(context)
        return game, View.of(rules, deal, state, previous)


def _is_board(message: Message) -> bool:
    return bool(message.attachments)


def _has_buttons(message: Message) -> bool:
    return bool(message.components) and message.ephemeral

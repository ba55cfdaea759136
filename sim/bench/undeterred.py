"""The players of `respect bench chaos`: they describe figures by messages and forms, and go on whatever fails."""

import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlmodel import col, select

from bot import texts
from bot.play.buttons import FIELD
from games.core import Outcome
from local_discord.component_rules import walk
from local_discord.invoke import ActionRefused
from local_discord.model import Channel, Event, Interaction, Message
from local_discord.people import Person
from sim.bench.watch import until
from store.database import Database
from store.models import Game, Instruction, Player, Turn

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 300.0
"""How long a player waits for an answer before what was said counts as unanswered."""
OPENING_SECONDS = 20.0
"""How long a player waits for a game before asking for one again."""


@dataclass
class Said:
    """Something that a player said in a running game."""

    id: str
    """Of the message or of the form's interaction, as turns keep it."""
    form: bool
    refused: bool = False
    """The bot said that it could not keep it, and asked for it again."""
    unanswered: bool = False
    after_end: bool = False
    """A form before it was kept after all, and ended the game."""


class Undeterred:
    """Plays one game after another: a description in each turn, and waits for the board that answers it."""

    def __init__(
        self,
        person: Person,
        channel: Channel,
        database: Database,
        rng: random.Random,
        words: list[str],
        games: Sequence[str],
        forms: float,
    ) -> None:
        """`games`: names of those that are played. `forms`: share of what is said that is said in a form."""
        self.person = person
        self._channel = channel
        self._database = database
        self._rng = rng
        self._words = words
        self._games = games
        self._forms = forms
        self.said: list[Said] = []
        self.put_off = 0
        """Times that the bot said in any thread that it cannot save now, and goes on later."""
        self.said_in_game = 0
        """What was said in the running game."""
        self.uttered: list[str] = []
        """All that was written, kept or not."""
        self.failed_forms: set[str] = set()
        """Forms that were not acknowledged in time: Discord says so to the player, who says it again."""
        self._refused: set[str] = set()
        """Ids of messages that the bot asks for again."""

    def hear(self, event: Event) -> None:
        """Something happened in the service's world."""
        message = event.record
        if isinstance(message, Message) and message.content == texts.NOT_KEPT and message.reference:
            self._refused.add(str(message.reference["message_id"]))
        elif event.name == "MESSAGE_CREATE" and isinstance(message, Message):
            self.put_off += message.content == texts.NOT_SAVED

    async def play(self) -> None:
        """One game, from `/play` to its end."""
        try:
            await self._play()
        finally:
            self.said_in_game = 0

    async def _play(self) -> None:
        while await self._game() is None:
            with contextlib.suppress(ActionRefused, TimeoutError):
                await self.person.slash(self._channel, "play", {"game": self._rng.choice(self._games)})
            await until(self._has_game, OPENING_SECONDS)
        while (game := await self._game()) is not None and game.thread_id is not None:
            words = self._rng.choice(self._words)
            self.uttered.append(words)
            said, form = None, None
            if self._rng.random() < self._forms:
                said, form = await self._in_a_form(int(game.thread_id), words)
            if said is None:
                if await self._game() is None:
                    return
                message = await self.person.say(int(game.thread_id), words)
                said = Said(str(message.id), form=False)
            self.said.append(said)
            self.said_in_game += 1

            async def settled(
                game_id: str = game.id, what: Said = said, sent: Interaction | None = form
            ) -> bool:
                what.refused = what.id in self._refused or (sent is not None and _is_refused(sent))
                what.after_end = await self._ended_before(game_id, what.id)
                return what.refused or what.after_end or await self._answered(game_id, what.id)

            if not await until(settled, ANSWER_SECONDS):
                log.error("not answered", game=game.id, message=said.id, form=said.form)
                said.unanswered = True
                return

    async def _in_a_form(self, thread_id: int, words: str) -> tuple[Said | None, Interaction | None]:
        """Say it in the form of the newest board. (None, None) if the form does not open or was not kept."""
        boards = (
            (message, part["custom_id"])
            for message in reversed(self.person.history(thread_id))
            for part in walk(message.components)
            if str(part.get("custom_id", "")).startswith("describe:")
        )
        if (found := next(boards, None)) is None:
            return None, None
        try:
            opening = await self.person.press(*found)
            await until(lambda: _decided(opening), ANSWER_SECONDS)
            if opening.modal is None:
                return None, None
            sent = await self.person.submit_modal(opening.id, {FIELD: words})
        except ActionRefused:
            return None, None
        await until(lambda: _decided(sent), ANSWER_SECONDS)
        if sent.answered is None:
            self.failed_forms.add(str(sent.id))
            if not await self._is_kept(str(sent.id)):  # else the thread shows that it is being played
                return None, None
        return Said(str(sent.id), form=True), sent

    async def _has_game(self) -> bool:
        return await self._game() is not None

    async def _game(self) -> Game | None:
        """The player's running game, once its first board is shown."""
        query = (
            select(Game)
            .join(Player)
            .where(Player.external_id == str(self.person.id), Game.outcome == Outcome.OPEN)
            .where(col(Game.shown_turns).is_not(None))
        )
        async with self._database.async_session() as session:
            return (await session.exec(query)).first()

    async def _is_kept(self, message_id: str) -> bool:
        async with self._database.async_session() as session:
            for table in (Instruction, Turn):
                if (await session.exec(select(table.id).where(table.message_id == message_id))).first():
                    return True
        return False

    async def _ended_before(self, game_id: str, message_id: str) -> bool:
        """Whether the game ended with a form that the player thinks is lost."""
        if not self.failed_forms:
            return False
        async with self._database.async_session() as session:
            game = await session.get_one(Game, game_id)
            turns = select(Turn.message_id).where(Turn.game_id == game_id).order_by(col(Turn.number))
            played = (await session.exec(turns)).all()
        over = game.outcome is not Outcome.OPEN and message_id not in played
        return over and bool(played) and played[-1] in self.failed_forms

    async def _answered(self, game_id: str, message_id: str) -> bool:
        async with self._database.async_session() as session:
            game = await session.get_one(Game, game_id)
            mine = select(Turn.number).where(Turn.game_id == game_id, Turn.message_id == message_id)
            number = (await session.exec(mine)).first()
        return number is not None and game.shown_turns is not None and game.shown_turns >= number


async def _decided(sent: Interaction) -> bool:
    """Whether a person sees that the bot answered, or that it did not."""
    return sent.answered is not None or sent.expired


def _is_refused(form: Interaction) -> bool:
    """Whether the bot gave back the words of a form."""
    answers = [*form.followups.values(), *([form.original] if form.original is not None else [])]
    return any(answer.content.startswith(texts.NOT_KEPT_FORM) for answer in answers)

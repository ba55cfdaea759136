"""Sends boards, notices and the typing indicator to a game's thread. It contains no game logic."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import discord

from bot import texts
from bot.errors import OUTSIDE, UNKNOWN_CHANNEL, ThreadGone
from bot.images import ImageSets
from bot.play.buttons import board_buttons, meant_buttons
from bot.respond import NO_PINGS
from bot.statistics.learning import LearningNotes
from bot.study.survey import SurveyNotes
from games import GAMES
from games.board import numbered
from games.core import Board, Change, Outcome, change_of
from games.language import _
from store.games import action_key, deal_of, state_of
from store.models import EndReason, Game, Instruction, Turn

LOOK_BACK = 30
"""Number of messages to search for a board that may have been sent already."""
TYPING_LASTS = 8.0
DRAWN_AT_ONCE = 2
"""Number of boards drawn at the same time. More would slow down the event loop."""


@dataclass(frozen=True)
class Position:
    """What a board shows, and what the line above it says."""

    game: Game
    player_id: str
    """Discord id of who began the game."""
    turns: Sequence[Turn]
    first_game: bool = False
    """Whether the player has not played before, so that the first board explains more."""
    credits: Mapping[str, int] = field(default_factory=dict)
    """Discord id -> turns, after a team's game."""
    unplayed: int = 0
    """Messages that came too late to be played."""


class BoardDisplay:
    """Draws and sends boards. Raises `ThreadGone` if the thread no longer exists."""

    def __init__(
        self,
        client: discord.Client,
        images: ImageSets,
        notes: LearningNotes,
        surveys: SurveyNotes,
        plain_messages: bool,
    ) -> None:
        self._client = client
        self._images = images
        self._notes = notes
        self._surveys = surveys
        self._plain_messages = plain_messages
        self._drawing = asyncio.Semaphore(DRAWN_AT_ONCE)

    def _thread(self, game: Game) -> discord.PartialMessageable:
        assert game.thread_id is not None, "a game without a thread is never shown"
        guild_id = int(game.guild_id) if game.guild_id else None
        return self._client.get_partial_messageable(int(game.thread_id), guild_id=guild_id)

    async def show(self, position: Position, *, look_first: bool) -> str:
        """Make sure that the thread shows a position. Gives the board's message id.

        A board is a new message that replies to the utterance, because people read the bottom of a thread and can
        scroll back to earlier positions. `look_first`: search the thread first, because a bot that was killed may
        have sent the board without recording it; that message is then used.
        """
        game = position.game
        thread = self._thread(game)
        name = f"{len(position.turns)}{'' if game.outcome is Outcome.OPEN else '-end'}"
        filename = f"board-{game.id[:8]}-{name}.png"
        try:
            found = await self._already_shown(thread, filename) if look_first else None
            if found is None:
                found = await self._send(thread, position, filename, f"{game.id[:16]}-{name}")
        except discord.NotFound as error:
            if error.code == UNKNOWN_CHANNEL:
                raise ThreadGone(game.thread_id) from error
            raise
        return str(found)

    async def question(
        self, game: Game, turns: Sequence[Turn], instruction: Instruction, actions: Sequence[str]
    ) -> None:
        """Ask which of these actions an instruction means, with a picture of the board after each.

        Raises `ThreadGone`, and what Discord's requests raise.
        """
        thread, state, rules = self._thread(game), state_of(game, turns), GAMES[game.game]
        boards = [await self.draw(game, rules.apply(state, action), len(turns)) for action in actions]
        if len(boards) > 1:
            boards = [await asyncio.to_thread(numbered, each, place) for place, each in enumerate(boards, 1)]
        content, reply = texts.unsure(len(boards)), dict[str, Any]()
        if instruction.source != "message":
            content = texts.quoted(instruction.text, content)
        elif instruction.message_id:
            reply["reference"] = _reference(instruction.message_id, thread)
        try:
            await thread.send(
                content,
                files=[
                    discord.File(io.BytesIO(board.png), f"meant-{number}.png", description=board.alt)
                    for number, board in enumerate(boards, 1)
                ],
                view=meant_buttons(game.id, str(instruction.message_id), actions),
                nonce=action_key(f"{instruction.message_id}: {actions}"),
                mention_author=False,
                allowed_mentions=NO_PINGS,
                **reply,
            )
        except discord.NotFound as error:
            if error.code == UNKNOWN_CHANNEL:
                raise ThreadGone(game.thread_id) from error
            raise

    async def retire(self, game: Game, message_id: str) -> None:
        """Remove the buttons of the board before `message_id`."""
        if game.board_message_id not in (None, message_id):
            with suppress(*OUTSIDE):  # it may have been deleted; at worst it keeps its buttons
                await self._thread(game).get_partial_message(int(game.board_message_id)).edit(view=None)

    async def _send(
        self, thread: discord.PartialMessageable, position: Position, filename: str, nonce: str
    ) -> int:
        game, player_id, turns = position.game, position.player_id, len(position.turns)
        turn = position.turns[-1] if position.turns else None
        rules = GAMES[game.game]
        if turn is None and game.outcome is Outcome.OPEN:
            content = texts.first_board(
                player_id,
                rules.words,
                rules.max_turns,
                self._plain_messages,
                position.first_game,
                team=game.team,
            )
        else:
            content = texts.board(
                rules.words,
                game.outcome,
                turns,
                rules.max_turns,
                position.unplayed,
                _last_change(game, position.turns),
                by_moderator=game.end_reason is EndReason.MODERATOR,
            )
        if position.credits:
            content = f"{content}\n{texts.credits(position.credits)}"
        if note := await self._notes.with_board(game, turns):
            content = f"{content}\n{_(note)}"
        buttons = board_buttons(game, player_id)
        if (survey := await self._surveys.with_board(game, player_id)) is not None:
            content = f"{content}\n{_(survey[0])}"
            buttons.add_item(survey[1])
        answers = turn is not None and game.shown_turns != turns
        if turn is not None and answers and turn.source != "message":
            content = texts.quoted(turn.utterance, content)
        reply: dict[str, Any] = {}
        if turn is not None and answers and turn.source == "message" and turn.message_id:
            reply["reference"] = _reference(turn.message_id, thread)
        board = await self.draw(game, state_of(game, position.turns), turns)
        message = await thread.send(
            content,
            file=discord.File(io.BytesIO(board.png), filename, description=board.alt),
            view=buttons,
            nonce=nonce,
            mention_author=False,
            allowed_mentions=discord.AllowedMentions(
                everyone=False,
                roles=False,
                users=[] if turns else [discord.Object(int(player_id))],
                replied_user=False,
            ),
            **reply,
        )
        return message.id

    async def _already_shown(self, thread: discord.PartialMessageable, filename: str) -> int | None:
        with suppress(discord.Forbidden):
            async for message in thread.history(limit=LOOK_BACK):
                mine = self._client.user is not None and message.author.id == self._client.user.id
                if mine and any(file.filename == filename for file in message.attachments):
                    return message.id
        return None

    async def draw(self, game: Game, state: str, turns: int) -> Board:
        """The speaker's picture, drawn off the event loop."""
        images = await self._images.open(game.images)
        async with self._drawing:
            return await asyncio.to_thread(
                GAMES[game.game].render, deal_of(game), state, turns, game.outcome, images
            )

    async def say(self, game: Game, text: str) -> None:
        """Send a notice to the thread. A notice that cannot be sent is dropped. A marked text is translated."""
        with suppress(*OUTSIDE):
            await self._thread(game).send(_(text), allowed_mentions=NO_PINGS)

    @asynccontextmanager
    async def typing(self, game: Game) -> AsyncIterator[None]:
        """Show the typing indicator, without waiting for the request."""
        task = asyncio.create_task(self._type(self._thread(game)))
        try:
            yield
        finally:
            task.cancel()

    async def _type(self, thread: discord.PartialMessageable) -> None:
        with suppress(*OUTSIDE):
            while True:
                await thread.typing()
                await asyncio.sleep(TYPING_LASTS)


def _reference(message_id: str, thread: discord.PartialMessageable) -> discord.MessageReference:
    """What a message replies to, whether it is still there or not."""
    return discord.MessageReference(
        message_id=int(message_id), channel_id=thread.id, fail_if_not_exists=False
    )


def _last_change(game: Game, turns: Sequence[Turn]) -> Change | None:
    """What the last turn clicked, None before the first."""
    if not turns:
        return None
    return change_of(GAMES[game.game], game.listener, state_of(game, turns[:-1]), turns[-1].action)

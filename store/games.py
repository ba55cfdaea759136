"""Games in progress: queueing utterances, committing turns, ending games. Async, for the bot."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased
from sqlmodel import col, delete, func, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from games import GAMES
from games.core import Deal, Outcome, Step
from store.models import (
    EndReason,
    Game,
    GameEvent,
    GameEventKind,
    Instruction,
    Player,
    Round,
    RoundStatus,
    TeamPlayer,
    Turn,
    now,
)


def deal_of(game: Game) -> Deal:
    """The deal of a game with its targets, for the rules and the speaker's picture."""
    return Deal(tuple(game.speaker), tuple(game.listener), frozenset(game.targets))


def steps_of(turns: Sequence[Turn]) -> list[Step]:
    """Finished turns as the listener saw them."""
    return [Step(turn.state_before, turn.utterance, turn.action) for turn in turns]


def state_of(game: Game, turns: Sequence[Turn]) -> str:
    """The state of a game after its finished turns."""
    return turns[-1].state_after if turns else GAMES[game.game].initial_state(game.listener)


class Answer(Protocol):
    """What the policy answered (`learner.protocol.TurnAnswer`)."""

    @property
    def action(self) -> str: ...

    @property
    def logp(self) -> float | None: ...

    @property
    def adapter(self) -> str: ...

    @property
    def base_model(self) -> str: ...

    @property
    def seconds(self) -> float: ...

    @property
    def temperature(self) -> float | None: ...

    @property
    def seed(self) -> int | None: ...


def finished_turn(
    game: Game,
    number: int,
    state: str,
    utterance: str,
    answer: Answer,
    *,
    source: str,
    asked_at: datetime,
    message_id: str | None = None,
    earlier_message_ids: list[str] | None = None,
    player_id: int | None = None,
    retracted: str | None = None,
    chosen: bool = False,
) -> Turn:
    """The row of a turn with the policy's answer. Raises `IllegalAction` for an illegal action."""
    return Turn(
        game_id=game.id,
        number=number,
        utterance=utterance,
        message_id=message_id,
        earlier_message_ids=earlier_message_ids,
        source=source,
        player_id=player_id,
        state_before=state,
        retracted=retracted,
        chosen=chosen,
        action=answer.action,
        state_after=GAMES[game.game].apply(state, answer.action),
        logp=answer.logp,
        adapter=answer.adapter,
        base_model=answer.base_model,
        seconds=answer.seconds,
        temperature=answer.temperature,
        seed=answer.seed,
        asked_at=asked_at,
    )


async def finished_rounds(session: AsyncSession) -> int:
    """Number of the last round that finished, 0 before the first."""
    query = select(func.max(Round.number)).where(Round.status == RoundStatus.DONE)
    return (await session.exec(query)).one() or 0


async def open_games(session: AsyncSession) -> Sequence[Game]:
    """All games in progress, oldest first."""
    query = select(Game).where(Game.outcome == Outcome.OPEN).order_by(col(Game.started_at))
    return (await session.exec(query)).all()


async def open_game_of(session: AsyncSession, player_id: int, guild_id: str | None) -> Game | None:
    """A player's game in progress in a guild, if any."""
    query = select(Game).where(
        Game.player_id == player_id, Game.guild_id == guild_id, Game.outcome == Outcome.OPEN
    )
    return (await session.exec(query)).first()


async def open_games_in(session: AsyncSession, guild_id: str) -> int:
    """Number of a guild's games in progress."""
    query = select(func.count()).select_from(Game)
    return (await session.exec(query.where(Game.outcome == Outcome.OPEN, Game.guild_id == guild_id))).one()


async def game_in_thread(session: AsyncSession, thread_id: str) -> Game | None:
    """The newest game of a thread."""
    query = select(Game).where(Game.thread_id == thread_id).order_by(col(Game.started_at).desc()).limit(1)
    return (await session.exec(query)).first()


async def unshown_games(session: AsyncSession) -> Sequence[Game]:
    """Games with a thread that are in progress or whose end has not been shown yet, oldest first."""
    query = (
        select(Game)
        .where(
            col(Game.thread_id).is_not(None),
            or_(col(Game.outcome) == Outcome.OPEN, col(Game.result_shown).is_(False)),
        )
        .order_by(col(Game.started_at))
    )
    return (await session.exec(query)).all()


async def games_with_instructions(session: AsyncSession) -> set[str]:
    """The ids of games with a queue."""
    return set((await session.exec(select(Instruction.game_id).distinct())).all())


async def unfinished_games_of(session: AsyncSession, player_id: int) -> Sequence[Game]:
    """A player's games in progress in all guilds."""
    query = select(Game).where(Game.player_id == player_id, Game.outcome == Outcome.OPEN)
    return (await session.exec(query)).all()


async def latest_game_of(session: AsyncSession, player_id: int) -> Game | None:
    """The game that a player began last, finished or not."""
    query = select(Game).where(Game.player_id == player_id).order_by(col(Game.started_at).desc()).limit(1)
    return (await session.exec(query)).first()


async def games_played(session: AsyncSession, player_id: int) -> int:
    """Number of games that a player has begun."""
    query = select(func.count()).select_from(Game).where(Game.player_id == player_id)
    return (await session.exec(query)).one()


async def turns_by_player(session: AsyncSession, game: Game) -> dict[str, int]:
    """External id -> number of turns, of each player of a team's game, most turns first."""
    who = func.coalesce(Turn.player_id, game.player_id)
    query = select(Player.external_id, func.count()).join(Turn, who == Player.id)
    rows = await session.exec(query.where(Turn.game_id == game.id).group_by(col(Player.external_id)))
    return dict(sorted(rows, key=lambda row: -row[1]))


async def record_shown(
    session: AsyncSession,
    game_id: str,
    message_id: str | None,
    turns: int,
    result: bool,
    at: datetime | None = None,
) -> None:
    """Record the number of turns on the newest board, whether it shows the game's end, and when it was shown.

    `message_id`: None if the game's end is not shown at all.
    """
    values = {"shown_turns": turns, "result_shown": result}
    if message_id is not None:
        values["board_message_id"] = message_id
        session.add(GameEvent(game_id=game_id, kind=GameEventKind.BOARD, turn=turns or None, at=at or now()))
    await session.exec(update(Game).where(col(Game.id) == game_id).values(**values))


async def record_unshown(session: AsyncSession, game_id: str) -> None:
    """Record that a game's newest board is not there any more, so that it is shown again."""
    await session.exec(update(Game).where(col(Game.id) == game_id).values(shown_turns=None))


async def record_heard(session: AsyncSession, game_id: str, message_id: str) -> None:
    """Record that a message of the thread and all before it have been handled."""
    await session.exec(update(Game).where(col(Game.id) == game_id).values(heard_message_id=message_id))


async def turns_of(session: AsyncSession, game_id: str) -> Sequence[Turn]:
    """Finished turns of a game, in order."""
    query = select(Turn).where(Turn.game_id == game_id).order_by(col(Turn.number))
    return (await session.exec(query)).all()


async def queue_instruction(
    session: AsyncSession,
    game_id: str,
    text: str,
    message_id: str | None,
    source: str = "message",
    player_id: int | None = None,
) -> bool:
    """Queue an utterance until its turn is played. `player_id`: who of a team said it, None for who began the game.

    False if the game is over, or if this message was already queued or played. The game's end waits for this
    transaction, or this one for it, so that nothing is kept for a game that is over.
    """
    query = select(Game.outcome).where(Game.id == game_id).with_for_update()
    if (await session.exec(query)).first() is not Outcome.OPEN:
        return False
    if message_id is not None and await turn_of_message(session, game_id, message_id) is not None:
        return False
    try:
        async with session.begin_nested():
            session.add(
                Instruction(
                    game_id=game_id, text=text, message_id=message_id, source=source, player_id=player_id
                )
            )
    except IntegrityError:
        return False
    if player_id is not None and await session.get(TeamPlayer, (game_id, player_id)) is None:
        session.add(TeamPlayer(game_id=game_id, player_id=player_id))
    return True


async def waiting_instructions(session: AsyncSession, game_id: str) -> Sequence[Instruction]:
    """The queue, oldest first."""
    query = select(Instruction).where(Instruction.game_id == game_id).order_by(col(Instruction.id))
    return (await session.exec(query)).all()


async def edit_instruction(session: AsyncSession, message_id: str, text: str) -> bool:
    """Update a queued message after an edit. False if it is not queued (any more).

    A question about its old words, alone or with those after them, is over.
    """
    query = select(Instruction).where(Instruction.message_id == message_id)
    instruction = (await session.exec(query)).one_or_none()
    if instruction is None:
        return False
    instruction.text = text
    session.add(instruction)
    asked = (col(Instruction.game_id) == instruction.game_id, col(Instruction.id) >= instruction.id)
    await session.exec(update(Instruction).where(*asked).values(doubts=None, chosen=None))
    return True


async def ask_about(session: AsyncSession, instruction: Instruction, doubts: list[str]) -> None:
    """Record that the player is asked which of these actions an instruction means, unless it was changed meanwhile."""
    row = await session.get(Instruction, instruction.id)
    if row is not None and row.text == instruction.text:
        row.doubts = doubts
        session.add(row)


def action_key(action: str) -> str:
    """A short name of an action, for where there is no room for it."""
    return hashlib.sha256(action.encode()).hexdigest()[:8]


async def choose_action(session: AsyncSession, game_id: str, message_id: str, key: str | None) -> bool:
    """Record which of the actions that its player was asked about an instruction means, None for none of them.

    False if it is too late: it was answered, edited or taken back, or something was said after it.
    """
    *_, last = await waiting_instructions(session, game_id) or (None,)
    if last is None or last.message_id != message_id or not last.doubts or last.chosen is not None:
        return False
    if key is None:
        last.doubts = []
    else:
        last.chosen = next((action for action in last.doubts if action_key(action) == key), None)
    session.add(last)
    return key is None or last.chosen is not None


async def drop_instruction(session: AsyncSession, message_id: str) -> bool:
    """Remove a queued message. False if it is not queued (any more)."""
    result = await session.exec(delete(Instruction).where(col(Instruction.message_id) == message_id))
    return result.rowcount > 0


async def waiting_instruction(session: AsyncSession, message_id: str) -> Instruction | None:
    """The queued message with this id, if it is queued."""
    return (await session.exec(select(Instruction).where(Instruction.message_id == message_id))).one_or_none()


async def drop_waiting(session: AsyncSession, instructions: Sequence[Instruction]) -> None:
    """Remove instructions from the queue."""
    ids = [instruction.id for instruction in instructions]
    await session.exec(delete(Instruction).where(col(Instruction.id).in_(ids)))


async def turn_of_message(session: AsyncSession, game_id: str, message_id: str) -> Turn | None:
    """The turn of a game in which a message was played, alone or with others, if any."""
    turns = await turns_of(session, game_id)
    return next(
        (turn for turn in turns if message_id in (turn.message_id, *(turn.earlier_message_ids or ()))), None
    )


async def commit_turn(session: AsyncSession, instructions: Sequence[Instruction], turn: Turn) -> None:
    """Write a finished turn and remove its instructions from the queue, in one transaction.

    Raises sqlalchemy's IntegrityError if the game already has a turn of this number or message.
    """
    session.add(turn)
    await drop_waiting(session, instructions)
    await session.flush()


async def explain_end(session: AsyncSession, game_id: str) -> bool:
    """Record that a message after a game's end is answered. False if one was answered before."""
    result = await session.exec(
        update(Game)
        .where(col(Game.id) == game_id, col(Game.end_explained).is_(False))
        .values(end_explained=True)
    )
    return result.rowcount > 0


async def idle_games(session: AsyncSession, since: datetime) -> Sequence[tuple[Game, datetime]]:
    """Games in progress in which nothing was said since a time, with the time of their last turn or of their start.

    Games that have something to play are left out.
    """
    newest = (
        select(Turn.game_id, func.max(Turn.answered_at).label("at")).group_by(col(Turn.game_id)).subquery()
    )
    playable = or_(col(Instruction.doubts).is_(None), col(Instruction.chosen).is_not(None))
    each = aliased(Instruction)
    last = select(func.max(each.id)).group_by(each.game_id)  # where it is asked about, nothing is played
    waiting = select(Instruction.id).where(
        Instruction.game_id == Game.id, col(Instruction.id).in_(last), playable
    )
    query = (
        select(Game, newest.c.at)
        .outerjoin(newest, newest.c.game_id == Game.id)
        .where(Game.outcome == Outcome.OPEN, col(Game.started_at) < since, ~waiting.exists())
    )
    rows = [(game, at or game.started_at) for game, at in await session.exec(query)]
    return [(game, at) for game, at in rows if at < since]


async def threads_to_close(session: AsyncSession, ended_before: datetime, limit: int) -> Sequence[Game]:
    """Finished games whose thread has not been archived yet, those that ended first first."""
    query = (
        select(Game)
        .where(col(Game.thread_closed).is_(False), col(Game.ended_at) < ended_before)
        .where(col(Game.result_shown), col(Game.thread_id).is_not(None))
        .order_by(col(Game.ended_at))
        .limit(limit)
    )
    return (await session.exec(query)).all()


async def record_closed(session: AsyncSession, game_id: str) -> None:
    """Record that the thread of a finished game has been archived, or cannot be."""
    await session.exec(update(Game).where(col(Game.id) == game_id).values(thread_closed=True))


async def end_game(
    session: AsyncSession, game: Game, outcome: Outcome, reason: EndReason | None = None
) -> int:
    """End a game. Returns the number of queued utterances that will not be played."""
    game.outcome = outcome
    game.end_reason = reason
    game.ended_at = now()
    session.add(game)
    result = await session.exec(delete(Instruction).where(col(Instruction.game_id) == game.id))
    return result.rowcount

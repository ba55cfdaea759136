"""People's judgements of turns: what waits to be judged, and storing judgements. For evaluation only."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from games.core import Outcome
from store.models import Correctness, Game, HumanEval, Satisfaction, Turn
from store.players import shared

LONGEST_RATER = 40
"""Characters of a rater's name."""
IMPORTED = "imported"
"""The rater of an imported judgement. Further ones of the same turn have "imported 2", "imported 3" and so on; a number
is not the same person in all turns."""
_IMPORTED = re.compile(rf"{IMPORTED}( \d+)?")
GAMES_AT_A_TIME = 300


class JudgementError(ValueError):
    """A judgement cannot be stored; the message says why."""


@dataclass(frozen=True)
class Judgement:
    """What a rater says of a turn."""

    rater: str
    correctness: Correctness
    feedback: Satisfaction | None
    """None if nothing was said after the turn."""
    right_clicks: Collection[str]
    """Figure ids."""


def _can_be_judged() -> list[sa.ColumnElement[bool]]:
    """Conditions on `Game`: it is over, so that the next utterance is known, and shared with researchers."""
    return [col(Game.outcome) != Outcome.OPEN, shared()]


def next_turn(session: Session, after: int) -> Turn | None:
    """The first turn with an id above `after` that nobody has judged yet, from the beginning if there is none."""
    judged = select(HumanEval.id).where(HumanEval.turn_id == Turn.id).exists()
    query = select(Turn).join(Game).where(*_can_be_judged(), ~judged).order_by(col(Turn.id)).limit(1)
    return session.exec(query.where(col(Turn.id) > after)).first() or session.exec(query).first()


def largest_turn_id(session: Session) -> int:
    """The largest id of a turn; 0 if there is none."""
    return session.exec(select(func.max(Turn.id))).one() or 0


def judged_turns(session: Session) -> int:
    """Number of turns that somebody has judged."""
    return session.exec(select(func.count(sa.distinct(col(HumanEval.turn_id))))).one()


def judgement_of(session: Session, turn_id: int, rater: str) -> HumanEval | None:
    """A rater's judgement of a turn, if there is one."""
    query = select(HumanEval).where(HumanEval.turn_id == turn_id, HumanEval.rater == rater)
    return session.exec(query).one_or_none()


def judge(session: Session, turn_id: int, judgement: Judgement) -> None:
    """Store a judgement. Raises `JudgementError`."""
    found = session.exec(select(Turn, Game).join(Game).where(Turn.id == turn_id, *_can_be_judged())).first()
    if found is None:
        raise JudgementError("This turn cannot be judged: it is not there, or its player shares it no longer")
    turn, game = found
    rater = judgement.rater.strip()
    if not rater or len(rater) > LONGEST_RATER or not rater.isprintable():
        raise JudgementError(f"Write your name or a pseudonym, up to {LONGEST_RATER} characters")
    if _IMPORTED.fullmatch(rater):
        raise JudgementError(f"{rater} stands for judgements that were imported: take another name")
    if strange := set(judgement.right_clicks) - set(game.listener):
        raise JudgementError(f"{len(strange)} of the right clicks are not on this board")
    later = select(Turn.id).where(Turn.game_id == game.id, col(Turn.number) > turn.number).limit(1)
    if (judgement.feedback is None) == (session.exec(later).first() is not None):
        raise JudgementError(
            "Say whether the player was satisfied"
            if judgement.feedback is None
            else "Nothing was said after this turn, so that it shows no satisfaction"
        )
    row = HumanEval(
        turn_id=turn_id,
        rater=rater,
        correctness=judgement.correctness,
        feedback=judgement.feedback,
        right_clicks=[figure for figure in game.listener if figure in judgement.right_clicks],
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise JudgementError(f"{rater} has judged this turn already") from None


def add_imported(session: Session, judged: Mapping[tuple[str, int], Sequence[Judgement]]) -> int:
    """Store judgements of turns of imported games, and return how many were not there yet.

    `judged`: (id of the game, number of the turn) -> judgements, whose raters' names are not used. A judgement is there
    already if one that was imported says the same of the turn; two that say the same are two, as they are two people's.
    """
    games, added = list(dict.fromkeys(game_id for game_id, _ in judged)), 0
    for start in range(0, len(games), GAMES_AT_A_TIME):
        some = col(Turn.game_id).in_(games[start : start + GAMES_AT_A_TIME])
        kept: dict[int, list[HumanEval]] = {}
        for row in session.exec(select(HumanEval).join(Turn).where(some)):
            kept.setdefault(row.turn_id, []).append(row)
        for turn_id, game_id, number in session.exec(
            select(Turn.id, Turn.game_id, Turn.number).where(some).order_by(col(Turn.id))
        ):
            assert turn_id is not None
            new = _not_among(kept.get(turn_id, ()), judged.get((game_id, number), ()), turn_id)
            session.add_all(new)
            added += len(new)
    return added


def _not_among(kept: Sequence[HumanEval], judgements: Sequence[Judgement], turn_id: int) -> list[HumanEval]:
    imported = [row for row in kept if _IMPORTED.fullmatch(row.rater)]
    there = Counter((row.correctness, row.feedback, frozenset(row.right_clicks)) for row in imported)
    taken = {row.rater for row in kept}
    names = (IMPORTED if number == 1 else f"{IMPORTED} {number}" for number in count(1))
    free = (name for name in names if name not in taken)
    found = []
    for judgement in judgements:
        what = (judgement.correctness, judgement.feedback, frozenset(judgement.right_clicks))
        if there[what] > 0:
            there[what] -= 1
            continue
        found.append(
            HumanEval(
                turn_id=turn_id,
                rater=next(free),
                correctness=judgement.correctness,
                feedback=judgement.feedback,
                right_clicks=list(judgement.right_clicks),
            )
        )
    return found

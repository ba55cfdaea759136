"""Deletion of what was said in games that ended long ago. Their clicks, outcomes and verdicts stay."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, delete, select, update

from store.models import Game, GameEvent, Instruction, Turn

GAMES_AT_A_TIME = 200
DELETED = ""
"""In place of what was said: nobody says nothing."""


def has_words() -> sa.ColumnElement[bool]:
    """The condition on `Game` that what was said in it, or after its end, has not been deleted."""
    first = select(Turn.id).where(Turn.game_id == Game.id, Turn.number == 1, Turn.utterance != DELETED)
    after = select(GameEvent.id).where(GameEvent.game_id == Game.id, col(GameEvent.text).is_not(None))
    return first.exists() | after.exists()


def forget_words(session: Session, before: datetime, games: int = GAMES_AT_A_TIME) -> int:
    """Delete what was said, and the ids of its messages, in the first `games` games that ended before a time.

    Returns the number of games. Rounds no longer train on them; adapters that have learnt from them stay as they are.
    Call it until it returns 0, and then `Database.scrub`.
    """
    ended = select(Game.id).where(col(Game.ended_at) < before, has_words())
    found = session.exec(ended.order_by(col(Game.ended_at)).limit(games)).all()
    said = update(Turn).where(col(Turn.game_id).in_(found))
    session.exec(said.values(utterance=DELETED, retracted=None, message_id=None, earlier_message_ids=None))
    after = (col(GameEvent.game_id).in_(found), col(GameEvent.text).is_not(None))
    session.exec(update(GameEvent).where(*after).values(text=None))
    session.exec(delete(Instruction).where(col(Instruction.game_id).in_(found)))
    return len(found)

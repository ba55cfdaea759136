"""What happened in games and is in no other table: boards, edits, withdrawn messages, words after the end."""

from datetime import datetime

from sqlmodel import Session, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.models import Game, GameEvent, GameEventKind, Player, TeamPlayer, now
from store.players import shared

MOST_AFTER_END = 20
"""Messages after its end that are kept of a game."""


def note(
    session: Session | AsyncSession,
    game_id: str,
    kind: GameEventKind,
    turn: int | None = None,
    at: datetime | None = None,
) -> None:
    """Record an event, without words. `turn`: see `GameEvent`; `at`: None for now."""
    session.add(GameEvent(game_id=game_id, kind=kind, turn=turn, at=at or now()))


async def said_after_end(
    session: AsyncSession, game: Game, external_id: str, text: str, at: datetime
) -> GameEvent | None:
    """The event, to be added, of what somebody said in the thread of a finished game; None if it is not kept.

    It is kept if the person played in the game and all who did share it with researchers.
    """
    query = select(Player.id).where(Player.external_id == external_id, Player.platform == game.origin)
    player_id = (await session.exec(query)).first()
    began = player_id == game.player_id
    if player_id is None or not (began or await session.get(TeamPlayer, (game.id, player_id))):
        return None
    if (await session.exec(select(Game.id).where(Game.id == game.id, shared()))).first() is None:
        return None
    kind = GameEventKind.SAID_AFTER
    kept = select(func.count()).select_from(GameEvent)
    if (
        await session.exec(kept.where(GameEvent.game_id == game.id, GameEvent.kind == kind))
    ).one() >= MOST_AFTER_END:
        return None
    who = None if began else player_id
    return GameEvent(game_id=game.id, kind=kind, text=text, player_id=who, at=at)

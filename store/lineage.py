"""Which adapters learnt from what may no longer be used, directly or through the adapters they were trained from."""

from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from store.models import Adapter, AdapterTurn, ConsentKind, Game, Origin, Turn
from store.players import consenting_players


@dataclass(frozen=True)
class Affected:
    """The reason why an adapter may not be used."""

    erased: int
    """Turns that it was trained on and that their players have since had erased."""
    withdrawn: int
    """Turns of players on Discord who no longer agree to training."""
    through: str | None = None
    """The adapter that it was trained from and that learnt from them; None if it did itself."""

    def __str__(self) -> str:
        parts = [
            f"{turns} turns {said}"
            for turns, said in (
                (self.erased, "that have since been erased"),
                (self.withdrawn, "whose players no longer agree to training"),
            )
            if turns
        ]
        source = f"was trained from {self.through}, which learnt from" if self.through else "was trained on"
        return f"{source} {' and '.join(parts)}"


def affected_adapters(session: Session) -> dict[str, Affected]:
    """Name -> why it may not be used, for every adapter of which that holds. Lineage is transitive."""
    withdrawn = _withdrawn_turns(session)
    adapters = session.exec(select(Adapter)).all()
    parents = {adapter.name: adapter.parent for adapter in adapters}
    own = {
        adapter.name: Affected(adapter.erased_turns, withdrawn.get(adapter.id or 0, 0))
        for adapter in adapters
        if adapter.erased_turns or adapter.id in withdrawn
    }
    found = dict(own)
    for name in parents.keys() - own.keys():
        seen, parent = {name}, parents[name]
        while parent is not None and parent not in seen:
            if parent in own:
                found[name] = Affected(own[parent].erased, own[parent].withdrawn, parent)
                break
            seen.add(parent)
            parent = parents.get(parent)
    return found


def _withdrawn_turns(session: Session) -> dict[int, int]:
    """Adapter id -> turns of games on Discord whose players do not agree to training, or no longer."""
    query = (
        select(AdapterTurn.adapter_id, Game.player_id, func.count())
        .join(Turn, col(Turn.id) == AdapterTurn.turn_id)
        .join(Game, col(Game.id) == Turn.game_id)
        .where(Game.origin == Origin.DISCORD)
        .group_by(col(AdapterTurn.adapter_id), col(Game.player_id))
    )
    allowed = consenting_players(session, ConsentKind.TRAINING)
    counts: dict[int, int] = {}
    for adapter_id, player_id, turns in session.exec(query):
        if player_id not in allowed:
            counts[adapter_id] = counts.get(adapter_id, 0) + turns
    return counts

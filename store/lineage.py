"""Which adapters learnt from what may no longer be used, directly or through the adapters they were trained from."""

from collections import Counter
from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from store.models import (
    Adapter,
    AdapterPlayer,
    AdapterTurn,
    ConsentKind,
    Game,
    Origin,
    Player,
    TeamPlayer,
    Turn,
)
from store.players import agreed


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
    # Not whole rows: a card lists every game that its adapter was trained on.
    columns = select(Adapter.id, Adapter.name, Adapter.parent, Adapter.erased_turns)
    adapters = session.exec(columns).all()
    parents = {name: parent for _, name, parent, _ in adapters}
    own = {
        name: Affected(erased, withdrawn.get(adapter_id or 0, 0))
        for adapter_id, name, _, erased in adapters
        if erased or adapter_id in withdrawn
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
    """Adapter id -> turns of players on Discord who do not agree to training, or no longer."""
    withdrew = select(Player.id).where(
        Player.platform == Origin.DISCORD, col(Player.id).not_in(agreed(ConsentKind.TRAINING))
    )
    by_player = (
        select(AdapterPlayer.adapter_id, func.sum(AdapterPlayer.turns))
        .where(col(AdapterPlayer.player_id).in_(withdrew))
        .group_by(col(AdapterPlayer.adapter_id))
    )
    in_teams = (
        select(AdapterTurn.adapter_id, func.count(AdapterTurn.turn_id.distinct()))  # pyright: ignore[reportAttributeAccessIssue]
        .join(Turn)
        .join(Game)
        .join(TeamPlayer)
        .where(col(TeamPlayer.player_id).in_(withdrew), col(Game.player_id).not_in(withdrew))
        .group_by(col(AdapterTurn.adapter_id))
    )
    found: Counter[int] = Counter()
    for adapter_id, turns in [*session.exec(by_player), *session.exec(in_teams)]:
        found[adapter_id] += int(turns)
    return dict(found)

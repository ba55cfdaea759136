"""Which adapters a round works with: the one it starts from, the one in use, the one it had made before a kill."""

from collections.abc import Sequence

import structlog

from learner.protocol import BASE_ADAPTER
from learner.registry import Card, check
from learner.rounds.work import RoundWork
from store.lineage import affected_adapters
from store.training import Interaction

log = structlog.get_logger(__name__)


def start(work: RoundWork, interactions: Sequence[Interaction]) -> str:
    """What training starts from, loaded into the policy: the adapter in use, or the base model.

    From the adapter in use only if every game that it learnt from may still be learnt from: what was erased, or
    said by somebody who is in quarantine since, must not live on in it.
    """
    if work.settings.rounds.start == "base":
        return BASE_ADAPTER
    parent = usable_parent(work)
    if parent == BASE_ADAPTER:
        return BASE_ADAPTER
    with work.database.session() as session:
        if parent in affected_adapters(session):
            return BASE_ADAPTER
    card = work.registry.card(parent)
    usable = {interaction.game_id for interaction in interactions}
    same_shape = card.training.get("rank") == work.training.rank
    return parent if same_shape and card.games.keys() <= usable else BASE_ADAPTER


def made_before(work: RoundWork, made_from: str) -> Card | None:
    """The card of this round's adapter, if a process since killed had trained it from the same examples."""
    folder = work.registry.path(work.name)
    if not folder.is_dir() or check(folder, work.policy.fingerprint):
        return None
    card = work.registry.card(work.name)
    same = card.round_id == work.round_id and card.metrics.get("digest") == made_from
    return card if same else None


def usable_parent(work: RoundWork) -> str:
    """The adapter in use, loaded into the policy; the base model where it is of another base or broken."""
    parent = work.registry.previous() if work.registry.current() == work.name else work.registry.current()
    if parent is None or parent == BASE_ADAPTER:
        return BASE_ADAPTER
    folder = work.registry.path(parent)
    if problems := check(folder, work.policy.fingerprint):
        log.warning("the adapter in use cannot be compared with", adapter=parent, problems=problems)
        return BASE_ADAPTER
    load(work, parent)
    return parent


def load(work: RoundWork, name: str) -> None:
    """Have an adapter loaded into the policy."""
    if name not in work.policy.adapters.names:
        work.policy.load_adapter(name, work.registry.path(name))

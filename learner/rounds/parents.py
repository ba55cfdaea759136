"""Finds the adapters of a round: the one that training starts from, the one in use, the one it made before a
kill."""

from collections.abc import Sequence

import structlog

from learner.protocol import BASE_ADAPTER
from learner.registry import Card, adapter_problems
from learner.rounds.work import RoundWork
from store.lineage import affected_adapters
from store.training import Interaction

log = structlog.get_logger(__name__)


def start(work: RoundWork, interactions: Sequence[Interaction]) -> str:
    """Load the adapter that training starts from and return its name: the adapter in use, or the base model.

    The adapter in use is taken only if every game that it was trained on may still be trained on. Otherwise games
    that were erased, or whose player was quarantined since, would still influence the new adapter.
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
    """The card of this round's adapter, if a killed process of this round had trained it on the same examples."""
    folder = work.registry.refresh(work.name)
    if adapter_problems(folder, work.policy.fingerprint):
        return None
    card = work.registry.card(work.name)
    # What is in use already can only be used: this round was killed after it published.
    published = work.registry.current() == work.name
    same = card.round_id == work.round_id and (published or card.metrics.get("digest") == made_from)
    return card if same else None


def usable_parent(work: RoundWork) -> str:
    """Load the adapter in use and return its name; the base model if the adapter is broken or of another base
    model."""
    parent = work.registry.previous() if work.registry.current() == work.name else work.registry.current()
    if parent is None or parent == BASE_ADAPTER:
        return BASE_ADAPTER
    folder = work.registry.fetch(parent)
    if problems := adapter_problems(folder, work.policy.fingerprint):
        log.warning("the adapter in use cannot be compared with", adapter=parent, problems=problems)
        return BASE_ADAPTER
    load(work, parent)
    return parent


def load(work: RoundWork, name: str) -> None:
    """Load an adapter into the policy unless it is loaded already."""
    if name not in work.policy.adapters.names:
        work.policy.load_adapter(name, work.registry.fetch(name))

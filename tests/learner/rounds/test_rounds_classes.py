"""A whole round with models other than the embedded one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import select

from learner.policy import Policy
from learner.registry import AdapterRegistry, adapter_problems
from learner.rounds.pipeline import run_round
from learner.settings import TrainingConfig
from store.database import Database
from store.models import AdapterTurn, Feedback
from store.rounds import request_round
from tests.learner.played import play_games, settings_for

SHORT = TrainingConfig(rank=2, alpha=4, epochs=1, least_steps=0, batch_turns=8)


@pytest.mark.parametrize("name", ["idefics3", "qwen3-vl"])
def test_a_round_trains_and_publishes_an_adapter(
    model_folder: Callable[[str], Path], name: str, tmp_path: Path
):
    policy = Policy.load(str(model_folder(name)), "cpu")
    play_games(tmp_path, policy, games=2, players=2)
    settings = settings_for(tmp_path, policy={"model": str(model_folder(name))})
    database = Database(settings.store.url)
    try:
        with database.session() as session:
            round_id = request_round(session, "b-sup").id
        assert round_id is not None
        row = run_round(database, settings, round_id, policy, config=SHORT)
        assert (row.status, row.error) == ("done", None)
        registry = AdapterRegistry(settings.adapters_dir)
        folder = registry.path(row.results["adapter"])
        assert adapter_problems(folder, policy.fingerprint) == []
        card = registry.card(folder.name)
        assert card.policy == str(model_folder(name))
        assert card.metrics["training"]["grounding"] == []  # there is no warm start as for the embedded model
        with database.session() as session:
            lineage = list(session.exec(select(AdapterTurn)))
            negative = {entry.turn_id for entry in session.exec(select(Feedback)) if entry.label < 0}
        assert negative  # so that there were rejections to leave out
        assert len(lineage) == card.turns > 0
        assert all(entry.reward > 0 for entry in lineage)
        fresh = Policy.load(str(model_folder(name)), "cpu")
        fresh.load_adapter("trained", folder)
        weights = fresh.backend.model.named_parameters()
        assert any(value.abs().sum() for key, value in weights if "lora_B.trained" in key)
    finally:
        database.close()

"""Held-out games over several rounds, and a round that is cancelled."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import select

from games.language import Sentence
from learner.examples.labels import TrainingGame, lineage
from learner.feedback import open_decoder
from learner.feedback.decode import decode_interactions
from learner.policy import Policy
from learner.registry import AdapterRegistry
from learner.rounds.pipeline import examples, run_round
from learner.rounds.work import RoundProgress, RoundWork
from learner.training import evaluation
from learner.training.evaluation import newest_held_out, right_turns
from store.database import Database
from store.models import Adapter, AdapterTurn, Round, RoundEvent, RoundStatus, Turn
from store.rounds import active_round, cancel, request_round
from store.training import Interaction, StoredVerdict, record_lineage, usable_interactions
from tests.learner.played import copy_of, settings_for

HELD_OUT = ("1", "4", "6")
"""Last digit of the games that these tests hold out."""


class Community:
    def __init__(self, folder: Path, policy: Policy) -> None:
        self.policy = policy
        self.settings = settings_for(folder, rounds={"trust": False})  # one game is not enough to be believed
        self.database = Database(self.settings.store.url)

    def round(self, **options) -> Round:
        with self.database.session() as session:
            round_id = request_round(session, "b-sup").id
        assert round_id is not None
        return run_round(self.database, self.settings, round_id, self.policy, **options)

    def trained_on(self) -> set[str]:
        with self.database.session() as session:
            query = select(Turn.game_id).join(AdapterTurn, AdapterTurn.turn_id == Turn.id)  # pyright: ignore[reportArgumentType]
            return set(session.exec(query))

    def verdicts(self) -> dict[int, StoredVerdict]:
        return decode_interactions(self.database, self.interactions(), open_decoder("rules", "binary"))

    def examples(self, number: int) -> tuple[list[TrainingGame], list[TrainingGame]]:
        """(training examples, held-out examples) of a round."""
        with self.database.session() as session:
            round_id = (active_round(session) or request_round(session, "b-sup")).id
        assert round_id is not None
        work = RoundWork(self.database, self.settings, round_id, number, "b-sup", self.policy)
        return examples(work, self.interactions(), self.verdicts())

    def interactions(self) -> list[Interaction]:
        with self.database.session() as session:
            return usable_interactions(session, None)


@pytest.fixture
def community(played: Path, tmp_path: Path, policy: Policy):
    community = Community(copy_of(played, tmp_path), policy)
    yield community
    community.database.close()


def hold_out(patch: pytest.MonkeyPatch, *digits: str) -> None:
    for module in ("learner.examples.labels", "learner.rounds.pipeline"):
        patch.setattr(f"{module}.is_held_out", lambda game_id: game_id.endswith(digits))


def test_no_round_trains_on_held_out_games(community: Community, monkeypatch: pytest.MonkeyPatch):
    hold_out(monkeypatch, *HELD_OUT)
    results = community.round().results
    trained_on = community.trained_on()
    assert trained_on and not {game for game in trained_on if game.endswith(HELD_OUT)}
    right = results["held_out"]["right_turns"]
    assert 0 < right < evaluation.MIN_HELD_OUT_TURNS
    assert (results["judged"], results["promoted"]) == (False, True)
    assert results["reason"].startswith(f"not enough to judge yet: {right} of 50 held-out right actions")
    assert str(Sentence.of(results["why"])) == results["reason"]
    later = community.examples(2)
    assert {game.game_id for game in later[0]} == trained_on
    assert right_turns(later[1]) == right


def test_games_that_an_adapter_learnt_from_stay_in_training(
    community: Community, monkeypatch: pytest.MonkeyPatch
):
    hold_out(monkeypatch, *HELD_OUT)
    _, held_out = community.examples(1)
    known = held_out[0]
    with community.database.session() as session:
        adapter = Adapter(name="round-0001-b-sup", base_model="b", system="b-sup")
        session.add(adapter)
        session.flush()
        record_lineage(session, adapter, lineage([known]))
    training, held_out = community.examples(1)
    assert known.game_id in {game.game_id for game in training}
    assert known.game_id not in {game.game_id for game in held_out}


def test_held_out_games_are_pooled_from_the_newest_round_on(
    community: Community, monkeypatch: pytest.MonkeyPatch
):
    labels = community.verdicts()
    found = [replace(one, round=number % 3) for number, one in enumerate(community.interactions())]
    base_model = community.policy.fingerprint
    whole = newest_held_out(found, labels, base_model)
    newest = newest_held_out([one for one in found if one.round == 2], labels, base_model)
    assert right_turns(whole) > right_turns(newest) > 0
    monkeypatch.setattr(evaluation, "ENOUGH_HELD_OUT_TURNS", right_turns(newest))
    assert newest_held_out(found, labels, base_model) == newest


def test_a_round_that_is_cancelled_stops_and_changes_nothing(community: Community):
    def on_progress(at: RoundProgress) -> None:
        if at.stage == "examples":
            with community.database.session() as session:
                cancel(session, session.exec(select(Round.id)).one() or 0, "77")

    row = community.round(on_progress=on_progress)
    assert (row.status, row.stage, row.active, row.error) == (RoundStatus.CANCELLED, "cancelled", None, None)
    assert AdapterRegistry(community.settings.adapters_dir).names() == ()
    with community.database.session() as session:
        (event,) = session.exec(select(RoundEvent)).all()
        assert (event.action, event.by, event.round_id) == ("cancel", "77", row.id)
        assert cancel(session, row.id or 0, "78").status is RoundStatus.CANCELLED
        assert len(session.exec(select(RoundEvent)).all()) == 1
        assert request_round(session, "b-sup").number == row.number

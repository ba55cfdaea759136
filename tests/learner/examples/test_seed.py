"""Seed games: read, checked, and trained on in every round."""

from pathlib import Path

import numpy as np
import pytest

from learner.examples.seed import (
    SEED_FILE,
    SeedError,
    SeedGame,
    SeedStep,
    read_seed_games,
    stored_seed_games,
    write_seed_games,
)
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from learner.settings import TINY_WEIGHTS
from learner.training.evaluation import MIN_HELD_OUT_TURNS, action_logps, compare, right_turns
from learner.training.seeds import held_out_seed_games, seed_games_of
from store.models import AdapterTurn
from tests.learner.played import settings_for
from tests.learner.rounds.test_rounds import House, house  # noqa: F401 - a fixture

CONTEXT = tuple(f"figure-{number}" for number in range(10))
GAME = SeedGame(
    game="multiref",
    images="classic",
    context=CONTEXT,
    steps=(
        SeedStep(state="", utterance="the bird", action="select A", right="select B"),
        SeedStep(state="A", utterance="no, undo that, it's the bird", action="deselect A select B"),
        SeedStep(state="B", utterance="yes. a boat", action="select C", right="select C"),
        SeedStep(state="B C", utterance="good. a hat", action="select D"),
    ),
)


def test_what_is_written_is_read(tmp_path: Path):
    write_seed_games([GAME, GAME], tmp_path / "seeds")
    first, second = read_seed_games(tmp_path / "seeds")
    assert first.game_id != second.game_id
    assert [(label.step, label.action) for label in first.labels] == [(0, "select B"), (2, "select C")]
    assert len(first.steps) == 3  # the fourth has no label
    assert first.context == CONTEXT


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("{", "not a seed game"),
        ('{"game": "multiref"}', "not a seed game"),
        (GAME.model_dump_json().replace("multiref", "chess"), "chess"),
        (GAME.model_dump_json().replace("select D", "select A deselect D"), "turn 4"),
        (GAME.model_dump_json().replace('"select C"', '"deselect C"'), "turn 3"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, broken: str, said: str):
    path = tmp_path / "seeds"
    path.write_text(f"{GAME.model_dump_json()}\n{broken}\n")
    with pytest.raises(SeedError, match="Line 2") as raised:
        read_seed_games(path)
    assert said in str(raised.value)


def test_a_missing_seed_file_is_reported(tmp_path: Path, policy: Policy):
    with pytest.raises(SeedError, match="cannot be read"):
        seed_games_of(
            settings_for(tmp_path, rounds={"seed_games": str(tmp_path / "none here")}), policy, "sup"
        )


def test_games_on_figures_that_are_not_here_are_left_out(tmp_path: Path, policy: Policy):
    elsewhere = GAME.model_copy(update={"images": "kilogram:/not/here"})
    write_seed_games([GAME, elsewhere], tmp_path / "seeds")  # classic has no figure-0 either
    assert (
        seed_games_of(settings_for(tmp_path, rounds={"seed_games": str(tmp_path / "seeds")}), policy, "sup")
        == []
    )


def test_the_embedded_policy_comes_with_games_that_it_knows(tmp_path: Path, policy: Policy):
    games = seed_games_of(settings_for(tmp_path, rounds={"seed_games": None}), policy, "sup")
    assert len(games) >= 100
    assert {game.images for game in games} == {"classic"}
    chances = np.exp(action_logps(policy, games[:12], BASE_ADAPTER))
    assert chances.mean() > 0.5
    assert seed_games_of(settings_for(tmp_path, rounds={"seed_games": "none"}), policy, "sup") == []
    folder = tmp_path / "another base"
    folder.mkdir()
    assert (
        seed_games_of(
            settings_for(tmp_path, policy={"model": str(folder)}, rounds={"seed_games": None}), policy, "sup"
        )
        == []
    )


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Three of the games that the embedded policy comes with."""
    lines = (TINY_WEIGHTS / SEED_FILE).read_text("utf-8").splitlines()
    (tmp_path / "few").write_text("\n".join(lines[:3]), "utf-8")
    return tmp_path / "few"


def test_propensities_of_kto_are_the_base_models(few: Path, policy: Policy):
    games = seed_games_of(settings_for(few.parent, rounds={"seed_games": str(few)}), policy, "kto")
    logged = [label.behaviour_logp for game in games for label in game.labels]
    assert logged == pytest.approx(action_logps(policy, games, BASE_ADAPTER).tolist())


def test_the_gate_has_seed_games_that_no_round_trains_on(tmp_path: Path, policy: Policy):
    settings = settings_for(tmp_path, rounds={"seed_games": None})
    trained, held_out = seed_games_of(settings, policy, "sup"), held_out_seed_games(settings)
    assert {game.game_id for game in trained}.isdisjoint(game.game_id for game in held_out)
    assert len(trained) + len(held_out) == len(stored_seed_games(settings))
    assert right_turns(held_out) >= MIN_HELD_OUT_TURNS
    assert compare(policy, held_out[:6], BASE_ADAPTER, BASE_ADAPTER).chance_parent > 0.5


@pytest.mark.parametrize("system", ["b-sup", "b-kto"])
def test_a_round_trains_on_them_too(house: House, few: Path, system: str):  # noqa: F811
    house.settings = settings_for(house.folder, rounds={"seed_games": str(few)})
    row = house.run(house.ask(system))
    assert row.error is None
    own = row.results["train_turns"]
    trained, held_out = (
        seed_games_of(house.settings, house.policy, "sup"),
        held_out_seed_games(house.settings),
    )
    assert trained and held_out
    assert row.results["training"]["turns"] == own + sum(len(game.labels) for game in trained)
    found = row.results["held_out_seed_games"]
    assert found["right_turns"] == sum(len(game.labels) for game in held_out)
    assert 0 < found["chance_candidate"] < 1 and found["chance_candidate"] != found["chance_parent"]
    lineage = house.rows(AdapterTurn)
    assert all(learnt.turn_id for learnt in lineage)  # of played games, not of seed games
    assert sum(learnt.reward != 0 for learnt in lineage) == own


def test_other_seed_games_make_another_training_set(house: House, few: Path):  # noqa: F811
    """An adapter that a killed round trained with other seed games is not reused."""
    digests = []
    for seeds in ("none", str(few)):
        house.settings = settings_for(house.folder, rounds={"seed_games": seeds})
        name = house.run(house.ask()).results["adapter"]
        digests.append(house.registry.card(name).metrics["digest"])
    assert digests[0] != digests[1]


def test_bad_seed_games_fail_a_round_in_a_sentence(house: House, tmp_path: Path):  # noqa: F811
    (tmp_path / "bad").write_text("{}\n")
    house.settings = settings_for(house.folder, rounds={"seed_games": str(tmp_path / "bad")})
    row = house.run(house.ask())
    assert row.error is not None
    assert "Line 1 of" in row.error and "fix or delete it" in row.error

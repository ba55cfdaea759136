"""A deployment that was killed at any point goes on and ends as one that was not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, func, select

from learner.settings import TrainingConfig
from sim.deployment import DeploymentConfig, DeploymentError, DeploymentProgress, simulate
from sim.players import Attack
from sim.resume import OtherDeployment
from store.database import Database
from store.models import Game, Player, Round, Turn

CONFIG = DeploymentConfig(
    rounds=1,
    games_per_round=5,
    at_once=3,
    players="fresh",
    attack=Attack("sybil", 0.4),
    training=replace(TrainingConfig(), epochs=1, least_steps=0, grounding_epochs=2),
)
TIMES = ("seconds", "play_seconds", "train_seconds")


@pytest.fixture(autouse=True)
def no_seed_games(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training is quicker without them."""
    monkeypatch.setenv("RESPECT_ROUNDS__SEED_GAMES", "none")


class Killed(BaseException):
    """In place of the death of the process."""


def course(result: Any) -> Any:
    """A result without times."""
    if isinstance(result, dict):
        return {name: course(value) for name, value in result.items() if name not in TIMES}
    return [course(each) for each in result] if isinstance(result, list) else result


def run(folder: Path, kill_at: tuple[int, str, int] | None = None, config: DeploymentConfig = CONFIG) -> Any:
    """The course of a deployment that is killed at (round, stage, number of games or steps)."""

    def on_progress(at: DeploymentProgress) -> None:
        if kill_at and (at.round, at.stage) == kill_at[:2] and at.done >= kill_at[2]:
            raise Killed

    return course(simulate(config, folder, on_progress=on_progress))


def stored(folder: Path) -> list[Any]:
    """Everything of games, turns and players but their times."""
    database = Database(f"sqlite:///{folder / 'respect.db'}", read_only=True)
    with database.session() as session:
        games = select(Game.id, Game.player_id, Game.outcome, Game.adapter).order_by(col(Game.id))
        turns = select(Turn.game_id, Turn.number, Turn.utterance, Turn.action)
        found = [
            *map(tuple, session.exec(games).all()),
            *map(tuple, session.exec(turns.order_by(col(Turn.game_id), col(Turn.number))).all()),
            session.exec(select(func.count()).select_from(Player)).one(),
            session.exec(select(func.count()).select_from(Round)).one(),
        ]
    database.close()
    return found


@pytest.mark.long
def test_a_run_that_was_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path, quickly_loaded: None):
    expected = run(tmp_path / "whole")
    folder = tmp_path / "killed"
    for at in ((0, "play", 2), (1, "train", 1), (1, "play", 2)):
        with pytest.raises(Killed):
            run(folder, at)
    assert run(folder) == expected
    assert stored(folder) == stored(tmp_path / "whole")
    assert run(folder) == expected  # nothing is left to do
    assert stored(folder) == stored(tmp_path / "whole")


def test_a_folder_with_another_deployment_is_refused_and_more_rounds_continue_it(
    tmp_path: Path, quickly_loaded: None
):
    short = replace(CONFIG, rounds=0, games_per_round=3)
    first = run(tmp_path, config=short)
    with pytest.raises(OtherDeployment, match="differs in players, seed: start it again"):
        run(tmp_path, config=replace(short, seed=4, players="people"))
    assert run(tmp_path, config=replace(short, rounds=1))["rounds"][0] == first["rounds"][0]
    with pytest.raises(DeploymentError, match="has been played up to round 1: ask for --rounds 1 or more"):
        run(tmp_path, config=short)
    (tmp_path / "deployment.json").unlink()
    with pytest.raises(DeploymentError, match="holds other games already"):
        run(tmp_path, config=short)

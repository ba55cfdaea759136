"""Rounds in processes that are killed and resumed; the adapter must be the same."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file
from sqlmodel import select

from learner.registry import WEIGHTS, AdapterRegistry
from learner.rounds import command
from learner.rounds.pipeline import STAGES, run_round
from learner.rounds.work import RoundProgress
from learner.settings import LearnerSettings
from store.database import Database
from store.models import Adapter, Feedback, Round
from store.rounds import request_round
from tests.learner.forks import forks
from tests.learner.played import copy_of, settings_for


def run_until(round_id: int, stage: str, environment: dict[str, str]) -> None:
    """Runs a round in this process and kills it at a stage, in training after the first step; "" lets it end."""
    os.environ.update(environment)

    def on_progress(at: RoundProgress) -> None:
        if at.stage == stage and (at.stage != "train" or at.done == 1):
            os.kill(os.getpid(), signal.SIGKILL)

    from tests.learner.loaded_policy import policy  # before this process was forked

    settings = LearnerSettings()  # pyright: ignore[reportCallIssue]
    run_round(Database(settings.store.url), settings, round_id, policy, on_progress=on_progress)


class House:
    def __init__(self, played: Path, folder: Path) -> None:
        self.settings: LearnerSettings = settings_for(
            copy_of(played, folder), policy={"device": "cpu", "threads": 1}
        )
        self.database = Database(self.settings.store.url)
        self.registry = AdapterRegistry(self.settings.adapters_dir)
        self.environment = {
            **os.environ,
            "RESPECT_STORE__DATA_DIR": str(folder),
            "RESPECT_STORE__DATABASE_URL": self.settings.store.url,
            "RESPECT_TRAINING__EPOCHS": "1",
            "RESPECT_TRAINING__LEAST_STEPS": "0",
            "RESPECT_TRAINING__GROUNDING_EPOCHS": "4",
            "RESPECT_ROUNDS__SEED_GAMES": "none",  # they would take most of the time
            "RESPECT_POLICY__DEVICE": "cpu",
            "RESPECT_POLICY__THREADS": "1",
        }
        with self.database.session() as session:
            row = request_round(session, "b-sup")
        assert row.id is not None
        self.round_id = row.id

    def row(self) -> Round:
        with self.database.session() as session:
            return session.get_one(Round, self.round_id)

    def weights(self) -> Path:
        return self.registry.path(self.row().results["adapter"]) / WEIGHTS

    def run_until(self, stage: str) -> int | None:
        """The exit code of a process that runs the round and is killed at `stage`; "" lets it end."""
        process = forks.Process(target=run_until, args=(self.round_id, stage, self.environment))
        process.start()
        process.join()
        return process.exitcode


@pytest.fixture
def house(played: Path, tmp_path: Path):
    house = House(played, tmp_path / "house")
    yield house
    house.database.close()


@pytest.fixture(scope="module")
def unharmed(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A round that one process has run without being killed."""
    house = House(played, tmp_path_factory.mktemp("unharmed") / "house")
    assert house.run_until("") == 0
    yield house
    house.database.close()


@pytest.mark.long
def test_a_round_killed_at_every_stage_makes_the_adapter_it_would_have_made(house: House, unharmed: House):
    made: set[tuple[int, int]] = set()
    for stage in STAGES:
        assert house.run_until(stage) == -signal.SIGKILL, stage
        assert (house.row().status, house.row().stage) == ("running", stage)
        for path in house.settings.adapters_dir.glob(f"*/{WEIGHTS}"):
            made.add((path.stat().st_ino, path.stat().st_mtime_ns))
    assert house.run_until("") == 0
    assert (house.row().status, house.row().results["promoted"]) == ("done", True)
    assert len(made) == 1  # trained once, although four processes followed
    with house.database.session() as session:
        assert len(session.exec(select(Adapter)).all()) == 1
        turns = [row.turn_id for row in session.exec(select(Feedback))]
    assert len(turns) == len(set(turns)) == house.row().results["decoded_turns"]
    assert house.weights().read_bytes() == unharmed.weights().read_bytes()


@pytest.mark.long
def test_two_processes_train_the_adapter_that_one_trains(house: House, unharmed: House):
    together = subprocess.run(
        command(house.round_id, processes=2),
        env=house.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert together.returncode == 0, together.stderr
    training = [each.row().results["training"] for each in (unharmed, house)]
    assert [found["processes"] for found in training] == [1, 2]
    assert training[1]["losses"] == pytest.approx(training[0]["losses"], rel=0.01)
    assert training[1]["gradient_norm"] == pytest.approx(training[0]["gradient_norm"], rel=0.01)
    one, other = load_file(unharmed.weights()), load_file(house.weights())
    assert one.keys() == other.keys()
    # Adam's first steps have the size of the learning rate, so rounding may turn those of gradients near 0 around: up
    # to 0.05 on some processors. Without the other process's gradients it is over 1.
    for name, value in one.items():
        assert (other[name] - value).norm() < 0.1 * value.norm(), name


@pytest.mark.long
def test_a_round_killed_from_outside_during_training_is_resumed_by_another_process(house: House):
    patient = {**house.environment, "RESPECT_TRAINING__EPOCHS": "500"}
    process = forks.Process(target=run_until, args=(house.round_id, "", patient))
    process.start()
    try:
        while house.row().progress.get("done", 0) < 1 or house.row().stage != "train":
            assert process.is_alive(), "the round ended before it could be killed"
            time.sleep(0.05)
        progress = house.row().progress
    finally:
        process.kill()
        process.join()
    assert progress["total"] > progress["done"]
    assert progress["loss"] > 0 and progress["seconds_left"] > 0
    assert house.run_until("") == 0
    assert (house.row().status, house.row().results["promoted"]) == ("done", True)
    assert house.registry.current() == house.row().results["adapter"]

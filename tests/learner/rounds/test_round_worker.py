"""Rounds that workers run: real processes, killed, and one that loses its round."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from cli.main import app
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from learner.registry import AdapterRegistry
from learner.rounds.pipeline import run_round
from learner.rounds.work import RoundProgress
from learner.rounds.worker import RoundWorker
from learner.settings import LearnerSettings
from store.database import Database
from store.models import Adapter, Round
from store.rounds import RoundTaken, cancel, request_round, take
from tests.learner.played import copy_of, settings_for
from tests.learner.serving.started import Started
from tests.learner.serving.test_serving import request

Process = subprocess.Popen[str]


class Machines:
    """The machine of a bot, and others that share its database and the URL of the adapters."""

    def __init__(self, played: Path, folder: Path) -> None:
        self.folder = folder
        self.bot = settings_for(
            copy_of(played, folder / "bot"),
            store={"adapters_url": f"file://{folder / 'share'}"},
            policy={"device": "cpu", "threads": 1},
            rounds={"elsewhere": True, "lease": 1.0, "seed_games": "none"},
        )
        self.database = Database(self.bot.store.url)
        self.processes: list[Process] = []

    def settings(self, machine: str) -> LearnerSettings:
        return self.bot.changed(store={"data_dir": self.folder / machine})

    def start(self, machine: str, *arguments: str, **changes: str) -> Process:
        """Start a command of `respect` on a machine."""
        process = subprocess.Popen(
            [sys.executable, "-c", "from cli.main import app; app()", *arguments],
            env={**os.environ, **self.settings(machine).environment(LearnerSettings), **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def queue(self) -> None:
        with self.database.session() as session:
            request_round(session, "b-sup")

    def row(self) -> Round:
        with self.database.session() as session:
            return session.get_one(Round, 1)

    def until(self, reached: Callable[[Round], bool], *processes: Process) -> Round:
        """Wait until the row says something. The processes must run meanwhile."""
        while not reached(row := self.row()):
            for process in processes:
                assert process.poll() is None, process.communicate()[0]
            time.sleep(0.1)
        return row


@pytest.fixture
def machines(played: Path, tmp_path: Path) -> Iterator[Machines]:
    machines = Machines(played, tmp_path)
    yield machines
    for process in machines.processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.wait()
    machines.database.close()


def children_of(process: Process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.long
async def test_a_round_of_a_killed_worker_is_finished_by_another_and_its_adapter_is_served(
    machines: Machines,
):
    queued = CliRunner().invoke(app, ["round", "run"], env=machines.bot.environment(LearnerSettings))
    assert "Round 1 (b-sup): queued; a worker runs it" in queued.stdout, queued.output
    first = machines.start("first", "round", "worker", RESPECT_TRAINING__EPOCHS="500")
    row = machines.until(lambda row: row.stage == "train" and row.progress.get("done", 0) > 0, first)
    assert row.worker and str(first.pid) in row.worker
    (training,) = children_of(first)
    first.send_signal(signal.SIGKILL)
    assert psutil.wait_procs([training], timeout=60)[1] == []  # it ends by itself
    assert machines.row().worker == row.worker
    second = machines.start("second", "round", "worker", "--once")
    said, _ = second.communicate()
    assert second.returncode == 0, said
    row = machines.row()
    assert (row.status, row.error, row.results["promoted"]) == ("done", None, True)
    assert row.worker and str(second.pid) in row.worker
    name = row.results["adapter"]
    settings = machines.settings("serving")
    assert AdapterRegistry.of(settings).names() == ()
    async with Started(settings) as service:
        status = await service.status()
        assert (status.current, status.loaded) == (name, (name,))
        assert (await service.act(request("served", name))).adapter == name
    weights = [
        AdapterRegistry.of(machines.settings(each)).card(name).sha256 for each in ("second", "serving")
    ]
    with machines.database.session() as session:
        adapter = session.get_one(Adapter, row.adapter_id)
    assert weights == [adapter.card["sha256"]] * 2 and adapter.status == "current"


def test_a_worker_that_is_told_to_stop_gives_its_round_back(machines: Machines):
    machines.queue()
    worker = machines.start("first", "round", "worker")
    machines.until(lambda row: row.worker is not None, worker)
    worker.terminate()
    said, _ = worker.communicate()
    assert worker.returncode == 0, said
    row = machines.row()
    assert (row.status, row.stage, row.worker, row.active) == ("queued", "queued", None, True)


def test_a_round_whose_process_dies_under_its_worker_fails_with_the_reason(machines: Machines):
    machines.queue()
    worker = machines.start("first", "round", "worker", "--once")
    machines.until(lambda row: row.worker is not None, worker)
    while not (running := children_of(worker)):
        time.sleep(0.05)
    running[0].kill()
    said, _ = worker.communicate()
    assert worker.returncode == 1 and "Round 1 failed: Its process was ended by SIGKILL" in said
    assert machines.row().status == "failed"


LINGERING = """
import sys, time
from store.database import Database
from store.rounds import finish
from store.settings import StoreSettings
with Database.of(StoreSettings().store).session() as session:
    finish(session, 1, worker=sys.argv[sys.argv.index("--worker") + 1])
time.sleep(3600)
"""


async def test_a_worker_is_done_when_its_round_is_however_long_the_process_takes_to_exit(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("learner.rounds.process.command", lambda *_: [sys.executable, "-c", LINGERING])
    machines.queue()
    row = await RoundWorker(machines.settings("first"), machines.database).run(once=True)
    assert row is not None and row.status == "done"


# --- in one process -------------------------------------------------------------------------------


def interrupted(database: Database, stage: str, change: Callable[[Database], None]):
    done: list[str] = []

    def on_progress(at: RoundProgress) -> None:
        if at.stage == stage and not done:
            done.append(stage)
            change(database)

    return on_progress


def take_over(database: Database) -> None:
    with database.session() as session:
        assert take(session, session.get_one(Round, 1), "second")


@pytest.mark.parametrize("stage", ["collect", "decode", "train", "gate", "publish"])
def test_a_worker_that_lost_its_round_publishes_nothing(machines: Machines, policy: Policy, stage: str):
    """At whatever stage it is, and whatever it does next; the other one finishes the round."""
    database, settings = machines.database, machines.settings("first")
    with database.session() as session:
        row = request_round(session, "b-sup")
        assert take(session, row, "first")
    with pytest.raises(RoundTaken, match="Round 1 is run by the worker second"):
        run_round(
            database, settings, 1, policy, worker="first", on_progress=interrupted(database, stage, take_over)
        )
    assert (machines.row().worker, machines.row().active) == ("second", True)
    there = AdapterRegistry.of(machines.settings("bot"))
    there.pull()
    assert there.current() == BASE_ADAPTER
    for worker in ("first", None):
        with pytest.raises(RoundTaken):
            run_round(database, settings, 1, policy, worker=worker)
    done = run_round(database, machines.settings("second"), 1, policy, worker="second")
    assert (done.status, done.results["promoted"]) == ("done", True)
    there.pull()
    assert there.current() == done.results["adapter"]


def test_a_round_that_was_killed_after_it_published_ends_with_its_adapter(machines: Machines, policy: Policy):
    database = machines.database

    class Killed(BaseException):
        pass

    with database.session() as session:
        assert take(session, request_round(session, "b-sup"), "first")
    made = run_round_until_published(machines, policy, Killed)
    take_over(database)
    done = run_round(database, machines.settings("second"), 1, policy, worker="second")
    assert (done.status, done.results["adapter"], done.results["promoted"]) == ("done", made, True)
    assert AdapterRegistry.of(machines.settings("second")).current() == made


def run_round_until_published(machines: Machines, policy: Policy, killed: type[BaseException]) -> str:
    """Run a round as "first" and die between the promotion and the end of the row. Gives the adapter's name."""
    settings = machines.settings("first")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(killed):

        def die(*_: object) -> None:
            raise killed

        patch.setattr("learner.rounds.pipeline.leave_affected", die)
        run_round(machines.database, settings, 1, policy, worker="first")
    return AdapterRegistry.of(settings).current()


def test_a_cancelled_round_of_a_worker_stops(machines: Machines, policy: Policy):
    database, settings = machines.database, machines.settings("first")

    def give_up(database: Database) -> None:
        with database.session() as session:
            cancel(session, 1, "ada")

    with database.session() as session:
        assert take(session, request_round(session, "b-sup"), "first")
    row = run_round(
        database, settings, 1, policy, worker="first", on_progress=interrupted(database, "publish", give_up)
    )
    assert row.status == "cancelled"
    assert AdapterRegistry.of(settings).current() == BASE_ADAPTER

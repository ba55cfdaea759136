"""Both implementations of a benchmark compute the same."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from cli.main import app
from sim.bench.training import ONE_EPOCH, bench_training


def test_the_plain_loop_trains_the_same():
    measured = bench_training(games=2, repeats=1, config=replace(ONE_EPOCH, batch_turns=4))
    assert measured.steps > 1
    assert measured.loss_difference < 1e-4
    assert measured.loss_difference_as_trained < 0.05
    assert measured.speedup == pytest.approx(measured.turns_per_second / measured.naive_turns_per_second)
    assert measured.loss_difference >= abs(measured.loss - measured.naive_loss)


def test_the_store_is_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "sim.bench.store._in_a_process", lambda measure, *arguments: measure(*arguments)
    )  # quicker
    result = CliRunner().invoke(app, ["bench", "store", "--turns", "200", "--json"])
    assert result.exit_code == 0, result.output
    (measured,) = json.loads(result.stdout)["databases"]
    assert measured["turns"] >= 200 and measured["games"] > 20
    assert {"/round status", "/play", "start: open games"} < measured["bot"].keys()
    assert {"statistics", "export", "round: collect", "round: trust"} < measured["learner"].keys()
    for found in (*measured["bot"].values(), *measured["learner"].values()):
        assert found["seconds"] > 0 and found["peak_memory_megabytes"] > 20


def test_sizes_that_are_no_numbers_are_refused():
    result = CliRunner().invoke(app, ["bench", "store", "--turns", "many"])
    assert result.exit_code == 1 and "expected numbers from 1, separated by commas" in result.output

"""Both implementations of a benchmark compute the same."""

from dataclasses import replace

import pytest

from sim.bench.training import ONE_EPOCH, bench_training


def test_the_plain_loop_trains_the_same():
    measured = bench_training(games=3, repeats=1, config=replace(ONE_EPOCH, batch_turns=4))
    assert measured.steps > 1
    assert measured.loss_difference < 1e-4
    assert measured.loss_difference_as_trained < 0.05
    assert measured.speedup == pytest.approx(measured.turns_per_second / measured.naive_turns_per_second)
    assert measured.loss_difference >= abs(measured.loss - measured.naive_loss)

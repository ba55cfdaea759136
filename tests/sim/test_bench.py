"""Both implementations of a benchmark compute the same."""

import pytest

from sim.bench.training import bench_training


def test_the_plain_loop_trains_the_same():
    measured = bench_training(games=4, repeats=1)
    assert measured.loss_difference < 1e-4
    assert measured.loss_difference_as_trained < 0.05
    assert measured.speedup == pytest.approx(measured.turns_per_second / measured.naive_turns_per_second)
    assert measured.loss_difference >= abs(measured.loss - measured.naive_loss)

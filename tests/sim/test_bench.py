"""The benches measure what they say: both ways come to the same."""

from sim.bench.training import bench_training


def test_the_plain_loop_trains_the_same():
    measured = bench_training(games=8, repeats=1)
    assert measured.loss_difference < 1e-4
    assert measured.loss_difference_as_trained < 0.05
    assert measured.steps >= 1
    assert measured.speedup > 1

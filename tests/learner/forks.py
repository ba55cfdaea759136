"""Processes that are forked from one that has already imported torch and loaded the embedded policy, which takes most
of the time of a start."""

import multiprocessing

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(
    [
        "learner.rounds.pipeline",
        "learner.serving.__main__",
        "learner.training.train",
        "tests.learner.loaded_policy",
    ]
)

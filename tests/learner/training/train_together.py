"""One of several processes that train together."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from learner.examples.labels import ObjectiveName, TrainingGame
from learner.settings import TrainingConfig
from learner.training.distributed import ProcessGroup
from learner.training.train import train


def train_together(
    environment: dict[str, str],
    games: Sequence[TrainingGame],
    objective: ObjectiveName,
    config: TrainingConfig,
    written: Path,
) -> None:
    """Train with the other ranks that `environment` tells about. Rank 0 writes the metrics."""
    os.environ.update(environment)
    from tests.learner.loaded_policy import policy  # before this process was forked

    group = ProcessGroup(cpu=True)
    policy.temperature = 1.0  # the default of a loaded policy
    result = train(policy, "new", games, objective, config)
    if group.rank == 0:
        written.write_text(json.dumps(result.metrics()))
    group.destroy()

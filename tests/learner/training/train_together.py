"""One of several processes that train together."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from learner.examples.labels import ObjectiveName, TrainingGame
from learner.policy import Policy
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
    torch.set_num_threads(1)
    group = ProcessGroup(cpu=True)
    result = train(Policy.load("tiny", device="cpu"), "new", games, objective, config)
    if group.rank == 0:
        written.write_text(json.dumps(result.metrics()))
    group.destroy()

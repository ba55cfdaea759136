"""The ranks other than 0 of a distributed round: they train each job that rank 0 broadcasts."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from learner.examples.labels import ObjectiveName, TrainingGame
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from learner.registry import AdapterRegistry
from learner.settings import LearnerSettings, TrainingConfig
from learner.training.distributed import ProcessGroup
from learner.training.train import TrainingDiverged, train

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TrainingJob:
    """The arguments of `train` as rank 0 broadcasts them."""

    name: str
    games: Sequence[TrainingGame]
    objective: ObjectiveName
    config: TrainingConfig
    like: str
    seeds: Sequence[TrainingGame]
    evaluated: bool
    """Whether rank 0 evaluates held-out turns after each epoch."""


def run_training_jobs(group: ProcessGroup, settings: LearnerSettings) -> None:
    """Train each job that rank 0 broadcasts, until it broadcasts None."""
    policy: Policy | None = None
    while job := group.broadcast(None):
        policy = policy or Policy.of(settings)
        for name in policy.adapters.names:
            policy.unload_adapter(name)
        if job.like != BASE_ADAPTER:
            policy.load_adapter(job.like, AdapterRegistry(settings.adapters_dir).path(job.like))
        quality = (lambda: 0.0) if job.evaluated else None
        try:
            train(policy, job.name, job.games, job.objective, job.config, None, quality, job.like, job.seeds)
        except TrainingDiverged as error:  # rank 0 reports it
            log.info("training ended on another rank", adapter=job.name, reason=str(error))

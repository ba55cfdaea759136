"""What the processes beside a round's first one do: train along until the round ends."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from learner.examples.labels import Objective, TrainingGame
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from learner.registry import AdapterRegistry
from learner.settings import LearnerSettings, TrainingConfig
from learner.training.distributed import Team
from learner.training.train import TrainingDiverged, train

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Job:
    """What is trained, as the first process tells it."""

    name: str
    games: Sequence[TrainingGame]
    objective: Objective
    config: TrainingConfig
    like: str
    seeds: Sequence[TrainingGame]
    watched: bool
    """Whether the first process looks at held-out turns in between."""


def assist(team: Team, settings: LearnerSettings) -> None:
    """Train along with each job that the first process tells of, until it tells of no more."""
    policy: Policy | None = None
    while job := team.tell(None):
        policy = policy or Policy.of(settings)
        for name in policy.adapters.names:
            policy.unload_adapter(name)
        if job.like != BASE_ADAPTER:
            policy.load_adapter(job.like, AdapterRegistry(settings.adapters_dir).path(job.like))
        quality = (lambda: 0.0) if job.watched else None
        try:
            train(policy, job.name, job.games, job.objective, job.config, None, quality, job.like, job.seeds)
        except TrainingDiverged as error:  # the first process says so
            log.info("training along ended", adapter=job.name, reason=str(error))

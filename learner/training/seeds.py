"""The seed games that a round trains on besides the played ones, with their propensities.

The embedded policy is shipped with a file of them, made of dialogues like those of its pretraining.
"""

from collections.abc import Sequence
from dataclasses import replace

from learner.examples.labels import ObjectiveName, TrainingGame
from learner.examples.seed import stored_seed_games
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from learner.settings import LearnerSettings
from learner.training.evaluation import action_logps


def seed_games_of(settings: LearnerSettings, policy: Policy, objective: ObjectiveName) -> list[TrainingGame]:
    """The seed games of a round, or an empty list if there are none.

    Games whose image set is not on this machine are left out. For kto the propensities are computed with the base
    model. Raises `SeedError`.
    """
    games = stored_seed_games(settings)
    return _with_propensities(games, policy) if objective == "kto" else games


def _with_propensities(games: Sequence[TrainingGame], policy: Policy) -> list[TrainingGame]:
    logps = iter(action_logps(policy, games, BASE_ADAPTER).tolist())
    return [
        replace(game, labels=tuple(replace(label, behaviour_logp=next(logps)) for label in game.labels))
        for game in games
    ]

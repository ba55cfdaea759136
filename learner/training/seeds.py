"""The seed games that a round trains on besides the played ones, and those that are held out for the gate.

The embedded policy is shipped with a file of them, made of dialogues like those of its pretraining.
"""

from collections.abc import Sequence
from dataclasses import replace

from learner.examples.labels import ObjectiveName, TrainingGame, is_held_out
from learner.examples.seed import stored_seed_games
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from learner.settings import LearnerSettings
from learner.training.evaluation import action_logps


def seed_games_of(settings: LearnerSettings, policy: Policy, objective: ObjectiveName) -> list[TrainingGame]:
    """The seed games that a round trains on, or an empty list if there are none.

    Games whose image set is not on this machine are left out. For kto the propensities are computed with the base
    model. Raises `SeedError`.
    """
    games = [game for game in stored_seed_games(settings) if not is_held_out(game.game_id)]
    return _with_propensities(games, policy) if objective == "kto" else games


def held_out_seed_games(settings: LearnerSettings) -> list[TrainingGame]:
    """The seed games that no round trains on. The embedded policy rehearses their descriptions all the same. Their
    right actions are known, whoever plays. Raises `SeedError`."""
    return [game for game in stored_seed_games(settings) if is_held_out(game.game_id)]


def _with_propensities(games: Sequence[TrainingGame], policy: Policy) -> list[TrainingGame]:
    logps = iter(action_logps(policy, games, BASE_ADAPTER).tolist())
    return [
        replace(game, labels=tuple(replace(label, behaviour_logp=next(logps)) for label in game.labels))
        for game in games
    ]

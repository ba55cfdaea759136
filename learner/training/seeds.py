"""Loads the seed games that a round trains on besides the played ones, and computes their propensities.

The embedded policy is shipped with a file of them, made of dialogues like those of its pretraining.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from games.figures import open_images
from learner.examples.labels import ObjectiveName, TrainingGame
from learner.examples.seed import SEED_FILE, read_seed_games
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from learner.settings import LearnerSettings, base_model_folder
from learner.training.evaluation import action_logps

log = structlog.get_logger(__name__)


def seed_games_of(settings: LearnerSettings, policy: Policy, objective: ObjectiveName) -> list[TrainingGame]:
    """The seed games of a round, or an empty list if there are none.

    Games whose image set is not on this machine are left out. For kto the propensities are computed with the base
    model. Raises `SeedError`.
    """
    path = _path(settings)
    if path is None:
        return []
    games = _present(read_seed_games(path))
    return _with_propensities(games, policy) if objective == "kto" else games


def _path(settings: LearnerSettings) -> Path | None:
    if settings.rounds.seed_games == "none":
        return None
    if settings.rounds.seed_games is not None:
        return Path(settings.rounds.seed_games).expanduser()
    came_with = base_model_folder(settings.policy.model) / SEED_FILE
    return came_with if came_with.is_file() else None


def _present(games: Sequence[TrainingGame]) -> list[TrainingGame]:
    """The games whose figures are all on this machine."""
    ids = {images: _ids(images) for images in {game.images for game in games}}
    return [game for game in games if ids[game.images].issuperset(game.context)]


def _ids(images: str) -> frozenset[str]:
    try:
        return frozenset(open_images(images).ids)
    except ValueError as error:
        log.warning("seed games left out: their image set is not here", images=images, error=str(error))
        return frozenset()


def _with_propensities(games: Sequence[TrainingGame], policy: Policy) -> list[TrainingGame]:
    logps = iter(action_logps(policy, games, BASE_ADAPTER).tolist())
    return [
        replace(game, labels=tuple(replace(label, behaviour_logp=next(logps)) for label in game.labels))
        for game in games
    ]

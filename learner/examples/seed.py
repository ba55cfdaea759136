"""Seed games: games with right actions known from the start, which every round trains on too (METHOD: "Rounds").

They keep a policy from unlearning what no feedback speaks for. If "no, drop that, it's the fish" is answered by
dropping alone, the next utterance describes the fish again and complains of nothing, and so the half answer is
learnt; in seed games it is whole.

The embedded policy comes with games that it was pretrained on. A file holds one game a line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel, ValidationError

from games import GAMES
from games.core import IllegalAction, Step
from games.figures import open_images
from learner.examples.labels import Objective, TrainingGame, TurnLabel

if TYPE_CHECKING:
    from learner.policy import Policy
    from learner.settings import LearnerSettings

log = structlog.get_logger(__name__)

SEED_FILE = "seed_games.jsonl"
"""In a base model's folder."""


class SeedStep(BaseModel):
    """One turn. `action` is what was done in `state`, `right` what should have been, where that is to be learnt."""

    state: str
    utterance: str
    action: str
    right: str | None = None


class SeedGame(BaseModel):
    """One line of a file of seed games."""

    game: str
    images: str
    context: tuple[str, ...]
    """Figure ids in the listener's order."""
    steps: tuple[SeedStep, ...]


class SeedError(ValueError):
    """What is wrong with a file of seed games, in a sentence."""


def write_seed_games(games: Iterable[SeedGame], path: Path) -> None:
    """One game a line."""
    path.write_text("".join(game.model_dump_json(exclude_none=True) + "\n" for game in games), "utf-8")


def read_seed_games(path: Path) -> list[TrainingGame]:
    """The games of a file, ready for training. Raises `SeedError` naming the line that is wrong."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SeedError(f"The seed games in {path} cannot be read: {error}") from None
    games = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                games.append(_training_game(SeedGame.model_validate_json(line), number))
            except (ValidationError, KeyError, ValueError) as error:
                said = str(error).splitlines()[0]
                raise SeedError(
                    f"Line {number} of {path} is no seed game ({said}): mend or delete it"
                ) from None
    return [game for game in games if game.labels]


def seed_games_of(settings: "LearnerSettings", policy: "Policy", objective: Objective) -> list[TrainingGame]:
    """What a round trains on besides what was played; nothing where there are no seed games.

    Games with an image set that is not on this machine are left out. For kto the propensities are the base
    model's. Raises `SeedError`.
    """
    path = _path(settings)
    if path is None:
        return []
    games = _present(read_seed_games(path))
    return _with_propensities(games, policy) if objective == "kto" else games


def _path(settings: "LearnerSettings") -> Path | None:
    if settings.rounds.seed_games == "none":
        return None
    if settings.rounds.seed_games is not None:
        return Path(settings.rounds.seed_games).expanduser()
    from learner.policy.tiny import TINY_WEIGHTS  # torch is loaded only here

    came_with = (TINY_WEIGHTS if settings.policy.model == "tiny" else Path(settings.policy.model)) / SEED_FILE
    return came_with if came_with.is_file() else None


def _training_game(seed: SeedGame, number: int) -> TrainingGame:
    rules = GAMES[seed.game]
    labels = []
    for place, step in enumerate(seed.steps):
        for action in {step.action, step.right or step.action}:
            try:
                rules.apply(step.state, action)
            except IllegalAction as error:
                raise ValueError(f"turn {place + 1}: {error}") from None
        if step.right is not None:
            labels.append(TurnLabel(place, 0, step.right, 1.0))
    last = labels[-1].step + 1 if labels else 0
    steps = tuple(Step(step.state, step.utterance, step.action) for step in seed.steps[:last])
    return TrainingGame(f"seed-{number}", seed.game, seed.images, seed.context, steps, tuple(labels))


def _present(games: Sequence[TrainingGame]) -> list[TrainingGame]:
    """Those whose figures are all on this machine."""
    ids = {images: _ids(images) for images in {game.images for game in games}}
    return [game for game in games if ids[game.images].issuperset(game.context)]


def _ids(images: str) -> frozenset[str]:
    try:
        return frozenset(open_images(images).ids)
    except ValueError as error:
        log.warning("seed games left out: their image set is not here", images=images, error=str(error))
        return frozenset()


def _with_propensities(games: Sequence[TrainingGame], policy: "Policy") -> list[TrainingGame]:
    from learner.protocol import BASE_ADAPTER
    from learner.training.evaluation import action_logps

    logps = iter(action_logps(policy, games, BASE_ADAPTER).tolist())
    return [
        replace(game, labels=tuple(replace(label, behaviour_logp=next(logps)) for label in game.labels))
        for game in games
    ]

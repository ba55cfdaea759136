"""Files of seed games, whose right actions are known from the start, one JSON object per line.

Every round trains on them too (`learner.training.seeds`), so that a policy does not unlearn behaviour that feedback
does not reinforce. For example, if it answers "no, drop that, it's the fish" by deselecting only, players often
describe the fish again without complaint, and the incomplete action gets a positive label. In seed games the label
is the complete action.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog
from pydantic import BaseModel, ValidationError

from games import GAMES
from games.core import IllegalAction, Step
from games.figures import open_images
from learner.examples.labels import TrainingGame, TurnLabel
from learner.settings import LearnerSettings, base_model_folder

log = structlog.get_logger(__name__)

SEED_FILE = "seed_games.jsonl"
"""Name of the file in a base model's folder."""


class SeedStep(BaseModel):
    """One turn: `action` was executed in `state`; `right` is the right action, or None if the turn is not
    learnt."""

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
    """A file of seed games, or of what a policy was pretrained on, cannot be used; the message says why."""


def write_seed_games(games: Iterable[SeedGame], path: Path) -> None:
    """Write one JSON object per line."""
    path.write_text("".join(game.model_dump_json(exclude_none=True) + "\n" for game in games), "utf-8")


def stored_seed_games(settings: LearnerSettings) -> list[TrainingGame]:
    """The seed games that the settings name, or an empty list if there are none.

    Games whose image set is not on this machine are left out. Raises `SeedError`.
    """
    path = _path(settings)
    return [] if path is None else _present(read_seed_games(path))


def read_seed_games(path: Path) -> list[TrainingGame]:
    """Read a file as training games. Raises `SeedError` that names the wrong line."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SeedError(f"The seed games in {path} cannot be read: {error}") from None
    games = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                games.append(training_game(SeedGame.model_validate_json(line), number))
            except (ValidationError, KeyError, ValueError) as error:
                said = str(error).splitlines()[0]
                raise SeedError(
                    f"Line {number} of {path} is not a seed game ({said}): fix or delete it"
                ) from None
    return [game for game in games if game.labels]


def training_game(seed: SeedGame, number: int) -> TrainingGame:
    """A seed game with its labels; `number` makes its id. Raises ValueError or KeyError for one that the rules
    forbid."""
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

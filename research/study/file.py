"""The study file: its schema, and how it is read. docs/research.md explains every key."""

import hashlib
import random
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from games import DEFAULT_GAME, GAMES
from games.figures import open_images
from research.study.power import Design

CURRENT = "current"
"""As an arm's adapter: the adapter that other new games use when the game begins."""
IN_A_FORM = 5
"""Fields of one form in Discord."""
SEED_BITS = 53
"""Seeds of draws are integers that JSON and every statistics program can hold."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
"""Lower-case letters, digits and hyphens, at most 40."""
Line = Annotated[str, Field(min_length=1, max_length=45)]
"""The label of a field in a form."""
Text = Annotated[str, Field(min_length=1, max_length=100)]
"""A text in a form below the label, or a choice."""


class StudyError(ValueError):
    """A study cannot be run as it is. `problems` are sentences that say what is wrong and where."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{path}: {'; '.join(problems)}")


class _Part(BaseModel):
    """A part of a study file. A key that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Part):
    """One treatment: the adapter that its games are played with."""

    name: Name
    adapter: str
    """An adapter's name, "base", or "current"."""
    probability: float = Field(gt=0, le=1)


class Limits(_Part):
    """How much one player plays in the study."""

    games_per_player: int | None = Field(default=None, ge=1)
    """None: any number."""


class Eligibility(_Part):
    """Whose games are in the study."""

    servers: tuple[Annotated[str, Field(pattern=r"^\d+$")], ...] = ()
    """Ids of servers; none for all."""
    least_games_before: int = Field(default=0, ge=0)
    most_games_before: int | None = Field(default=None, ge=0)
    """Games that a player may have begun before the first one in the study; None: any number."""
    research_consent: bool = True
    """On Discord, only players who agreed to research (`/privacy`), as only their games are exported."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.most_games_before is not None and self.most_games_before < self.least_games_before:
            raise ValueError("most_games_before is less than least_games_before, so nobody can take part")
        return self


class Item(_Part):
    """One statement of the exit survey, answered on a scale from 1."""

    name: Name
    text: Line
    detail: Text | None = None
    low: Annotated[str, Field(min_length=1, max_length=80)] = "not at all"
    high: Annotated[str, Field(min_length=1, max_length=80)] = "completely"


class Survey(_Part):
    """The exit survey, after a player's last game in the study."""

    scale: int = Field(default=6, ge=2, le=10)
    """The highest answer; the lowest is 1."""
    items: tuple[Item, ...] = Field(min_length=1, max_length=5 * IN_A_FORM)

    @model_validator(mode="after")
    def _different(self) -> Self:
        _refuse_repeated("items", [item.name for item in self.items])
        return self

    @property
    def pages(self) -> list[tuple[Item, ...]]:
        """The items by form."""
        return [self.items[start : start + IN_A_FORM] for start in range(0, len(self.items), IN_A_FORM)]


class Question(_Part):
    """One question before a player's first game in the study, which must be answered right."""

    name: Name
    text: Line
    detail: Text | None = None
    choices: tuple[Text, ...] = Field(min_length=2, max_length=25)
    answer: str
    """The right one of the choices."""
    why: Annotated[str, Field(min_length=1, max_length=300)]
    """Shown to those who chose another."""

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        _refuse_repeated("choices", self.choices)
        if self.answer not in self.choices:
            raise ValueError(f"the answer {self.answer!r} is none of the choices")
        return self


class Stop(_Part):
    """When no more games are assigned: a number of games, or what a power analysis gives."""

    games_per_arm: int | None = Field(default=None, ge=1)
    """Finished games in every arm; None: as many as the difference needs."""
    baseline: float = Field(default=0.5, gt=0, lt=1)
    """Success (share of won games) that is expected in one arm."""
    difference: float | None = Field(default=None, gt=0, lt=1)
    """The difference in success that the study shall detect."""
    power: float = Field(default=0.8, gt=0, lt=1)
    alpha: float = Field(default=0.05, gt=0, lt=1)
    icc: float = Field(default=0.0, ge=0, le=1)
    """Intraclass correlation of the success of one player's games."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.games_per_arm is None) == (self.difference is None):
            raise ValueError("give either games_per_arm, or the difference that the study shall detect")
        if self.difference is not None and self.baseline + self.difference >= 1:
            raise ValueError(
                f"baseline and difference are {self.baseline + self.difference:g} together: 1 is all"
            )
        return self


class Study(_Part):
    """A study. `read_study` reads it from a file."""

    name: Name
    images: str = "classic"
    game: str = DEFAULT_GAME
    unit: Literal["player", "game"] = "player"
    """What is assigned to an arm: a player with all games, or each game on its own."""
    seed: int = Field(default=0, ge=0, lt=2**SEED_BITS)
    arms: tuple[Arm, ...] = Field(min_length=1, max_length=20)
    stop: Stop
    limits: Limits = Limits()
    eligibility: Eligibility = Eligibility()
    survey: Survey | None = None
    quiz: tuple[Question, ...] = Field(default=(), max_length=IN_A_FORM)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_repeated("arms", [arm.name for arm in self.arms])
        _refuse_repeated("quiz", [question.name for question in self.quiz])
        total = sum(arm.probability for arm in self.arms)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the probabilities of the arms add up to {total:g}: they must add up to 1")
        if self.survey is not None and self.limits.games_per_player is None:
            raise ValueError("the survey comes after a player's last game: set limits.games_per_player")
        if self.game not in GAMES:
            raise ValueError(f"game {self.game!r} is not known: it may be {', '.join(GAMES)}")
        return self

    @property
    def arm_names(self) -> list[str]:
        """The arms in order; the others are compared with the first."""
        return [arm.name for arm in self.arms]

    @property
    def design(self) -> Design:
        """What the power analysis needs. Games of one player are alike only as far as `stop.icc` says."""
        stop = self.stop
        return Design(stop.baseline, stop.power, stop.alpha, stop.icc, self.limits.games_per_player or 1)

    @property
    def games_per_arm(self) -> int:
        """Finished games in every arm after which no more are assigned."""
        stop = self.stop
        if stop.games_per_arm is not None:
            return stop.games_per_arm
        assert stop.difference is not None
        return self.design.games_per_arm(stop.difference)

    @property
    def total_games(self) -> int:
        """Games that it takes, on average, until the arm with the lowest probability has enough."""
        return round(self.games_per_arm / min(arm.probability for arm in self.arms))

    def draw(self, unit: str, eligible: Sequence[Arm]) -> "Drawn":
        """Draw one of these arms, which are not none. The same unit (a player or one of the player's games) always
        gets the same seed, and thus the same arm of the same arms."""
        text = "\0".join((str(self.seed), self.name, unit))
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> (64 - SEED_BITS)
        names = [arm.name for arm in eligible]
        return Drawn(*draw_arm(seed, names, [arm.probability for arm in eligible]), seed, tuple(names))


@dataclass(frozen=True)
class Drawn:
    """The arm that was drawn for a player or a game."""

    arm: str
    probability: float
    """Of this arm among the eligible ones."""
    seed: int
    eligible: tuple[str, ...]


@dataclass(frozen=True)
class StudyFile:
    """A study with its file and the SHA-256 of it, which changes with every change of the file."""

    study: Study
    hash: str
    text: str


def draw_arm(seed: int, names: Sequence[str], weights: Sequence[float]) -> tuple[str, float]:
    """(arm, its probability) that a seed gives. Anybody can repeat a draw from an exported assignment with this."""
    total = sum(weights)
    point, passed = random.Random(seed).random() * total, 0.0
    for name, weight in zip(names, weights, strict=True):
        passed += weight
        if point < passed:
            return name, weight / total
    return names[-1], weights[-1] / total


def read_study(path: Path) -> StudyFile:
    """Read a study file. Raises `StudyError` with what is wrong: first single values, then how they fit together, then
    the image set."""
    try:
        data = path.read_bytes()
        content = tomllib.loads(text := data.decode())
    except OSError as error:
        raise StudyError(path, [f"it cannot be read ({error.strerror})"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(path, [f"this is not TOML: {error}"]) from error
    try:
        study = Study.model_validate(content)
    except ValidationError as error:
        raise StudyError(path, _what_is_wrong(error, content)) from error
    if problem := _image_problem(study):
        raise StudyError(path, [problem])
    return StudyFile(study, hashlib.sha256(data).hexdigest(), text)


def parse_study(text: str) -> Study | None:
    """The study of a file that was read before; None if this version of the program does not know it any more. Its
    image set need not be on this machine."""
    try:
        return Study.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError):
        return None


def _image_problem(study: Study) -> str | None:
    try:
        GAMES[study.game].deal(open_images(study.images).ids, random.Random(0))
    except (ValueError, OSError) as error:
        return f"images: {error}"
    return None


def _refuse_repeated(place: str, names: Sequence[str]) -> None:
    """Raises ValueError for a name that stands there twice."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"{place}: {', '.join(map(repr, repeated))} is there more than once")


def _what_is_wrong(error: ValidationError, content: Any) -> list[str]:
    """A sentence for each problem, with the place in the file."""
    errors, found = error.errors(include_url=False), []
    for item in errors:
        place = item["loc"]
        if item["type"] == "too_short" and any(
            other["loc"][: len(place)] == place != other["loc"] for other in errors
        ):
            continue  # pydantic counts only what is right inside
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "there is no such key"
        elif item["type"] == "missing":
            message = "is missing"
        elif item["type"] == "string_pattern_mismatch" and item["loc"][-1] == "name":
            message = f"{item['input']!r} must be of lower-case letters, digits and hyphens, at most 40"
        where = _place(place, content)
        found.append(f"{where}: {message}" if where else message)
    return found


def _place(loc: Sequence[int | str], content: Any) -> str:
    """A place in the file, e.g. `arms 2 ("control"), probability`."""
    parts: list[str] = []
    for step in loc:
        try:
            content = content[step]
        except (KeyError, IndexError, TypeError):
            content = None
        if isinstance(step, int):
            name = content.get("name") if isinstance(content, dict) else None
            parts[-1] += f" {step + 1}" + (f' ("{name}")' if isinstance(name, str) else "")
        else:
            parts.append(step)
    return ", ".join(parts)

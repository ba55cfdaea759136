"""The measures of a report: each is a ratio of two sums over games, with a bootstrap interval over games.

Whole games are resampled, because the turns of one game are not independent.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

import numpy as np

from research.report.estimate import Estimate
from research.report.played import Judged, PlayedGame, PlayedTurn
from store.models import Correctness

RESAMPLES = 2000

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
RESET = re.compile(
    r"\b(?:reset|restart|start (?:over|again|afresh)|clear (?:all|everything|them all|the board)"
    r"|(?:de-?select|unselect|undo|remove) (?:all|everything|them all|every one))\b",
    re.IGNORECASE,
)
"""A message that asks to deselect everything."""
AGAIN = re.compile(r"\btry again\b", re.IGNORECASE)


def words(text: str) -> list[str]:
    """The words of a message, in lower case."""
    return WORD.findall(text.lower())


@dataclass(frozen=True)
class Measure:
    """A ratio of two sums over games, e.g. right clicks over clicks."""

    name: str
    title: str
    unit: Literal["share", "number"]
    part: Callable[[PlayedGame], float]
    whole: Callable[[PlayedGame], float]


def _messages_with(pattern: re.Pattern[str]) -> Callable[[PlayedGame], float]:
    return lambda game: sum(bool(pattern.search(turn.utterance)) for turn in game.turns)


def _turns(game: PlayedGame) -> float:
    return len(game.turns)


def _one(_game: PlayedGame) -> float:
    return 1


def _of_judged(of: Callable[[Judged], float]) -> Callable[[PlayedGame], float]:
    """Sum over the judgements of a game."""
    return lambda game: sum(of(judged) for turn in game.turns for judged in turn.judged)


def _judged_as(correctness: Correctness) -> Callable[[PlayedGame], float]:
    return _of_judged(lambda judged: judged.correctness == correctness)


def _of_both(of: Callable[[PlayedTurn, Judged], bool]) -> Callable[[PlayedGame], float]:
    """Number of judgements of feedback, of turns that were decoded too, for which something holds."""
    return lambda game: sum(
        of(turn, judged)
        for turn in game.turns
        if turn.decoded is not None
        for judged in turn.judged
        if judged.satisfied is not None
    )


_judgements = _of_judged(lambda _judged: 1)

MEASURES = (
    Measure("success", "Interactions won", "share", lambda game: game.won, _one),
    Measure("turns", "Turns per interaction", "number", _turns, _one),
    Measure(
        "click_accuracy",
        "Clicks that were right",
        "share",
        lambda game: sum(turn.right for turn in game.turns),
        lambda game: sum(turn.clicks for turn in game.turns),
    ),
    Measure(
        "right_turns",
        "Turns with every click right",
        "share",
        lambda game: sum(turn.reference == 1 for turn in game.turns),
        lambda game: sum(turn.reference is not None for turn in game.turns),
    ),
    Measure(
        "positive_feedback",
        "Turns decoded as positive",
        "share",
        lambda game: sum(turn.decoded == 1 for turn in game.turns),
        _turns,
    ),
    Measure(
        "utterance_length",
        "Words per message",
        "number",
        lambda game: sum(len(words(turn.utterance)) for turn in game.turns),
        _turns,
    ),
    Measure("resets", "Messages that ask for a reset", "share", _messages_with(RESET), _turns),
    Measure("try_again", 'Messages with "try again"', "share", _messages_with(AGAIN), _turns),
    Measure(
        "exact_match",
        "Exactly the right clicks",
        "share",
        _of_judged(lambda judged: judged.exact),
        _judgements,
    ),
    Measure(
        "similarity",
        "Similarity to the right clicks",
        "share",
        _of_judged(lambda judged: judged.similarity),
        _judgements,
    ),
    Measure("correct", "Judged correct", "share", _judged_as(Correctness.CORRECT), _judgements),
    Measure("partly_correct", "Judged partly correct", "share", _judged_as(Correctness.PARTLY), _judgements),
    Measure("incorrect", "Judged incorrect", "share", _judged_as(Correctness.INCORRECT), _judgements),
    Measure(
        "satisfied",
        "Next words judged to show satisfaction",
        "share",
        _of_judged(lambda judged: judged.satisfied is True),
        _of_judged(lambda judged: judged.satisfied is not None),
    ),
    Measure(
        "decoder_agreement",
        "Decoder agrees with people",
        "share",
        _of_both(lambda turn, judged: (turn.decoded == 1) == judged.satisfied),
        _of_both(lambda _turn, _judged: True),
    ),
    Measure(
        "decoder_precision",
        "Of those decoded as positive, judged so",
        "share",
        _of_both(lambda turn, judged: turn.decoded == 1 and judged.satisfied is True),
        _of_both(lambda turn, _judged: turn.decoded == 1),
    ),
)
BY_NAME = {measure.name: measure for measure in MEASURES}


@dataclass(frozen=True)
class RoundMeasures:
    """Measures of one round of a deployment."""

    number: int
    interactions: int
    cumulative: int
    """Number of interactions up to its end, including earlier rounds."""
    estimates: dict[str, Estimate]
    """Estimates by the name of the measure."""
    vocabulary: int
    """Number of different words in the messages; grows with the number of interactions."""
    judgements: int
    """Number of people's judgements of turns."""
    confusion: dict[tuple[int, int], int]
    """(reference, decoded) -> turns. References +1, 0, -1; decoded +1, -1."""
    draws: np.ndarray
    """[RESAMPLES, measures] bootstrap draws of every measure; NaN if the denominator is 0."""


@dataclass(frozen=True)
class PlayerMessages:
    """Message lengths of one player, in words. Players are numbered, the most talkative first."""

    player: int
    messages: int
    mean: float
    median: float


@dataclass(frozen=True)
class Deployment:
    """All measures of one source of games."""

    name: str
    rounds: tuple[RoundMeasures, ...]
    players: tuple[PlayerMessages, ...]

    @property
    def interactions(self) -> int:
        """Games in all."""
        return self.rounds[-1].cumulative

    def has(self, measure: str) -> bool:
        """Whether any round has a value of a measure."""
        return any(row.estimates[measure].value is not None for row in self.rounds)


@dataclass(frozen=True)
class Difference:
    """Second deployment minus first, for one measure and round."""

    measure: str
    round: int
    value: float
    low: float
    high: float


def measure_deployment(name: str, games: Sequence[PlayedGame], seed: int = 0) -> Deployment:
    """Measure games, round by round. `games` must not be empty."""
    rounds: list[RoundMeasures] = []
    cumulative = 0
    for number in sorted({game.round for game in games}):
        of_round = [game for game in games if game.round == number]
        cumulative += len(of_round)
        rounds.append(_round(number, cumulative, of_round, np.random.default_rng([seed, len(rounds)])))
    return Deployment(name, tuple(rounds), _players(games))


def differences(first: Deployment, second: Deployment) -> list[Difference]:
    """Second minus first in the rounds that both have, with 95% intervals. The two must be measured with different
    seeds."""
    found = []
    ours = {row.number: row for row in first.rounds}
    for theirs in second.rounds:
        if (row := ours.get(theirs.number)) is None:
            continue
        for index, measure in enumerate(MEASURES):
            one, other = row.estimates[measure.name].value, theirs.estimates[measure.name].value
            if one is None or other is None:
                continue
            low, high = _interval(theirs.draws[:, index] - row.draws[:, index])
            assert low is not None and high is not None
            found.append(Difference(measure.name, theirs.number, other - one, low, high))
    return found


def _round(
    number: int, cumulative: int, games: Sequence[PlayedGame], rng: np.random.Generator
) -> RoundMeasures:
    parts = np.array([[measure.part(game) for measure in MEASURES] for game in games], dtype=float)
    wholes = np.array([[measure.whole(game) for measure in MEASURES] for game in games], dtype=float)
    if not any(turn.decoded is not None for game in games for turn in game.turns):
        wholes[:, [measure.name for measure in MEASURES].index("positive_feedback")] = 0
    draws = _bootstrap(parts, wholes, rng)
    values = _ratio(parts.sum(0), wholes.sum(0))
    estimates = {}
    for index, measure in enumerate(MEASURES):
        value = None if np.isnan(values[index]) else float(values[index])
        estimates[measure.name] = Estimate(value, *_interval(draws[:, index]))
    pairs = Counter(
        (turn.reference, turn.decoded)
        for game in games
        for turn in game.turns
        if turn.reference is not None and turn.decoded is not None
    )
    return RoundMeasures(
        number=number,
        interactions=len(games),
        cumulative=cumulative,
        estimates=estimates,
        vocabulary=len({word for game in games for turn in game.turns for word in words(turn.utterance)}),
        judgements=sum(len(turn.judged) for game in games for turn in game.turns),
        confusion={(is_, said): pairs[is_, said] for is_ in (1, 0, -1) for said in (1, -1)},
        draws=draws,
    )


def _bootstrap(parts: np.ndarray, wholes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ratios of sums over resampled games: [games, measures] twice to [RESAMPLES, measures]."""
    games = len(parts)
    step = max(1, 2_000_000 // games)  # resamples at a time, to limit memory
    found = []
    for start in range(0, RESAMPLES, step):
        picks = rng.integers(0, games, size=(min(step, RESAMPLES - start), games))
        counts = np.stack([np.bincount(row, minlength=games) for row in picks]).astype(float)
        found.append(_ratio(counts @ parts, counts @ wholes))
    return np.concatenate(found)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _interval(draws: np.ndarray) -> tuple[float | None, float | None]:
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return None, None
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def _players(games: Sequence[PlayedGame]) -> tuple[PlayerMessages, ...]:
    lengths: dict[str, list[int]] = {}
    for game in games:
        for turn in game.turns:
            lengths.setdefault(game.player, []).append(len(words(turn.utterance)))
    ordered = sorted(lengths.values(), key=lambda each: (-len(each), each))
    return tuple(
        PlayerMessages(number, len(each), fmean(each), median(each)) for number, each in enumerate(ordered, 1)
    )

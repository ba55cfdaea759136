"""Teacher-forced replay: a policy's action at every turn of finished games, compared with the logged action."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from games.core import clicks_right
from games.figures import ImageSet
from learner.protocol import TurnRequest, turn_request
from research.recorded.reading import RecordedGame

if TYPE_CHECKING:
    from learner.policy import Policy

GAMES_AT_A_TIME = 64
RESAMPLES = 2000

Interval = tuple[float, float]


@dataclass(frozen=True)
class ReplayScores:
    """Scores of a policy's greedy actions and of the logged ones. A share and its interval are None if its
    denominator is 0.

    A right click selects a target or deselects a non-target. Intervals are 95% percentile bootstrap intervals over
    games.
    """

    games: int
    turns: int
    """Turns with a logged click; other turns are not replayed."""
    exact: float | None
    """Of the turns whose logged clicks were all right, the share with the same action."""
    exact_ci95: Interval | None
    clicks: float | None
    """Right clicks over clicks of the policy."""
    clicks_ci95: Interval | None
    their_clicks: float | None
    """The same for the logged listener."""
    their_clicks_ci95: Interval | None
    all_right: float | None
    """Share of turns in which all clicks of the policy are right. Every action has a click."""
    all_right_ci95: Interval | None
    their_all_right: float | None
    their_all_right_ci95: Interval | None


def replay(
    policy: "Policy",
    games: Sequence[RecordedGame],
    images: ImageSet,
    adapter: str,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[tuple[str, ...]]:
    """The policy's greedy action at every turn of every game, given the logged history of that turn.

    Games are replayed in batches, turn by turn, so that the KV cache is used. `on_progress` is called with (turns
    done, turns in total). Raises as `Policy.act`.
    """
    answers: list[list[str]] = [[] for _ in games]
    done, total = 0, sum(len(game.steps) for game in games)
    for start in range(0, len(games), GAMES_AT_A_TIME):
        some = range(start, min(start + GAMES_AT_A_TIME, len(games)))
        for turn in range(max(len(games[number].steps) for number in some)):
            asked = [number for number in some if turn < len(games[number].steps)]
            requests = [
                _request(f"replay-{number}", games[number], turn, images, adapter) for number in asked
            ]
            for number, (action, _) in zip(asked, policy.act(requests, greedy=True), strict=True):
                answers[number].append(action)
            done += len(asked)
            on_progress(done, total)
    return [tuple(each) for each in answers]


def _request(game_id: str, game: RecordedGame, turn: int, images: ImageSet, adapter: str) -> TurnRequest:
    step = game.steps[turn]
    return turn_request(
        game_id=game_id,
        game=game.game,
        images=images.spec,
        context=game.deal.listener,
        steps=game.steps[:turn],
        state=step.state,
        utterance=step.utterance,
        adapter=adapter,
    )


def score_replay(games: Sequence[RecordedGame], answers: Sequence[Sequence[str]]) -> ReplayScores:
    """How a policy's answers to every turn of every game compare with the logged actions. Looks at the targets."""
    counts = np.array([_counts(game, ours) for game, ours in zip(games, answers, strict=True)])
    turns, right, clicks, all_right, their_right, their_clicks, their_all_right, exact = range(8)
    shares = {
        "exact": (exact, their_all_right),
        "clicks": (right, clicks),
        "their_clicks": (their_right, their_clicks),
        "all_right": (all_right, turns),
        "their_all_right": (their_all_right, turns),
    }
    found: dict[str, float | Interval | None] = {}
    for name, (part, whole) in shares.items():
        found[name], found[f"{name}_ci95"] = _share(counts[:, part], counts[:, whole])
    return ReplayScores(games=len(games), turns=int(counts[:, turns].sum()), **found)  # pyright: ignore[reportArgumentType]


def _counts(game: RecordedGame, answers: Sequence[str]) -> tuple[int, ...]:
    """The counts of one game, in the order of `score`'s columns."""
    totals = np.zeros(8, dtype=int)
    for step, answer in zip(game.steps, answers, strict=True):
        right, clicks = clicks_right(game.rules, game.deal, step.state, answer)
        their_right, their_clicks = clicks_right(game.rules, game.deal, step.state, step.action)
        flawless = their_right == their_clicks
        same = flawless and answer == step.action
        totals += (1, right, clicks, right == clicks, their_right, their_clicks, flawless, same)
    return tuple(totals.tolist())


def _share(part: np.ndarray, whole: np.ndarray) -> tuple[float | None, Interval | None]:
    """(Σ part / Σ whole, its 95% percentile bootstrap interval), resampling games; [games] each."""
    if not whole.sum():
        return None, None
    picks = np.random.default_rng(0).integers(0, len(whole), size=(RESAMPLES, len(whole)))
    parts, wholes = part[picks].sum(1), whole[picks].sum(1)
    low, high = np.percentile(parts[wholes > 0] / wholes[wholes > 0], [2.5, 97.5])
    return float(part.sum() / whole.sum()), (float(low), float(high))

"""Held-out evaluation of a candidate adapter and the gate that it must pass. It never sees targets."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from learner.examples import TrainingGame
from learner.policy import Policy
from learner.training import to_example

FEWEST_TURNS = 8
"""Held-out positive turns without which the comparison says nothing."""
MARGIN_NATS = 0.25
"""How much less likely the candidate may make held-out positive turns before it is clearly worse."""
BATCH_GAMES = 32


@dataclass(frozen=True)
class Comparison:
    """A candidate beside the adapter in use, on turns that neither was trained on."""

    turns: int
    """Held-out turns with a label."""
    positive_turns: int
    logp_candidate: float | None
    """Mean ℓ of held-out positive turns, in nats; None without any."""
    logp_parent: float | None
    difference_ci95: tuple[float, float] | None
    """Bootstrap interval of the mean difference over turns."""
    reward_logged: float | None
    """Share of positive turns among the labelled ones, as played."""
    reward_candidate: float | None
    """The same under the candidate, by self-normalised importance sampling on the logged propensities."""
    effective_turns: float | None
    """How many turns that estimate is worth: (Σw)² / Σw²."""

    def metrics(self) -> dict[str, Any]:
        """For the adapter's card."""
        return asdict(self)


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may be used, and why, in a sentence."""

    passed: bool
    reason: str


def action_logps(policy: Policy, games: Sequence[TrainingGame], adapter: str) -> np.ndarray:
    """[turns] ℓ of every labelled turn under `adapter`, on the board as it was played."""
    policy.eval()
    values: list[float] = []
    for start in range(0, len(games), BATCH_GAMES):
        examples = [to_example(game, game.labels) for game in games[start : start + BATCH_GAMES]]
        values += policy.action_logps(examples, adapter).double().tolist()
    return np.asarray(values)


def chance_of_right(policy: Policy, games: Sequence[TrainingGame], adapter: str) -> float:
    """Mean π(a|x) of held-out positive turns: how often sampling would repeat them, without sampling.

    Steadier than the mean of ℓ, which a few unlikely turns rule. NaN where no turn is positive.
    """
    positive = [label.reward > 0 for game in games for label in game.labels]
    return float(np.exp(action_logps(policy, games, adapter))[positive].mean())


def compare(policy: Policy, games: Sequence[TrainingGame], candidate: str, parent: str) -> Comparison:
    """Evaluate `candidate` and `parent` (names of loaded adapters) on held-out games.

    `games` are labelled as for kto: +1 or -1, with the logged propensity of the same base model.
    """
    labels = [label for game in games for label in game.labels]
    if not labels:
        return Comparison(0, 0, None, None, None, None, None, None)
    new, old = action_logps(policy, games, candidate), action_logps(policy, games, parent)
    positive = np.array([label.reward > 0 for label in labels])
    logged = np.array(
        [math.nan if label.behaviour_logp is None else label.behaviour_logp for label in labels]
    )
    known = ~np.isnan(logged)
    weights = np.exp(np.clip(new[known] - logged[known], None, math.log(20.0)))
    total = float(weights.sum())
    return Comparison(
        turns=len(labels),
        positive_turns=int(positive.sum()),
        logp_candidate=float(new[positive].mean()) if positive.any() else None,
        logp_parent=float(old[positive].mean()) if positive.any() else None,
        difference_ci95=_interval(new[positive] - old[positive]) if positive.any() else None,
        reward_logged=float(positive[known].mean()) if known.any() else None,
        reward_candidate=float((weights * positive[known]).sum()) / total if total > 0 else None,
        effective_turns=total**2 / float((weights**2).sum()) if total > 0 else None,
    )


def gate(comparison: Comparison, losses: Sequence[float]) -> Decision:
    """Refuse an adapter that is broken or clearly worse than the one in use; pass every other."""
    if not losses or not all(math.isfinite(loss) for loss in losses):
        return Decision(False, "its training loss is not finite")
    if comparison.positive_turns == 0 or comparison.difference_ci95 is None:
        return Decision(True, "no held-out turns to compare on")
    low, high = comparison.difference_ci95
    if not (math.isfinite(low) and math.isfinite(high)):
        return Decision(False, "its log-probabilities of held-out turns are not finite")
    if comparison.positive_turns < FEWEST_TURNS:
        return Decision(
            True, f"only {comparison.positive_turns} held-out positive turns: too few to judge by"
        )
    assert comparison.logp_candidate is not None and comparison.logp_parent is not None
    change = comparison.logp_candidate - comparison.logp_parent
    found = (
        f"{comparison.positive_turns} held-out positive turns are {abs(change):.2f} nats "
        f"{'more' if change >= 0 else 'less'} likely than under the adapter in use"
    )
    return Decision(high >= -MARGIN_NATS, found)


def _interval(differences: np.ndarray, resamples: int = 2000) -> tuple[float, float]:
    picks = np.random.default_rng(0).integers(0, len(differences), size=(resamples, len(differences)))
    low, high = np.percentile(differences[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)

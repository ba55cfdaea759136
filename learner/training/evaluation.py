"""Held-out evaluation of a candidate adapter, and the gate that it must pass. No targets are read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from games.language import N_, Sentence
from learner.examples.build import build_examples
from learner.examples.hindsight import Hindsight
from learner.examples.labels import DecodedFeedback, TrainingGame
from learner.policy import Policy
from learner.policy.batch import to_example
from store.training import Interaction

MIN_HELD_OUT_TURNS = 50
"""Fewer held-out right actions than this are too few to refuse a candidate."""
ENOUGH_HELD_OUT_TURNS = 200
"""Held-out right actions that are taken if there are as many; the 95% interval of the difference is then about four
points to each side."""
MIN_EFFECTIVE_TURNS = 100.0
"""Effective sample size that the importance-sampling estimate must have to be used."""
CHANCE_MARGIN = 0.05
"""How far the candidate's mean probability of held-out right actions may be below the parent's."""
MIN_INTERVAL_GAMES = 5
"""Held-out games from which on there is an interval: a bootstrap over fewer gives one that is too narrow."""
BATCH_GAMES = 32


@dataclass(frozen=True)
class Comparison:
    """A candidate compared with the adapter in use (the parent), on turns that neither was trained on."""

    turns: int
    """Held-out turns with a label."""
    right_turns: int
    """Held-out turns whose right action is known."""
    chance_candidate: float | None
    """Mean π(a|x) of held-out right actions, the probability of sampling them. None if there are none."""
    chance_parent: float | None
    difference_ci95: tuple[float, float] | None
    """Bootstrap interval of the mean difference over turns, resampling games: the turns of a game are alike."""
    reward_logged: float | None
    """Share of positive turns among the labelled ones, as played."""
    reward_candidate: float | None
    """The same under the candidate, by self-normalised importance sampling on the logged propensities."""
    effective_turns: float | None
    """Effective sample size of that estimate, in turns: (Σw)² / Σw²."""
    games: int = 0
    """Held-out games with a right action."""

    def metrics(self) -> dict[str, Any]:
        """For the adapter's card."""
        return asdict(self)


@dataclass(frozen=True)
class Decision:
    """Whether a candidate passed the gate."""

    passed: bool
    reason: Sentence
    """Why, and how sure that is."""
    judged: bool = True
    """False if there were too few held-out turns to compare it with the adapter in use."""

    def metrics(self) -> dict[str, Any]:
        """For the adapter's card."""
        return {"passed": self.passed, "reason": str(self.reason), "judged": self.judged}


def action_logps(policy: Policy, games: Sequence[TrainingGame], adapter: str) -> np.ndarray:
    """[turns] ℓ of every labelled turn under `adapter`, on the board as it was played."""
    policy.eval()
    values: list[float] = []
    for start in range(0, len(games), BATCH_GAMES):
        examples = [to_example(game, game.labels) for game in games[start : start + BATCH_GAMES]]
        values += policy.action_logps(examples, adapter).double().tolist()
    return np.asarray(values)


def held_out_labels(
    interactions: Sequence[Interaction], verdicts: Mapping[int, DecodedFeedback], base_model: str
) -> list[TrainingGame]:
    """Labels of held-out interactions: their right actions, and the feedback on each action that was taken.

    Right actions come from hindsight too, because those that got positive feedback at once are mostly actions that
    the parent already prefers. Right actions have no propensity (as for sup), taken actions have one (as for kto).
    """
    right = build_examples(interactions, verdicts, "sup", base_model, Hindsight(win=True, correction=True))
    return right + build_examples(interactions, verdicts, "kto", base_model)


def newest_held_out(
    interactions: Sequence[Interaction], verdicts: Mapping[int, DecodedFeedback], base_model: str
) -> list[TrainingGame]:
    """`held_out_labels` of the newest held-out games, pooled over as many rounds as it takes to have
    `ENOUGH_HELD_OUT_TURNS` right actions; of all if there are fewer."""
    found: list[TrainingGame] = []
    rounds = sorted({one.round for one in interactions}, reverse=True)
    for number in rounds:
        of_round = [one for one in interactions if one.round == number]
        found += held_out_labels(of_round, verdicts, base_model)
        if right_turns(found) >= ENOUGH_HELD_OUT_TURNS:
            break
    return found


def right_turns(games: Sequence[TrainingGame]) -> int:
    """Number of right actions among `held_out_labels`."""
    return sum(label.behaviour_logp is None for game in games for label in game.labels)


def chance_of_right(policy: Policy, games: Sequence[TrainingGame], adapter: str) -> float:
    """Mean π(a|x) of the right actions of `held_out_labels`, the probability of sampling them.

    Less noisy than the mean of ℓ, which a few improbable turns dominate. NaN if there is no right action.
    """
    right = [game for game in games if game.labels[0].behaviour_logp is None]
    return float(np.exp(action_logps(policy, right, adapter)).mean())


def compare(policy: Policy, games: Sequence[TrainingGame], candidate: str, parent: str) -> Comparison:
    """Evaluate `candidate` and `parent` (names of loaded adapters) on `held_out_labels`."""
    labels = [label for game in games for label in game.labels]
    if not labels:
        return Comparison(0, 0, None, None, None, None, None, None)
    new, old = action_logps(policy, games, candidate), action_logps(policy, games, parent)
    right = np.array([label.behaviour_logp is None for label in labels])
    chances = np.exp(new[right]), np.exp(old[right])
    of_game = np.array([game.game_id for game in games for _ in game.labels])[right]
    taken = ~right
    positive = np.array([label.reward > 0 for label in labels])[taken]
    logged = np.array([label.behaviour_logp or 0.0 for label in labels])[taken]
    weights = np.exp(np.clip(new[taken] - logged, None, math.log(20.0)))
    total = float(weights.sum())
    return Comparison(
        turns=int(taken.sum()),
        right_turns=int(right.sum()),
        chance_candidate=float(chances[0].mean()) if right.any() else None,
        chance_parent=float(chances[1].mean()) if right.any() else None,
        difference_ci95=_interval(chances[0] - chances[1], of_game) if right.any() else None,
        reward_logged=float(positive.mean()) if taken.any() else None,
        reward_candidate=float((weights * positive).sum()) / total if total > 0 else None,
        effective_turns=total**2 / float((weights**2).sum()) if total > 0 else None,
        games=len(set(of_game.tolist())),
    )


def gate(comparison: Comparison, losses: Sequence[float | None], known: Comparison | None = None) -> Decision:
    """Refuse an adapter that is broken or clearly worse than the one in use; pass every other.

    `losses` are those of the adapter's card, where None stands for one that was not finite. `comparison` is on played
    games. `known` is on seed games, whose right actions nobody who plays has a say in: a small community has enough of
    these, and they show what was forgotten.
    """
    if not losses or not all(loss is not None and math.isfinite(loss) for loss in losses):
        return Decision(False, Sentence(N_("its training loss is not finite")))
    if known is not None and known.right_turns >= MIN_HELD_OUT_TURNS and not _as_good(known):
        forgot = N_(
            "it forgot what was known: it takes {new} of {right} right actions of held-out seed games, the adapter in "
            "use {old}: {difference}"
        )
        return Decision(False, Sentence(forgot, _values(known)))
    few = Sentence(
        N_("not enough to judge yet: {right} of {needed} held-out right actions"),
        {"right": comparison.right_turns, "needed": MIN_HELD_OUT_TURNS},
    )
    if comparison.right_turns == 0 or comparison.difference_ci95 is None:
        return Decision(True, few, judged=False)
    if not all(map(math.isfinite, comparison.difference_ci95)):
        return Decision(False, Sentence(N_("its probabilities of held-out turns are not finite")))
    if comparison.right_turns < MIN_HELD_OUT_TURNS:
        so_far = {"few": few, "difference": _difference(comparison)}
        return Decision(True, Sentence(N_("{few}; so far {difference}"), so_far), judged=False)
    found = Sentence(
        N_("it takes {new} of {right} held-out right actions, the adapter in use {old}: {difference}"),
        _values(comparison),
    )
    if _as_good(comparison):
        return Decision(True, found)
    # Known right actions are mostly those of the adapter in use; the estimate over all taken actions is
    # less biased.
    believed = comparison.effective_turns is not None and comparison.effective_turns >= MIN_EFFECTIVE_TURNS
    if believed and comparison.reward_candidate is not None and comparison.reward_logged is not None:
        expected = Sentence(
            N_("{found}, but {new} of its turns would get positive feedback instead of {old}"),
            {
                "found": found,
                "new": f"{comparison.reward_candidate:.1%}",
                "old": f"{comparison.reward_logged:.1%}",
            },
        )
        if comparison.reward_candidate > comparison.reward_logged:
            return Decision(True, expected)
    return Decision(False, found)


def _as_good(comparison: Comparison) -> bool:
    """Whether the candidate is not clearly worse than the parent."""
    assert comparison.difference_ci95 is not None
    return comparison.difference_ci95[1] >= -CHANCE_MARGIN  # False for NaN


def _values(comparison: Comparison) -> dict[str, str | int | Sentence]:
    """What sentences say of a comparison."""
    return {
        "new": f"{comparison.chance_candidate:.1%}",
        "old": f"{comparison.chance_parent:.1%}",
        "right": comparison.right_turns,
        "difference": _difference(comparison),
    }


def _difference(comparison: Comparison) -> Sentence:
    assert comparison.difference_ci95 is not None
    assert comparison.chance_candidate is not None and comparison.chance_parent is not None
    points = f"{100 * (comparison.chance_candidate - comparison.chance_parent):+.1f}"
    if comparison.games < MIN_INTERVAL_GAMES:
        few = N_("a difference of {points} points (held-out games: {games}, too few for an interval)")
        return Sentence(few, {"points": points, "games": comparison.games})
    low, high = (f"{100 * bound:+.1f}" for bound in comparison.difference_ci95)
    return Sentence(
        N_("a difference of {points} points, 95% interval {low} to {high}"),
        {"points": points, "low": low, "high": high},
    )


def _interval(differences: np.ndarray, groups: np.ndarray, resamples: int = 2000) -> tuple[float, float]:
    """95% bootstrap interval of the mean of `differences`, resampling groups. Both [turns]."""
    _, of_group = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(of_group, differences), np.bincount(of_group)
    picks = np.random.default_rng(0).integers(0, len(sums), size=(resamples, len(sums)))
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)

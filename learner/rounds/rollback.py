"""Automatic rollback: tests whether the adapter in use does worse in its games than its predecessor did.

Pure functions of interactions and decoded feedback; they need no targets. The gate (`learner.training.evaluation`)
evaluates an adapter before it is played with, this module afterwards.
"""

from collections.abc import Mapping, Sequence
from statistics import mode

import numpy as np

from learner.examples.labels import DecodedFeedback
from store.training import Interaction

MIN_GAMES = 20
"""Games that each of the two adapters must have played to be compared."""
SHARE_MARGIN = 0.05
"""Decrease in the share of wins or of positive feedback, with 97.5% confidence, that counts as worse."""


def worse_in_play(
    interactions: Sequence[Interaction], verdicts: Mapping[int, DecodedFeedback], current: str, before: str
) -> str | None:
    """A sentence that says why `current` is worse than its predecessor `before`; None if it is not.

    Worse means winning less, or getting positive feedback in fewer turns without winning more. Only games of one
    difficulty are compared, of the one that `current` played most.
    """
    difficulties = [one.difficulty for one in interactions if one.adapter == current]
    if not difficulties:
        return None
    usual = mode(difficulties)
    alike = [one for one in interactions if one.difficulty == usual]
    played = [one for one in alike if one.adapter == current]
    base_models = {one.base_model for one in played}
    parents = [one for one in alike if one.adapter == before and one.base_model in base_models]
    if min(len(played), len(parents)) < MIN_GAMES:
        return None
    wins, wins_before = ([float(one.won) for one in games] for games in (played, parents))
    if _fallen(wins, wins_before):
        return (
            f"{current} won {np.mean(wins):.0%} of {len(wins)} games, {before} {np.mean(wins_before):.0%} "
            f"of {len(wins_before)}"
        )
    positive, positive_before = (_positive_shares(games, verdicts) for games in (played, parents))
    if np.mean(wins) <= np.mean(wins_before) and _fallen(positive, positive_before):
        return (
            f"{current} got positive feedback in {np.mean(positive):.0%} of its turns, {before} in "
            f"{np.mean(positive_before):.0%}"
        )
    return None


def _positive_shares(games: Sequence[Interaction], verdicts: Mapping[int, DecodedFeedback]) -> list[float]:
    """Share of turns with positive feedback, for each game that has decoded turns."""
    decoded = [[verdicts[turn].label > 0 for turn in one.turn_ids if turn in verdicts] for one in games]
    return [float(np.mean(labels)) for labels in decoded if labels]


def _fallen(values: Sequence[float], before: Sequence[float], resamples: int = 2000) -> bool:
    """Whether the mean over games has decreased by more than `SHARE_MARGIN`, by the 95% bootstrap interval."""
    if min(len(values), len(before)) < MIN_GAMES:
        return False
    rng = np.random.default_rng(0)

    def means(of: Sequence[float]) -> np.ndarray:
        return np.asarray(of)[rng.integers(0, len(of), size=(resamples, len(of)))].mean(axis=1)

    return float(np.percentile(means(values) - means(before), 97.5)) < -SHARE_MARGIN

"""Power analysis: the two-sided z test of the difference between two proportions, with equal arms."""

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

_NORMAL = NormalDist()
_STEPS = 60
"""Halvings of an interval of length 1: more than a float tells apart."""


@dataclass(frozen=True)
class Design:
    """What a study's size depends on, apart from the difference."""

    baseline: float
    """Success (share of won games) expected in one arm, between 0 and 1."""
    power: float = 0.8
    """Probability of finding a difference that is there."""
    alpha: float = 0.05
    """Probability of finding one that is not there."""
    icc: float = 0.0
    """Intraclass correlation of the success of one player's games."""
    games_per_player: int = 1

    @property
    def design_effect(self) -> float:
        """How many times as many games are needed because several are of the same player (Kish)."""
        return 1 + (self.games_per_player - 1) * self.icc

    def games_per_arm(self, difference: float) -> int:
        """Games in each arm to detect that success is higher by `difference`. Raises ValueError if it cannot be."""
        other = self.baseline + difference
        if not 0 < self.baseline < 1 or not self.baseline < other <= 1:
            raise ValueError(f"success cannot rise from {self.baseline:g} by {difference:g}: it ends at 1")
        mean = (self.baseline + other) / 2
        under_none = _NORMAL.inv_cdf(1 - self.alpha / 2) * sqrt(2 * mean * (1 - mean))
        under_difference = _NORMAL.inv_cdf(self.power) * sqrt(
            self.baseline * (1 - self.baseline) + other * (1 - other)
        )
        return ceil(self.design_effect * ((under_none + under_difference) / difference) ** 2)

    def detectable(self, games_per_arm: int) -> float | None:
        """The least rise in success that so many games in each arm detect; None if they detect none."""
        low, high = 0.0, 1 - self.baseline
        if self.games_per_arm(high) > games_per_arm:
            return None
        for _ in range(_STEPS):
            middle = (low + high) / 2
            if middle > 0 and self.games_per_arm(middle) <= games_per_arm:
                high = middle
            else:
                low = middle
        return high

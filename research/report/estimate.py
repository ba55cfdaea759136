"""An estimate with its interval."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A measure over some games. None if its denominator is 0."""

    value: float | None
    low: float | None
    """Lower end of its 95% interval; a report's are percentile bootstrap intervals over interactions."""
    high: float | None

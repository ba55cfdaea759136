"""Diagnostics of optimizer steps for the log, and their means over an epoch for the adapter's card."""

from collections.abc import Sequence
from dataclasses import dataclass

from learner.training.objectives import Statistics


@dataclass(frozen=True)
class Update:
    """One optimizer step. All values are over its effective batch and all processes."""

    sums: Statistics
    z: float | None
    """The KL estimate that kto's loss used; None for the other objectives."""
    gradient_norm: float
    """Euclidean norm over all trained parameters, before clipping."""
    clipped: bool
    """Whether the gradient was scaled down to the largest norm allowed."""

    @property
    def loss(self) -> float:
        """Mean over turns."""
        return self.sums.loss / self.sums.turns


@dataclass(frozen=True)
class Diagnostics:
    """Means over updates, as cleanrl's ppo.py logs them. None where a value is not defined."""

    approx_kl: float | None
    """KL(π₀ ‖ π) in nats, by the k3 estimator over the turns that have a logged propensity; sup has none."""
    clip_fraction: float | None
    """Share of those turns whose importance ratio was clamped or capped."""
    z: float | None
    """Mean over updates of kto's KL estimate, which is KL(π ‖ π₀), capped."""
    gradient_norm: float | None
    """Mean over updates, before clipping."""
    clipped_steps: float | None
    """Share of updates whose gradient was clipped."""


def diagnostics(updates: Sequence[Update]) -> Diagnostics:
    """Means over the turns of some updates, or over the updates themselves."""
    sums = sum((update.sums for update in updates), Statistics())
    zs = [update.z for update in updates if update.z is not None]
    return Diagnostics(
        approx_kl=_mean(sums.kl, sums.paired),
        clip_fraction=_mean(sums.clamped, sums.paired),
        z=_mean(sum(zs), len(zs)),
        gradient_norm=_mean(sum(update.gradient_norm for update in updates), len(updates)),
        clipped_steps=_mean(sum(update.clipped for update in updates), len(updates)),
    )


def _mean(total: float, count: float) -> float | None:
    return total / count if count else None

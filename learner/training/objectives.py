"""The three objectives of the paper (arXiv 2410.13852) as pure functions of tensors, independent of model and data.

Each takes one value per turn of a batch, [R], and returns `(loss, statistics)`. The loss is the sum over
turns divided by `count`, the turns of the *effective* batch, so that the gradients of micro-batches add up to
the gradient of the whole. Notation of the paper: ℓ = log π(a|x), the sum over the action's tokens with its
end token; n = their number; p₀ = the logged propensity π₀(a|x), clamped from below.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass

import torch

MIN_PROPENSITY = 0.01
"""Lower bound of p₀, so that an improbable action with positive feedback does not cause a huge update."""
MAX_LOG_RATIO = 3.0
"""Upper bound of the log importance ratio in the estimate of z, a ratio of 20."""

RL_SMOOTHING = SUP_SMOOTHING = 0.1
KTO_SMOOTHING = 0.01
KTO_BETA = 0.5


@dataclass(frozen=True)
class Statistics:
    """Sums over the turns of a batch, so that those of micro-batches and processes can be added."""

    turns: float = 0.0
    loss: float = 0.0
    logp: float = 0.0
    """ℓ."""
    ratio: float = 0.0
    """Importance ratio exp ℓ / p₀ with p₀ clamped; 0 where the objective does not use it."""
    paired: float = 0.0
    """Turns that have a logged propensity."""
    kl: float = 0.0
    """The k3 estimate of KL(π₀ ‖ π) over those turns, in nats (`k3_terms`)."""
    clamped: float = 0.0
    """Those of them whose ratio was changed: p₀ was clamped, or the ratio was capped."""

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


def sup(
    logp: torch.Tensor,
    behaviour_logp: torch.Tensor,
    reward: torch.Tensor,
    weight: torch.Tensor,
    tokens: torch.Tensor,
    smooth: torch.Tensor,
    *,
    count: int,
    z: float = 0.0,
    smoothing: float = SUP_SMOOTHING,
) -> tuple[torch.Tensor, Statistics]:
    """Filtered fine-tuning: positive turns only.

        L = -(1/count) Σ_{r > 0} weight · [(1 - ε) ℓ/n + ε s̄]

    s̄ (`smooth`) is the mean over the action's tokens of the mean log-probability over the tokens legal there.
    `behaviour_logp` and `z` are not used.
    """
    per_turn = _smoothed_nll(logp / tokens, smooth, smoothing)
    total = torch.where(reward > 0, weight * per_turn, 0.0).sum()
    return total / count, _statistics(total, logp)


def rl(
    logp: torch.Tensor,
    behaviour_logp: torch.Tensor,
    reward: torch.Tensor,
    weight: torch.Tensor,
    tokens: torch.Tensor,
    smooth: torch.Tensor,
    *,
    count: int,
    z: float = 0.0,
    smoothing: float = RL_SMOOTHING,
) -> tuple[torch.Tensor, Statistics]:
    """Offline REINFORCE.

        w = 1 if r > 0 else stop-gradient(exp ℓ) / p₀
        L = -(1/count) Σ weight · [(1 - ε) w r ℓ/n + ε |r| s̄]

    The ratio reduces the gradient of a negative action once the policy rarely takes it. `behaviour_logp` may
    be NaN (not known) where r > 0. `z` is not used.
    """
    ratio = (logp.detach() - _clamped(behaviour_logp)).exp()
    w = torch.where(reward > 0, 1.0, ratio)
    per_turn = -(1 - smoothing) * w * reward * logp / tokens - smoothing * reward.abs() * smooth
    total = (weight * per_turn).sum()
    used = torch.where(reward > 0, 0.0, ratio)
    return total / count, _statistics(
        total, logp, behaviour_logp, used, _is_clamped(behaviour_logp) & (reward < 0)
    )


def kto(
    logp: torch.Tensor,
    behaviour_logp: torch.Tensor,
    reward: torch.Tensor,
    weight: torch.Tensor,
    tokens: torch.Tensor,
    smooth: torch.Tensor,
    *,
    count: int,
    z: float = 0.0,
    smoothing: float = KTO_SMOOTHING,
    beta: float = KTO_BETA,
) -> tuple[torch.Tensor, Statistics]:
    """Kahneman-Tversky optimisation against the logged behaviour policy.

        ρ = ℓ - log p₀
        v = 1 - σ(β (ρ - z)) if r > 0,   1 - σ(β (z - ρ)) if r < 0
        L = (1/count) Σ weight · [(1 - ε) v - ε s̄]

    `z` is the KL estimate over the effective batch (mean of `kl_terms`), a number: no gradient flows through it.
    """
    rho = logp - _clamped(behaviour_logp)
    value = 1 - torch.sigmoid(beta * torch.where(reward > 0, rho - z, z - rho))
    per_turn = torch.where(reward == 0, 0.0, (1 - smoothing) * value - smoothing * smooth)
    total = (weight * per_turn).sum()
    clamped = _is_clamped(behaviour_logp) | (logp.detach() - behaviour_logp > MAX_LOG_RATIO)
    return total / count, _statistics(total, logp, behaviour_logp, rho.detach().exp(), clamped)


def kl_terms(logp: torch.Tensor, behaviour_logp: torch.Tensor) -> torch.Tensor:
    """[R] terms whose mean, at least 0, is z of kto: KL(π ‖ π₀) from the logged actions alone.

        E_{a ~ π₀}[w log w - (w - 1)] = KL(π ‖ π₀),   w = π(a|x) / π₀(a|x)

    Each term is at least 0. Without the cap the mean is unbiased, because every action was sampled from π₀ and its
    propensity was logged unclamped. Both log-probabilities are of the same action on the same board without
    dropout, unlike in an estimate from mismatched pairs. w is capped at 20, so that no single turn dominates.

    The exact KL, which `Policy.all_action_logps` could give, is not used: it needs the whole distribution of π and
    of each turn's own behaviour adapter, 0.08 s each for the embedded policy on one core, so 10 s for a step that
    takes 0.3 s. The drawback of the estimate: logged actions hardly cover actions that π prefers and π₀ rarely
    takes. After a
    round of kto on 100 games the estimate was 0.9 (standard deviation 0.3 between batches of 64, and 0.94 without
    the cap) and the exact KL 1.7 nats, which with β = 0.5 moves a turn's margin by 0.4 in the sigmoid.
    """
    log_ratio = (logp - behaviour_logp).clamp(max=MAX_LOG_RATIO)
    ratio = log_ratio.exp()
    return ratio * log_ratio - (ratio - 1)


def k3_terms(logp: torch.Tensor, behaviour_logp: torch.Tensor) -> torch.Tensor:
    """[R] terms whose mean is the approximate KL(π₀ ‖ π) that is reported: k3 of Schulman, as in cleanrl's ppo.py.

        E_{a ~ π₀}[(w - 1) - log w] = KL(π₀ ‖ π),   w = π(a|x) / π₀(a|x)

    This is not z of kto, which estimates the other direction and is capped. 0 where `behaviour_logp` is NaN (not
    known).
    """
    log_ratio = (logp - behaviour_logp).double()
    return torch.where(behaviour_logp.isnan(), 0.0, torch.expm1(log_ratio) - log_ratio)


Objective = Callable[..., tuple[torch.Tensor, Statistics]]

OBJECTIVES: dict[str, Objective] = {"sup": sup, "rl": rl, "kto": kto}


def _smoothed_nll(per_token: torch.Tensor, smooth: torch.Tensor, smoothing: float) -> torch.Tensor:
    return -(1 - smoothing) * per_token - smoothing * smooth


def _clamped(behaviour_logp: torch.Tensor) -> torch.Tensor:
    return behaviour_logp.exp().clamp(min=MIN_PROPENSITY).log()


def _is_clamped(behaviour_logp: torch.Tensor) -> torch.Tensor:
    return behaviour_logp.exp() < MIN_PROPENSITY


@torch.no_grad()
def _statistics(
    total: torch.Tensor,
    logp: torch.Tensor,
    behaviour_logp: torch.Tensor | None = None,
    ratio: torch.Tensor | None = None,
    clamped: torch.Tensor | None = None,
) -> Statistics:
    sums = [total, logp.sum()]
    if behaviour_logp is not None and ratio is not None and clamped is not None:
        known = ~behaviour_logp.isnan()
        sums += [ratio.sum(), known.sum(), k3_terms(logp, behaviour_logp).sum(), clamped.sum()]
    return Statistics(float(len(logp)), *torch.stack([each.double() for each in sums]).tolist())

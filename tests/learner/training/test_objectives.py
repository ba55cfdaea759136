"""The objectives against numbers worked out by hand, and their gradients against finite differences."""

import math
from dataclasses import astuple, dataclass, replace

import pytest
import torch

from learner.training.objectives import MIN_PROPENSITY, OBJECTIVES, Statistics, kl_terms, kto, rl, sup


@dataclass(frozen=True)
class Turns:
    logp: list[float]
    behaviour_logp: list[float]
    reward: list[float]
    weight: list[float]
    tokens: list[float]
    smooth: list[float]

    def tensors(self) -> list[torch.Tensor]:
        return [torch.tensor(column, dtype=torch.float64) for column in vars(self).values()]


TURNS = Turns(
    logp=[-1.2, -2.5, -0.4, -6.0],
    behaviour_logp=[-1.0, -2.0, -0.9, -7.0],
    reward=[1.0, -0.1, -0.1, 1.0],
    weight=[1.0, 1.0, 1.0, 0.5],
    tokens=[3.0, 5.0, 3.0, 4.0],
    smooth=[-2.1, -1.9, -2.5, -3.0],
)
SIGNED = replace(TURNS, reward=[1.0, -1.0, -1.0, 1.0])


def test_sup_is_the_smoothed_loss_of_positive_turns_only():
    loss, statistics = sup(*TURNS.tensors(), count=4)
    first = 0.9 * 1.2 / 3 + 0.1 * 2.1
    last = 0.5 * (0.9 * 6.0 / 4 + 0.1 * 3.0)
    assert loss.item() == pytest.approx((first + last) / 4)
    assert statistics.turns == 4
    assert statistics.loss == pytest.approx(first + last)


def test_rl_weighs_negative_turns_by_how_likely_they_still_are():
    loss, _ = rl(*TURNS.tensors(), count=4)
    positive = 0.9 * 1.2 / 3 + 0.1 * 2.1
    second = 0.9 * math.exp(-2.5 + 2.0) * 0.1 * (-2.5) / 5 + 0.1 * 0.1 * 1.9
    third = 0.9 * math.exp(-0.4 + 0.9) * 0.1 * (-0.4) / 3 + 0.1 * 0.1 * 2.5
    last = 0.5 * (0.9 * 6.0 / 4 + 0.1 * 3.0)
    assert loss.item() == pytest.approx((positive + second + third + last) / 4)


def test_kto_is_the_published_formula():
    loss, _ = kto(*SIGNED.tensors(), count=4, z=0.3)

    def value(rho: float, desirable: bool) -> float:
        margin = rho - 0.3 if desirable else 0.3 - rho
        return 1 - 1 / (1 + math.exp(-0.5 * margin))

    floor = math.log(MIN_PROPENSITY)
    turns = [
        0.99 * value(-0.2, True) + 0.01 * 2.1,
        0.99 * value(-0.5, False) + 0.01 * 1.9,
        0.99 * value(0.5, False) + 0.01 * 2.5,
        0.5 * (0.99 * value(-6.0 - floor, True) + 0.01 * 3.0),
    ]
    assert loss.item() == pytest.approx(sum(turns) / 4)


@pytest.mark.parametrize("name", ["rl", "kto"])
def test_a_tiny_propensity_is_clamped(name: str):
    rewards = [-1.0] * 4
    rare = replace(SIGNED, reward=rewards, behaviour_logp=[-30.0] * 4)
    at_floor = replace(SIGNED, reward=rewards, behaviour_logp=[math.log(MIN_PROPENSITY)] * 4)
    assert torch.equal(
        OBJECTIVES[name](*rare.tensors(), count=4)[0], OBJECTIVES[name](*at_floor.tensors(), count=4)[0]
    )


@pytest.mark.parametrize("name", ["sup", "rl", "kto"])
def test_gradients_agree_with_finite_differences(name: str):
    turns = SIGNED if name == "kto" else TURNS
    logp, behaviour, reward, weight, tokens, smooth = turns.tensors()
    logp.requires_grad_()
    smooth.requires_grad_()
    # the importance weight of rl carries no gradient: fix it where the differences are taken
    ratio = (logp.detach() - behaviour.clamp(min=math.log(MIN_PROPENSITY))).exp()

    def loss(logp: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
        if name == "rl":
            w = torch.where(reward > 0, 1.0, ratio)
            per_turn = -0.9 * w * reward * logp / tokens - 0.1 * reward.abs() * smooth
            return (weight * per_turn).sum() / 4
        return OBJECTIVES[name](logp, behaviour, reward, weight, tokens, smooth, count=4, z=0.1)[0]

    OBJECTIVES[name](logp, behaviour, reward, weight, tokens, smooth, count=4, z=0.1)[0].backward()
    for variable in (logp, smooth):
        for i in range(4):
            step = torch.zeros(4, dtype=torch.float64)
            step[i] = 1e-6
            moved = (step, 0 * step) if variable is logp else (0 * step, step)
            up = loss(logp.detach() + moved[0], smooth.detach() + moved[1])
            down = loss(logp.detach() - moved[0], smooth.detach() - moved[1])
            assert variable.grad is not None
            assert variable.grad[i].item() == pytest.approx(((up - down) / 2e-6).item(), abs=1e-7)


@pytest.mark.parametrize("name", ["sup", "rl", "kto"])
def test_micro_batches_add_up_to_the_whole(name: str):
    columns = SIGNED.tensors()
    whole, _ = OBJECTIVES[name](*columns, count=4, z=0.1)
    parts = [
        OBJECTIVES[name](*(column[i : i + 1] for column in columns), count=4, z=0.1)[0] for i in range(4)
    ]
    assert sum(parts).item() == pytest.approx(whole.item())


def k3(log_ratio: float) -> float:
    return math.exp(log_ratio) - 1 - log_ratio


def test_statistics_of_kto_are_what_a_hand_computation_gives():
    """The last propensity is clamped from below; in the second line the third turn's ratio is above the cap too."""
    _, statistics = kto(*SIGNED.tensors(), count=4)
    floor = math.log(MIN_PROPENSITY)
    assert (statistics.turns, statistics.paired, statistics.clamped) == (4, 4, 1)
    assert statistics.kl == pytest.approx(k3(-0.2) + k3(-0.5) + k3(0.5) + k3(1.0))
    assert statistics.logp == pytest.approx(-10.1)
    assert statistics.ratio == pytest.approx(
        math.exp(-0.2) + math.exp(-0.5) + math.exp(0.5) + math.exp(-6 - floor)
    )
    far = replace(SIGNED, behaviour_logp=[-1.0, -2.0, -4.0, -7.0])
    assert kto(*far.tensors(), count=4)[1].clamped == 2


def test_statistics_of_rl_are_of_the_turns_that_have_a_propensity():
    unknown = replace(TURNS, behaviour_logp=[math.nan, -2.0, -5.0, math.nan])
    loss, statistics = rl(*unknown.tensors(), count=4)
    assert (statistics.paired, statistics.clamped) == (2, 1)
    assert statistics.kl == pytest.approx(k3(-0.5) + k3(4.6))
    known = replace(unknown, behaviour_logp=[-1.0, -2.0, -5.0, -1.0])
    assert torch.equal(loss, rl(*known.tensors(), count=4)[0])


def test_statistics_of_sup_compare_with_nothing():
    _, statistics = sup(*TURNS.tensors(), count=4)
    assert (statistics.turns, statistics.paired, statistics.kl, statistics.clamped) == (4, 0, 0, 0)


@pytest.mark.parametrize("name", ["sup", "rl", "kto"])
def test_statistics_of_micro_batches_add_up_to_the_whole(name: str):
    columns = SIGNED.tensors()
    _, whole = OBJECTIVES[name](*columns, count=4)
    parts = [OBJECTIVES[name](*(column[i : i + 1] for column in columns), count=4)[1] for i in range(4)]
    assert astuple(sum(parts, Statistics())) == pytest.approx(astuple(whole))


def test_a_step_against_the_gradient_makes_good_actions_likelier_and_bad_ones_rarer():
    for name, turns in (("rl", TURNS), ("kto", SIGNED)):
        logp, *rest = turns.tensors()
        logp.requires_grad_()
        OBJECTIVES[name](logp, *rest, count=4)[0].backward()
        assert logp.grad is not None
        assert [gradient < 0 for gradient in logp.grad.tolist()] == [True, False, False, True]


def test_kl_is_estimated_from_logged_actions():
    torch.manual_seed(0)
    behaviour = torch.softmax(torch.randn(50, dtype=torch.float64), 0)
    policy = torch.softmax(behaviour.log() + 0.5 * torch.randn(50, dtype=torch.float64), 0)
    exact = (policy * (policy / behaviour).log()).sum().item()
    sampled = torch.multinomial(behaviour, 200_000, replacement=True)
    estimate = kl_terms(policy.log()[sampled], behaviour.log()[sampled]).mean()
    assert estimate.item() == pytest.approx(exact, rel=0.05)
    assert kl_terms(behaviour.log(), behaviour.log()).sum().item() == 0.0

"""Diagnostics of training, compared with a computation by hand, for any division into batches."""

import json
import math
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
import torch

from learner.examples.build import build_examples
from learner.examples.labels import TrainingGame
from learner.policy import Policy
from learner.policy.batch import to_example
from learner.training.evaluation import action_logps
from learner.training.objectives import MIN_PROPENSITY, kto
from learner.training.train import TrainingConfig, train
from store.database import Database
from store.training import usable_interactions
from tests.learner.forks import forks
from tests.learner.training.train_together import train_together
from tests.postgres import database_url

ONE_STEP = TrainingConfig(
    epochs=1,
    least_steps=0,
    grounding_epochs=0,
    learning_rate=0.0,
    weight_decay=0.0,
    batch_turns=1000,
    micro_batch_turns=1000,
    smoothing=0.0,
    clip=0.5,
)
"""One step that changes nothing, over all turns at once."""
SEVERAL_STEPS = replace(ONE_STEP, learning_rate=1e-3, batch_turns=8, warmup_steps=0)
SHIFTS = (0.0, -0.7, 0.4, 3.5)
"""log π(a|x) - log π₀(a|x) of the turns in order; the last exceeds the cap."""
PER_EPOCH = ("approx_kl", "clip_fraction", "z", "gradient_norm", "clipped_steps")


class Alternating:
    confidence = 1.0

    def __init__(self, turn: int) -> None:
        self.label = 1 if turn % 2 else -1


@pytest.fixture(scope="module")
def games(played: Path, shared_policy: Policy) -> list[TrainingGame]:
    """Games for kto, whose propensities are those of the base model, shifted by `SHIFTS`."""
    database = Database(database_url(played))
    with database.session() as session:
        interactions = usable_interactions(session, None)[:6]
    database.close()
    verdicts = {turn: Alternating(turn) for each in interactions for turn in each.turn_ids}
    found = build_examples(interactions, verdicts, "kto", shared_policy.fingerprint)
    logps = iter(action_logps(shared_policy, found, "base").tolist())
    shifts = iter(SHIFTS * 1000)
    return [
        replace(
            game,
            labels=tuple(replace(label, behaviour_logp=next(logps) - next(shifts)) for label in game.labels),
        )
        for game in found
    ]


def test_they_are_what_a_hand_computation_gives(policy: Policy, games: list[TrainingGame]):
    labels = [label for game in games for label in game.labels]
    shifts = [SHIFTS[number % len(SHIFTS)] for number in range(len(labels))]
    floor = math.log(MIN_PROPENSITY)
    clipped = [
        shift > 3 or (label.behaviour_logp or 0.0) < floor
        for label, shift in zip(labels, shifts, strict=True)
    ]
    capped = [min(shift, 3.0) for shift in shifts]
    z = sum(math.exp(shift) * shift - (math.exp(shift) - 1) for shift in capped) / len(labels)

    config = ONE_STEP
    policy.new_adapter("by hand", rank=config.rank, alpha=config.alpha, dropout=0.0, seed=config.seed)
    logps = policy.forward_logps(policy.batch([to_example(game, game.labels) for game in games]))
    behaviour = torch.tensor([label.behaviour_logp or 0.0 for label in labels])
    reward = torch.tensor([label.reward for label in labels])
    loss, _ = kto(
        *(logps.sum, behaviour, reward, torch.ones(len(labels)), logps.tokens, logps.smooth),
        count=len(labels),
        z=z,
        smoothing=0.0,
    )
    gradients = torch.autograd.grad(loss, policy.trainable(), allow_unused=True)
    norm = math.sqrt(sum(float(each.square().sum()) for each in gradients if each is not None))
    policy.unload_adapter("by hand")

    metrics = train(policy, "new", games, "kto", config).metrics()
    assert len(labels) > 8 and 0 < sum(clipped) < len(labels)
    approx_kl = sum(math.exp(shift) - 1 - shift for shift in shifts) / len(labels)
    assert metrics["approx_kl"] == pytest.approx([approx_kl], rel=1e-3)
    assert metrics["clip_fraction"] == pytest.approx([sum(clipped) / len(labels)], abs=1e-5)
    assert metrics["z"] == pytest.approx([z], rel=1e-3)
    assert metrics["gradient_norm"] == pytest.approx([norm], rel=1e-3)
    assert metrics["clipped_steps"] == [float(norm > config.clip)]


def test_micro_batches_add_up_to_the_whole(policy: Policy, games: list[TrainingGame]):
    whole = train(policy, "whole", games, "kto", SEVERAL_STEPS).metrics()
    parts = train(policy, "parts", games, "kto", replace(SEVERAL_STEPS, micro_batch_turns=2)).metrics()
    assert whole["steps"] == parts["steps"] > 1
    for name in PER_EPOCH:
        assert parts[name] == pytest.approx(whole[name], rel=0.01), name


@pytest.mark.long
def test_several_processes_add_up_to_one(policy: Policy, games: list[TrainingGame], tmp_path: Path):
    temperature, policy.temperature = policy.temperature, 1.0  # the default of a loaded policy
    try:
        alone = train(policy, "new", games, "kto", SEVERAL_STEPS).metrics()
    finally:
        policy.temperature = temperature
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launch = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [
        forks.Process(
            target=train_together,
            args=(
                {**launch, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                *(games, "kto", SEVERAL_STEPS, tmp_path / "out"),
            ),
        )
        for rank in range(2)
    ]
    for each in ranks:
        each.start()
    for each in ranks:
        each.join()
    assert [each.exitcode for each in ranks] == [0, 0]
    together = json.loads((tmp_path / "out").read_text())
    assert (alone["processes"], together["processes"]) == (1, 2)
    for name in PER_EPOCH:
        assert together[name] == pytest.approx(alone[name], rel=0.01), name


def test_unknown_statistics_of_an_objective_are_none(policy: Policy, games: list[TrainingGame]):
    unpaired = [
        replace(game, labels=tuple(replace(label, behaviour_logp=None) for label in game.labels))
        for game in games
    ]
    metrics = train(policy, "new", unpaired, "sup", replace(ONE_STEP, epochs=2)).metrics()
    assert [metrics[name] for name in ("approx_kl", "clip_fraction", "z")] == [[None, None]] * 3
    assert all(norm > 0 for norm in metrics["gradient_norm"])
    assert json.loads(json.dumps(metrics, allow_nan=False))["losses"] == metrics["losses"]


def test_every_step_and_every_epoch_is_logged_once(policy: Policy, games: list[TrainingGame]):
    with structlog.testing.capture_logs() as logged:
        result = train(policy, "new", games, "kto", SEVERAL_STEPS)
    steps = [entry for entry in logged if entry["event"] == "trained a step"]
    epochs = [entry for entry in logged if entry["event"] == "trained an epoch"]
    assert [entry["step"] for entry in steps] == list(range(1, result.steps + 1))
    assert {entry["log_level"] for entry in steps} == {"debug"}
    assert all(set(PER_EPOCH) < entry.keys() for entry in (*steps, *epochs))
    assert [entry["log_level"] for entry in epochs] == ["info"]
    assert epochs[0]["z"] == pytest.approx(sum(entry["z"] for entry in steps) / len(steps), rel=1e-3)

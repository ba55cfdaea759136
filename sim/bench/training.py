"""Benchmark of training against a plain loop that computes every turn's prompt and images separately.

Both run `learner.training.train.train` on the same games, from the same initial adapter and in the same order. Only
the policy differs, so their losses must agree.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
from torch.nn.utils.rnn import pad_sequence

from games.core import Step
from learner.examples.build import build_examples
from learner.examples.hindsight import Hindsight
from learner.examples.labels import TrainingGame
from learner.feedback import open_decoder
from learner.feedback.decode import decode_interactions
from learner.policy import Policy
from learner.policy.backend import Backend
from learner.policy.batch import ActionLogps, Batch, Example
from learner.policy.features import ImageFeatures
from learner.policy.figures import FigureEncoder
from learner.policy.loading import choose_device, load_base
from learner.settings import RoundsConfig, TrainingConfig
from learner.training.train import train
from sim.deployment import DeploymentConfig, simulate
from store.database import Database
from store.training import usable_interactions


@dataclass(frozen=True)
class TrainingBench:
    """Medians over repeats, alternating between the two."""

    turns: int
    """Number of labelled turns that each repeat trains on."""
    steps: int
    repeats: int
    threads: int
    turns_per_second: float
    naive_turns_per_second: float
    speedup: float
    loss: float
    """Loss of the last step, in float32."""
    naive_loss: float
    loss_difference: float
    """Largest difference of the two losses of a step, over all steps, both in float32."""
    loss_difference_as_trained: float
    """The same with our loop in its default precision, bfloat16 if that is fast."""


class PlainFigures(FigureEncoder):
    """Encodes figures at every request, without caching."""

    def encode(self, images: str, figures: Sequence[str]) -> ImageFeatures:
        return self.compute(images, figures).features


class Float32Policy(Policy):
    """A policy that computes in float32 even under autocast."""

    def forward_logps(
        self, batch: Batch, adapter: str | None = None, temperature: float | None = None
    ) -> ActionLogps:
        with torch.autocast(self.device.type, enabled=False):
            return super().forward_logps(batch, adapter, temperature)


class PlainPolicy(Float32Policy):
    """A policy that computes turns one by one: each with its own prompt, and its images encoded again."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.figures = PlainFigures(backend)

    def batch(self, examples: Sequence[Example]) -> list[Batch]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return [super(PlainPolicy, self).batch([turn]) for each in examples for turn in _turns(each)]

    def forward_logps(  # pyright: ignore
        self, batch: Sequence[Batch], adapter: str | None = None, temperature: float | None = None
    ) -> ActionLogps:
        turns = [super(PlainPolicy, self).forward_logps(turn, adapter, temperature) for turn in batch]
        columns = {name: [getattr(turn, name)[0] for turn in turns] for name in vars(turns[0])}
        return ActionLogps(
            **{
                name: pad_sequence(rows, batch_first=True) if rows[0].dim() else torch.stack(rows)
                for name, rows in columns.items()
            }
        )


def _turns(example: Example) -> list[Example]:
    """Each wanted action as an example of its own, in the last turn of an interaction."""
    return [
        replace(
            example,
            steps=(*example.steps[:t], Step(step.state, step.utterance, action)),
            wanted=(*[()] * t, (action,)),
        )
        for t, (step, actions) in enumerate(zip(example.steps, example.wanted, strict=True))
        for action in actions
    ]


ONE_EPOCH = TrainingConfig(epochs=1, least_steps=0, warmup_steps=0, grounding_epochs=0)


def bench_training(
    games: int = 80, repeats: int = 3, policy: str = "tiny", config: TrainingConfig = ONE_EPOCH
) -> TrainingBench:
    """Play `games` games, then train on their labelled turns, alternating between both ways, `repeats` times
    each."""
    loops: dict[str, Policy] = {
        name: kind(load_base(policy, choose_device("auto")))
        for name, kind in (("ours", Policy), ("float32", Float32Policy), ("plain", PlainPolicy))
    }
    training = _played(games, loops["ours"])
    turns = sum(len(game.labels) for game in training)
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    losses: dict[str, list[float]] = {}
    for repeat in range(repeats + 1):
        for name, loop in loops.items():
            told: list[float] = []
            its = replace(config, micro_batch_turns=1) if name == "plain" else config
            result = train(loop, name, training, "sup", its, lambda at, told=told: told.append(at.loss))
            loop.unload_adapter(name)
            losses[name] = told
            if repeat:  # the first is the warm-up
                seconds[name].append(result.seconds)
    ours, plain = median(seconds["ours"]), median(seconds["plain"])
    return TrainingBench(
        turns=turns,
        steps=len(losses["ours"]),
        repeats=repeats,
        threads=torch.get_num_threads(),
        turns_per_second=turns / ours,
        naive_turns_per_second=turns / plain,
        speedup=plain / ours,
        loss=losses["float32"][-1],
        naive_loss=losses["plain"][-1],
        loss_difference=_apart(losses["float32"], losses["plain"]),
        loss_difference_as_trained=_apart(losses["ours"], losses["plain"]),
    )


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def _played(games: int, policy: Policy) -> list[TrainingGame]:
    """Training games as a round makes them, of games between simulated players and the base model."""
    with tempfile.TemporaryDirectory(prefix="respect-bench-") as folder:
        simulate(DeploymentConfig(rounds=0, games_per_round=games), Path(folder), policy)
        database = Database(f"sqlite:///{Path(folder) / 'respect.db'}")
        try:
            with database.session() as session:
                interactions = usable_interactions(session, None)
            verdicts = decode_interactions(database, interactions, open_decoder("rules"))
        finally:
            database.close()
    hindsight = Hindsight.parse(RoundsConfig().hindsight)
    return build_examples(interactions, verdicts, "sup", policy.fingerprint, hindsight)

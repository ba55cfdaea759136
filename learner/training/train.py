"""Training an adapter: LoRA on the base model, from examples that are ready. It knows no database."""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import structlog
import torch
from accelerate import Accelerator
from transformers import get_cosine_schedule_with_warmup

from learner.examples.labels import Objective, TrainingGame, TurnLabel
from learner.policy import Policy
from learner.policy.backend import WarmStartSettings
from learner.policy.batch import Batch, Example, to_example
from learner.protocol import BASE_ADAPTER
from learner.settings import TrainingConfig
from learner.training.batching import Item, items_of, micro_batches, plan_epochs
from learner.training.distributed import Team
from learner.training.objectives import OBJECTIVES, Statistics, kl_terms

log = structlog.get_logger(__name__)

Part = tuple[Batch, list[TurnLabel]]
"""A micro-batch and the labels of its rows."""

_Taken = TypeVar("_Taken")
_Made = TypeVar("_Made")


class TrainingDiverged(RuntimeError):
    """Training gave no finite loss; its adapter is worth nothing."""


@dataclass(frozen=True)
class Progress:
    """Where training stands after a step."""

    step: int
    total: int
    loss: float
    """Mean over the turns of the step's effective batch."""
    seconds_left: float


@dataclass(frozen=True)
class TrainingResult:
    """How training went."""

    steps: int
    turns: int
    """Turns of the training set."""
    turns_seen: int
    """Over all epochs."""
    losses: tuple[float, ...]
    """Mean loss of each epoch that was run."""
    grounding: tuple[float, ...]
    """Mean loss of each epoch of the base model's warm start (`learner.policy.backend.WarmStart`)."""
    held_out: tuple[float, ...]
    """Quality on held-out turns after a warm start and after each epoch; empty where there are none."""
    restored: bool
    """Whether training went back to what was better on them than what it ended with."""
    skipped: int
    """Steps without a finite loss or gradient, left out."""
    processes: int
    """That trained together."""
    seconds: float

    def metrics(self) -> dict[str, Any]:
        """For the adapter's card."""
        rounded = {
            name: [round(value, 5) for value in getattr(self, name)]
            for name in ("losses", "grounding", "held_out")
        }
        return {**asdict(self), **rounded}


def train(
    policy: Policy,
    name: str,
    games: Sequence[TrainingGame],
    objective: Objective,
    config: TrainingConfig = TrainingConfig(),
    progress: Callable[[Progress], None] | None = None,
    quality: Callable[[], float] | None = None,
    like: str = BASE_ADAPTER,
    seeds: Sequence[TrainingGame] = (),
) -> TrainingResult:
    """Train a fresh adapter `name` of `policy` on `games`, from the base model or from a loaded adapter.

    Seed games (`learner.examples.seed`) are trained on like the others.

    A base model may train in its own way first (`Policy.warm_start`). `quality` says then and after each epoch how
    good the adapter is on held-out turns, more is better; where it has not gained for `config.patience` epochs,
    training stops. It ends with the best.
    The adapter stays loaded in the policy, which is left in evaluation mode. Deterministic for a seed on the
    same machine. Where several processes were started together (`learner.training.distributed`), all of them call
    this with the same arguments and share the work of each step; `quality` is asked in the first one only. Raises
    ValueError without examples, `TrainingDiverged` where the loss stays non-finite.
    """
    if not any(game.labels for game in games):
        raise ValueError("There is nothing to train on: no turn has a usable label")
    started = time.monotonic()
    rng = random.Random(config.seed)
    devices = [torch.device("cuda")] if policy.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(config.seed)
        on_cpu = policy.device.type == "cpu"
        team, accelerator = Team(on_cpu), Accelerator(cpu=on_cpu)
        policy.new_adapter(
            name,
            rank=config.rank,
            alpha=config.alpha,
            dropout=config.dropout if objective == "sup" else 0.0,
            seed=config.seed,
            like=like,
        )
        optimizer = accelerator.prepare(
            torch.optim.AdamW(policy.trainable(), lr=config.learning_rate, weight_decay=config.weight_decay)
        )
        losses, step, skipped, in_a_row = [], 0, 0, 0
        best = _Best(policy.trainable(), config.patience)
        policy.train()
        try:
            warm_start = WarmStartSettings(
                config.grounding_epochs, config.grounding_rate, config.grounding_dropout
            )
            started_with = policy.warm_start(
                games, seeds, warm_start, rng, lambda: team.copy_weights(policy.trainable())
            )
            games = started_with.games
            if started_with.losses and quality is not None:
                best.exhausted(_told(team, quality))
                policy.train()
            items = items_of([*games, *seeds])
            replays = like != BASE_ADAPTER
            epochs, least = (config.replay_epochs, 0) if replays else (config.epochs, config.least_steps)
            plan = plan_epochs(items, epochs, least, config.batch_turns, rng)
            total = sum(map(len, plan))
            schedule = get_cosine_schedule_with_warmup(optimizer, min(config.warmup_steps, total // 4), total)
            loop = _Loop(policy, objective, config, accelerator, team, optimizer, rng, [*games, *seeds])
            looped = time.monotonic()
            for batches in plan:
                sums: list[Statistics] = []
                for parts in _ahead(loop.prepare, batches):
                    statistics = loop.step(parts)
                    schedule.step()
                    step += 1
                    if statistics is None:
                        skipped, in_a_row = skipped + 1, in_a_row + 1
                        log.warning("step skipped: the loss is not finite", adapter=name, step=step)
                        if in_a_row >= config.bad_steps or skipped > total // 2:
                            raise TrainingDiverged(
                                f"{skipped} of {step} steps had no finite loss: lower the learning rate"
                            )
                        continue
                    in_a_row = 0
                    sums.append(statistics)
                    if progress is not None:
                        left = (time.monotonic() - looped) / step * (total - step)
                        progress(Progress(step, total, statistics.loss / statistics.turns, left))
                turns = sum(entry.turns for entry in sums)
                losses.append(sum(entry.loss for entry in sums) / turns if turns else math.nan)
                if quality is not None and best.exhausted(_told(team, quality)) and config.patience:
                    break
                policy.train()
            best.restore()
        finally:
            optimizer.zero_grad(set_to_none=True)
            policy.eval()
    return TrainingResult(
        steps=step,
        turns=sum(len(item.labels) for item in items),
        turns_seen=len(losses) * sum(len(item.labels) for item in items),
        losses=tuple(losses),
        grounding=started_with.losses,
        held_out=tuple(best.qualities),
        restored=best.restored,
        skipped=skipped,
        processes=team.size,
        seconds=time.monotonic() - started,
    )


def _told(team: Team, quality: Callable[[], float]) -> float:
    """The quality as the first process finds it."""
    return team.tell(quality() if team.rank == 0 else math.nan)


def _ahead(prepare: Callable[[_Taken], _Made], batches: Sequence[_Taken]) -> Iterator[_Made]:
    """What `prepare` makes of each batch, in order; the next one is made while the last is computed with."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(prepare, batches[0])
        for batch in batches[1:]:
            made = waiting.result()
            waiting = thread.submit(prepare, batch)
            yield made
        yield waiting.result()


class _Best:
    """The weights that were best so far."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter], patience: int) -> None:
        self.parameters = parameters
        self.patience = patience
        self.qualities: list[float] = []
        self.restored = False
        self._kept: list[torch.Tensor] = []

    def exhausted(self, quality: float) -> bool:
        """Note an epoch; whether the last `patience` epochs have all been no better than one before."""
        if quality > max(self.qualities, default=-math.inf):
            self._kept = [parameter.detach().clone() for parameter in self.parameters]
        self.qualities.append(quality)
        since = len(self.qualities) - 1 - self.qualities.index(max(self.qualities))
        return since >= self.patience

    @torch.no_grad()
    def restore(self) -> None:
        """Go back to the best, if it was not the last."""
        if not self.qualities or self.qualities[-1] == max(self.qualities):
            return
        for parameter, kept in zip(self.parameters, self._kept, strict=True):
            parameter.copy_(kept)
        self.restored = True


def _computes_in_halves(device: torch.device) -> bool:
    """Whether bfloat16 is fast here."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


class _Loop:
    """What the steps of one training share."""

    def __init__(
        self,
        policy: Policy,
        objective: Objective,
        config: TrainingConfig,
        accelerator: Accelerator,
        team: Team,
        optimizer: Any,
        rng: random.Random,
        games: Sequence[TrainingGame],
    ) -> None:
        self.policy = policy
        self.objective: Objective = objective
        self.loss = OBJECTIVES[objective]
        self.options = {} if config.smoothing is None else {"smoothing": config.smoothing}
        self.config = config
        self.accelerator = accelerator
        self.team = team
        self.optimizer = optimizer
        self.rng = rng
        seen: dict[str, set[str]] = {}
        for game in games:
            seen.setdefault(game.images, set()).update(game.context)
        self.figures = {images: sorted(ids) for images, ids in seen.items()}
        """Of each image set: those that were played with."""
        self.temperature = 1.0 if objective == "sup" else None
        """What is imitated is imitated as it is, and played sharper; what is compared with logged propensities has
        to be the policy's own ℓ."""
        self.halves = objective == "sup" and _computes_in_halves(policy.device)
        """bfloat16 where it is fast, but not where ℓ is compared with logged propensities."""

    def prepare(self, batch: Sequence[Item]) -> list[Part]:
        """This process's micro-batches of an effective batch, each on boards drawn anew."""
        drawn = [self._examples(items) for items in micro_batches(batch, self._micro_batch_turns(batch))]
        return [(self.policy.batch(examples), labels) for examples, labels in self.team.mine(drawn)]

    def _micro_batch_turns(self, batch: Sequence[Item]) -> int:
        """Turns computed at a time: no more than there is memory for, and no fewer parts than processes."""
        turns = sum(len(item.labels) for item in batch)
        return min(self.config.micro_batch_turns, max(1, turns // self.team.size))

    def step(self, parts: Sequence[Part]) -> Statistics | None:
        """One update on one effective batch; None if its loss or gradient was not finite."""
        count = round(self.team.totals([sum(len(labels) for _, labels in parts)])[0])
        z = self._kl(parts, count) if self.objective == "kto" else 0.0
        sums = [Statistics(0, 0.0, 0.0, 0.0)]
        for inputs, labels in parts:
            with torch.autocast(self.policy.device.type, torch.bfloat16, enabled=self.halves):
                logps = self.policy.forward_logps(inputs, temperature=self.temperature)
            loss, statistics = self.loss(
                logps.sum,
                *self._columns(labels, logps.sum),
                logps.tokens,
                logps.smooth,
                count=count,
                z=z,
                **self.options,
            )
            sums.append(statistics)
            if not torch.isfinite(loss):
                break
            self.accelerator.backward(loss)
        totals = self.team.totals(
            [sum(getattr(entry, name) for entry in sums) for name in ("loss", "logp", "ratio")]
        )
        if not math.isfinite(totals[0]):
            self.optimizer.zero_grad(set_to_none=True)
            return None
        self.team.add_gradients(self.policy.trainable())
        norm = self.accelerator.clip_grad_norm_(self.policy.trainable(), self.config.clip)
        finite = norm is None or bool(torch.isfinite(norm))
        if finite:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if not finite:
            return None
        return Statistics(count, *totals)

    @torch.no_grad()
    def _kl(self, parts: Sequence[Part], count: int) -> float:
        """z over the effective batch, one forward before the update."""
        terms = 0.0
        for inputs, labels in parts:
            logps = self.policy.forward_logps(inputs).sum
            terms += float(kl_terms(logps, self._columns(labels, logps)[0]).sum())
        return max(0.0, self.team.totals([terms])[0] / count)

    def _columns(
        self, labels: Sequence[TurnLabel], like: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(log p₀, reward, weight), each [R]; log p₀ is 0 where it is not used."""
        return (
            like.new_tensor([label.behaviour_logp or 0.0 for label in labels]),
            like.new_tensor([label.reward for label in labels]),
            like.new_tensor([label.weight for label in labels]),
        )

    def _examples(self, items: Sequence[Item]) -> tuple[list[Example], list[TurnLabel]]:
        examples, labels = [], []
        for item in items:
            order = list(range(len(item.game.context)))
            if self.config.reorder and not item.as_played:
                self.rng.shuffle(order)
            examples.append(to_example(self._on_another_board(item), item.labels, order))
            labels += item.labels
        return examples, labels

    def _on_another_board(self, item: Item) -> TrainingGame:
        """The game among other figures, so that words are learnt for a figure and not for a board."""
        context = list(item.game.context)
        figures = self.figures[item.game.images]
        for place in item.free:
            other = self.rng.choice(figures)
            if self.rng.random() < self.config.swap and other not in context:
                context[place] = other
        return replace(item.game, context=tuple(context))

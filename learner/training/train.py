"""Trains a LoRA adapter of the base model on labelled games. It does not use the database."""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass, fields, replace
from typing import Any, TypeVar

import structlog
import torch
from accelerate import Accelerator
from transformers import get_cosine_schedule_with_warmup

from learner.examples.labels import ObjectiveName, TrainingGame, TurnLabel
from learner.policy import Policy
from learner.policy.backend import WarmStartSettings
from learner.policy.batch import Batch, Example, to_example
from learner.policy.policy import SCORING_BUDGET
from learner.protocol import BASE_ADAPTER
from learner.settings import TrainingConfig
from learner.training.batching import Item, items_of, micro_batches, plan_epochs
from learner.training.diagnostics import Diagnostics, Update, diagnostics
from learner.training.distributed import ProcessGroup
from learner.training.objectives import OBJECTIVES, Statistics, kl_terms

log = structlog.get_logger(__name__)

Part = tuple[Batch, list[TurnLabel]]
"""A micro-batch and the labels of its rows."""

_Taken = TypeVar("_Taken")
_Made = TypeVar("_Made")


class TrainingDiverged(RuntimeError):
    """Training was aborted because the loss was not finite; the adapter cannot be used."""


@dataclass(frozen=True)
class TrainingProgress:
    """The progress of training after an optimizer step."""

    step: int
    total: int
    loss: float
    """Mean over the turns of the step's effective batch."""
    seconds_left: float


@dataclass(frozen=True)
class TrainingResult:
    """The outcome of one training."""

    steps: int
    turns: int
    """Labelled turns of the training set."""
    turns_seen: int
    """Labelled turns times epochs."""
    losses: tuple[float, ...]
    """Mean loss of each epoch that was run."""
    diagnostics: tuple[Diagnostics, ...]
    """Of each epoch that was run, in order."""
    grounding: tuple[float, ...]
    """Mean loss of each epoch of the base model's warm start (`learner.policy.backend.WarmStart`)."""
    held_out: tuple[float, ...]
    """Quality on held-out turns after a warm start and after each epoch; empty without held-out turns."""
    restored: bool
    """Whether the weights of an earlier epoch, which were better on held-out turns, were restored."""
    skipped: int
    """Optimizer steps that were skipped because the loss or the gradient was not finite."""
    processes: int
    """Number of processes that trained together."""
    seconds: float

    def metrics(self) -> dict[str, Any]:
        """All fields for the adapter's card; each diagnostic is a list with one value per epoch."""
        found = asdict(self)
        epochs = found.pop("diagnostics")
        found |= {entry.name: [epoch[entry.name] for epoch in epochs] for entry in fields(Diagnostics)}
        return {name: _rounded(value) for name, value in found.items()}


def train(
    policy: Policy,
    name: str,
    games: Sequence[TrainingGame],
    objective: ObjectiveName,
    config: TrainingConfig = TrainingConfig(),
    progress: Callable[[TrainingProgress], None] | None = None,
    quality: Callable[[], float] | None = None,
    like: str = BASE_ADAPTER,
    seeds: Sequence[TrainingGame] = (),
) -> TrainingResult:
    """Train a fresh adapter `name` of `policy` on `games`, from the base model or from a loaded adapter.

    `seeds` are seed games (`learner.examples.seed`), trained on like `games` after the warm start. `like` is the
    adapter that training starts from.

    The backend may run a warm start first (`Policy.warm_start`). `quality`, the adapter's quality on held-out turns
    (higher is better), is called after the warm start and after each epoch. Training stops when it has not improved
    for `config.patience` epochs, and the best weights are kept.

    The adapter stays loaded in the policy, which is left in evaluation mode. Deterministic for a seed on the same
    machine. In distributed training (`learner.training.distributed`) all ranks call this with the same arguments
    and share the work of each step; `quality` is called on rank 0 only. Raises ValueError without labelled turns,
    `TrainingDiverged` if the loss stays non-finite.
    """
    if not any(game.labels for game in games):
        raise ValueError("There is nothing to train on: no turn has a usable label")
    started = time.monotonic()
    rng = random.Random(config.seed)
    devices = [torch.device("cuda")] if policy.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(config.seed)
        on_cpu = policy.device.type == "cpu"
        group, accelerator = ProcessGroup(on_cpu), Accelerator(cpu=on_cpu)
        policy.new_adapter(
            name,
            rank=config.rank,
            alpha=config.alpha,
            dropout=config.dropout if objective == "sup" else 0.0,
            seed=config.seed,
            like=like,
        )
        optimizer = accelerator.prepare(
            torch.optim.AdamW(
                policy.trainable(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
            )
        )
        losses, means, step, skipped, in_a_row = [], [], 0, 0, 0
        best = _Best(policy.trainable(), config.patience)
        policy.train()
        try:
            warm_start = WarmStartSettings(
                config.grounding_epochs, config.grounding_rate, config.grounding_dropout
            )
            started_with = policy.warm_start(
                games,
                warm_start,
                random.Random(f"warm start {config.seed}"),  # of its own: `rng` is the same in all ranks
                lambda: group.broadcast_parameters(policy.trainable()),
            )
            games = started_with.games
            if started_with.losses and quality is not None:
                best.exhausted(_broadcast_quality(group, quality))
                policy.train()
            items = items_of([*games, *seeds])
            replays = like != BASE_ADAPTER
            epochs, least = (config.replay_epochs, 0) if replays else (config.epochs, config.least_steps)
            plan = plan_epochs(items, epochs, least, config.batch_turns, rng)
            total = sum(map(len, plan))
            schedule = get_cosine_schedule_with_warmup(optimizer, min(config.warmup_steps, total // 4), total)
            loop = _Loop(policy, objective, config, accelerator, group, optimizer, rng, [*games, *seeds])
            looped = time.monotonic()
            for batches in plan:
                updates: list[Update] = []
                for parts in _ahead(loop.prepare, batches):
                    update = loop.step(parts)
                    schedule.step()
                    step += 1
                    if update is None:
                        skipped, in_a_row = skipped + 1, in_a_row + 1
                        log.warning("step skipped: the loss is not finite", adapter=name, step=step)
                        if in_a_row >= config.bad_steps or skipped > total // 2:
                            raise TrainingDiverged(
                                f"{skipped} of {step} steps had no finite loss: lower the learning rate"
                            )
                        continue
                    in_a_row = 0
                    updates.append(update)
                    log.debug("trained a step", adapter=name, step=step, loss=update.loss, **_said([update]))
                    if progress is not None:
                        left = (time.monotonic() - looped) / step * (total - step)
                        progress(TrainingProgress(step, total, update.loss, left))
                turns = sum(update.sums.turns for update in updates)
                losses.append(sum(update.sums.loss for update in updates) / turns if turns else math.nan)
                means.append(diagnostics(updates))
                log.info("trained an epoch", adapter=name, step=step, loss=losses[-1], **_said(updates))
                if (
                    quality is not None
                    and best.exhausted(_broadcast_quality(group, quality))
                    and config.patience
                ):
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
        diagnostics=tuple(means),
        grounding=started_with.losses,
        held_out=tuple(best.qualities),
        restored=best.restored,
        skipped=skipped,
        processes=group.size,
        seconds=time.monotonic() - started,
    )


def _said(updates: Sequence[Update]) -> dict[str, float]:
    """The diagnostics of some updates for the log, without undefined ones."""
    found = asdict(diagnostics(updates))
    return {name: round(value, 6) for name, value in found.items() if value is not None}


def _rounded(value: Any) -> Any:
    """A value for JSON: floats in lists are rounded to five digits, non-finite ones become None."""
    if not isinstance(value, list | tuple):
        return value
    return [round(each, 5) if each is not None and math.isfinite(each) else None for each in value]


def _broadcast_quality(group: ProcessGroup, quality: Callable[[], float]) -> float:
    """The quality as computed by rank 0, on every rank."""
    return group.broadcast(quality() if group.rank == 0 else math.nan)


def _ahead(prepare: Callable[[_Taken], _Made], batches: Sequence[_Taken]) -> Iterator[_Made]:
    """`prepare` of each batch, in order. The next batch is prepared in a thread while the caller computes."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(prepare, batches[0])
        for batch in batches[1:]:
            made = waiting.result()
            waiting = thread.submit(prepare, batch)
            yield made
        yield waiting.result()


class _Best:
    """Keeps the best weights so far, for early stopping."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter], patience: int) -> None:
        self.parameters = parameters
        self.patience = patience
        self.qualities: list[float] = []
        self.restored = False
        self._kept: list[torch.Tensor] = []

    def exhausted(self, quality: float) -> bool:
        """Record an epoch's quality. True if none of the last `patience` epochs was better than an earlier one."""
        if quality > max(self.qualities, default=-math.inf):
            self._kept = [parameter.detach().clone() for parameter in self.parameters]
        self.qualities.append(quality)
        since = len(self.qualities) - 1 - self.qualities.index(max(self.qualities))
        return since >= self.patience

    @torch.no_grad()
    def restore(self) -> None:
        """Restore the best weights if they were not those of the last epoch."""
        if not self.qualities or self.qualities[-1] == max(self.qualities):
            return
        for parameter, kept in zip(self.parameters, self._kept, strict=True):
            parameter.copy_(kept)
        self.restored = True


def _computes_in_halves(device: torch.device) -> bool:
    """Whether this device has fast bfloat16 arithmetic."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


class _Loop:
    """The state that the steps of one training share."""

    def __init__(
        self,
        policy: Policy,
        objective: ObjectiveName,
        config: TrainingConfig,
        accelerator: Accelerator,
        group: ProcessGroup,
        optimizer: Any,
        rng: random.Random,
        games: Sequence[TrainingGame],
    ) -> None:
        self.policy = policy
        self.objective: ObjectiveName = objective
        self.loss = OBJECTIVES[objective]
        self.options = {} if config.smoothing is None else {"smoothing": config.smoothing}
        self.config = config
        self.accelerator = accelerator
        self.group = group
        self.optimizer = optimizer
        self.rng = rng
        seen: dict[str, set[str]] = {}
        for game in games:
            seen.setdefault(game.images, set()).update(game.context)
        self.figures = {images: sorted(ids) for images, ids in seen.items()}
        """Figures of the training games, by image set."""
        self.temperature = 1.0 if objective == "sup" else None
        """sup imitates at temperature 1 (None is the policy's own temperature). The other objectives compare ℓ with
        logged propensities, so ℓ must be at the temperature of the policy."""
        self.halves = objective == "sup" and _computes_in_halves(policy.device)
        """Whether to compute in bfloat16: only if it is fast, and never if ℓ is compared with logged
        propensities."""

    def prepare(self, batch: Sequence[Item]) -> list[Part]:
        """This rank's micro-batches of an effective batch, with newly drawn boards."""
        turns = self._micro_batch_turns(batch)
        drawn = [self._examples(items) for items in micro_batches(batch, turns, self._words, SCORING_BUDGET)]
        return [(self.policy.batch(examples), labels) for examples, labels in self.group.shard(drawn)]

    def _words(self, item: Item) -> int:
        """Tokens of the utterances of an item."""
        return self.policy.utterance_tokens(
            step.utterance for step in item.game.steps[: item.labels[-1].step + 1]
        )

    def _micro_batch_turns(self, batch: Sequence[Item]) -> int:
        """Turns of one forward pass, such that there are at least as many micro-batches as processes."""
        turns = sum(len(item.labels) for item in batch)
        return min(self.config.micro_batch_turns, max(1, turns // self.group.size))

    def step(self, parts: Sequence[Part]) -> Update | None:
        """One update on one effective batch; None if its loss or gradient was not finite."""
        count = round(self.group.all_reduce_sum([sum(len(labels) for _, labels in parts)])[0])
        z = self._kl(parts, count) if self.objective == "kto" else None
        own = Statistics()
        for inputs, labels in parts:
            with torch.autocast(self.policy.device.type, torch.bfloat16, enabled=self.halves):
                logps = self.policy.forward_logps(inputs, temperature=self.temperature)
            loss, statistics = self.loss(
                logps.sum,
                *self._columns(labels, logps.sum),
                logps.tokens,
                logps.smooth,
                count=count,
                z=z or 0.0,
                **self.options,
            )
            own += statistics
            if not torch.isfinite(loss):
                break
            self.accelerator.backward(loss)
        sums = Statistics(*self.group.all_reduce_sum(astuple(own)))
        if not math.isfinite(sums.loss):
            self.optimizer.zero_grad(set_to_none=True)
            return None
        parameters = self.policy.trainable()
        self.group.all_reduce_gradients(parameters)
        norm = self.accelerator.clip_grad_norm_(parameters, self.config.clip)
        gradient_norm = float(norm or 0.0)
        finite = math.isfinite(gradient_norm)
        if finite:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return Update(sums, z, gradient_norm, gradient_norm > self.config.clip) if finite else None

    @torch.no_grad()
    def _kl(self, parts: Sequence[Part], count: int) -> float:
        """z over the effective batch, by one forward pass before the update."""
        terms = 0.0
        for inputs, labels in parts:
            logps = self.policy.forward_logps(inputs).sum
            terms += float(kl_terms(logps, self._columns(labels, logps)[0]).sum())
        return max(0.0, self.group.all_reduce_sum([terms])[0] / count)

    def _columns(
        self, labels: Sequence[TurnLabel], like: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(log p₀, reward, weight), each [R]; log p₀ is NaN where it is not known."""
        known = [math.nan if label.behaviour_logp is None else label.behaviour_logp for label in labels]
        return (
            like.new_tensor(known),
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
        """The game with some unclicked figures replaced by others, so that words are learnt for a figure and not
        for a board."""
        context = list(item.game.context)
        figures = self.figures[item.game.images]
        for place in item.free:
            other = self.rng.choice(figures)
            if self.rng.random() < self.config.swap and other not in context:
                context[place] = other
        return replace(item.game, context=tuple(context))

"""The first part of training a model with a matcher: which figures the words of a turn were about.

A label that selects figures says that the turn's utterance is about them. The matcher is trained to tell them from
all figures of the image set that were played with (cross-entropy), which takes seconds and leaves little about the
meaning of words for the training of whole actions to learn.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from transformers import get_cosine_schedule_with_warmup

from games import GAMES
from learner.batching import to_example
from learner.examples import TrainingGame
from learner.policy import Policy

BATCH = 64
ENOUGH = 1000
"""References from which on the learning rate is as given. Fewer say nothing about most words, and a full rate makes
the matcher forget what the base model knows of those."""


@dataclass(frozen=True)
class Reference:
    """What one utterance was about."""

    images: str
    words: tuple[int, ...]
    """Tokens, at least one."""
    figures: tuple[str, ...]
    """At least one."""
    weight: float


def references_of(policy: Policy, games: Sequence[TrainingGame]) -> list[Reference]:
    """Of every positive label that selects something; none for a model without a matcher."""
    found = []
    for game in games if policy.matching is not None else ():
        assert policy.matching is not None
        rules = GAMES[game.game]
        words = policy.matching.words(policy.prompt_of(to_example(game, game.labels)).ids)
        for label in game.labels:
            state = game.steps[label.step].state
            before = set(rules.selected(game.context, state))
            figures = set(rules.selected(game.context, rules.apply(state, label.action))) - before
            if label.reward > 0 and figures and words[label.step]:
                found.append(Reference(game.images, words[label.step], tuple(sorted(figures)), label.weight))
    return found


def ground(
    policy: Policy,
    games: Sequence[TrainingGame],
    epochs: int,
    learning_rate: float,
    dropout: float,
    rng: random.Random,
) -> list[float]:
    """Train the matcher of the policy's active adapter; gives the mean loss of each epoch, in nats.

    With few references the rate is lower in proportion. A share `dropout` of the words is left out, so that no figure
    is known by one of them alone. Nothing happens, and there are no losses, where the model has no matcher or nothing
    was referred to.
    """
    references = references_of(policy, games)
    if not references:
        return []
    assert policy.matching is not None
    parameters = policy.matching.parameters(policy.trainable())
    rate = learning_rate * min(1.0, len(references) / ENOUGH)
    optimizer = torch.optim.AdamW(parameters, lr=rate)
    batches = max(1, len(references) // BATCH)
    schedule = get_cosine_schedule_with_warmup(optimizer, min(10, batches), epochs * batches)
    seen: dict[str, set[str]] = {}
    for game in games:
        seen.setdefault(game.images, set()).update(game.context)
    places = {images: {figure: i for i, figure in enumerate(sorted(ids))} for images, ids in seen.items()}
    losses = []
    for _ in range(epochs):
        rng.shuffle(references)
        total = 0.0
        for number in range(batches):
            batch = [_with_fewer_words(each, dropout, rng) for each in references[number::batches]]
            sets = sorted({each.images for each in batch})
            losses_of = [
                _loss(policy, [each for each in batch if each.images == images], places[images])
                for images in sets
            ]
            loss = torch.stack(losses_of).sum() / len(batch)
            if not torch.isfinite(loss):
                continue
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
            total += loss.item()
        losses.append(total / batches)
    return losses


def _with_fewer_words(reference: Reference, dropout: float, rng: random.Random) -> Reference:
    """The reference without a share of its words; with all of them if none would be left."""
    words = tuple(word for word in reference.words if rng.random() >= dropout)
    return replace(reference, words=words or reference.words)


def _loss(policy: Policy, batch: Sequence[Reference], places: dict[str, int]) -> torch.Tensor:
    """Summed over the batch, all of one image set."""
    assert policy.matching is not None
    logps = policy.matching.logps([each.words for each in batch], batch[0].images, list(places))
    right = torch.zeros_like(logps)
    for row, each in enumerate(batch):
        for figure in each.figures:
            right[row, places[figure]] = each.weight / len(each.figures)
    return -(right * logps).sum()

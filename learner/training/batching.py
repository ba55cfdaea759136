"""Groups labelled games into effective batches and micro-batches."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from games import GAMES
from games.core import change_of
from learner.examples.labels import TrainingGame, TurnLabel
from learner.policy.batch import within_budget


@dataclass(frozen=True)
class Item:
    """The labels of one game that are computed in one forward pass: those on the board as it was played, or those
    whose board may be changed."""

    game: TrainingGame
    labels: tuple[TurnLabel, ...]
    as_played: bool
    free: tuple[int, ...] = ()
    """Indices into the game's context of figures that were never clicked: they may be replaced by other figures."""


def items_of(games: Sequence[TrainingGame]) -> list[Item]:
    """Up to two items per game. Labels with a propensity keep the board that it was logged on, because ℓ and p₀
    must be conditioned on the same x."""
    items = []
    for game in games:
        paired = tuple(label for label in game.labels if label.behaviour_logp is not None)
        free = tuple(label for label in game.labels if label.behaviour_logp is None)
        if free:
            items.append(Item(game, free, False, _unclicked(game)))
        if paired:
            items.append(Item(game, paired, True))
    return items


def _unclicked(game: TrainingGame) -> tuple[int, ...]:
    rules = GAMES[game.game]
    actions = [(step.state, step.action) for step in game.steps]
    actions += [(game.steps[label.step].state, label.action) for label in game.labels]
    clicked: set[str] = set()
    for state, action in actions:
        change = change_of(rules, game.context, state, action)
        clicked |= change.before | change.after
    return tuple(place for place, figure in enumerate(game.context) if figure not in clicked)


def plan_epochs(
    items: Sequence[Item], epochs: int, least_steps: int, batch_turns: int, rng: random.Random
) -> list[list[list[Item]]]:
    """Epochs of effective batches: `epochs` of them, or up to three times as many if they have fewer than
    `least_steps` batches."""
    plan = [_effective_batches(items, batch_turns, rng) for _ in range(epochs)]
    while len(plan) < 3 * epochs and len(plan[0]) * len(plan) < least_steps:
        plan.append(_effective_batches(items, batch_turns, rng))
    return plan


def _effective_batches(items: Sequence[Item], batch_turns: int, rng: random.Random) -> list[list[Item]]:
    """One epoch: items are shuffled, sorted by length within windows of eight batches, and the batches shuffled."""
    shuffled = rng.sample(items, len(items))
    turns = sum(len(item.labels) for item in items)
    window = max(1, round(8 * batch_turns * len(items) / turns))
    batches: list[list[Item]] = []
    for start in range(0, len(shuffled), window):
        batch: list[Item] = []
        for item in sorted(shuffled[start : start + window], key=_length):
            batch.append(item)
            if sum(len(each.labels) for each in batch) >= batch_turns:
                batches.append(batch)
                batch = []
        if batch:
            batches.append(batch)
    rng.shuffle(batches)
    return batches


def _length(item: Item) -> int:
    """Characters up to the last label, as an estimate of the item's number of tokens."""
    steps = item.game.steps[: item.labels[-1].step + 1]
    return sum(len(step.utterance) + len(step.action) + len(step.state) + 24 for step in steps)


def micro_batches(
    batch: Sequence[Item], turns: int, words: Callable[[Item], int], budget: int
) -> list[list[Item]]:
    """Parts of a batch with at most so many turns, and with long games fewer (see `within_budget`).

    `words` gives the tokens of an item's utterances.
    """
    parts: list[list[Item]] = [[]]
    for item in batch:
        if parts[-1] and sum(len(each.labels) for each in parts[-1]) + len(item.labels) > turns:
            parts.append([])
        parts[-1].append(item)
    return [part[cut] for part in parts for cut in within_budget([words(item) for item in part], budget)]

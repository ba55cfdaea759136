"""Batches for training: interactions in, padded tensors out, and the log-probabilities computed from them.

Each interaction is one sequence, so that its prompt is computed once for all turns. Actions that were not played
(relabelled turns) are appended as branches, with tree attention.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from games import DEFAULT_GAME, GAMES
from games.core import Step
from learner.examples.labels import TrainingGame, TurnLabel
from learner.policy.features import ImageFeatures
from learner.policy.grammar import ActionTrie
from learner.policy.prompt import Prompt


def within_budget(lengths: Sequence[int], budget: int) -> Iterator[slice]:
    """Cut a batch into consecutive parts whose attention scores (rows × longest²) stay under a budget.

    `lengths` are those of the rows, in tokens. A row that is over the budget by itself is a part of its own.
    """
    start, longest = 0, 0
    for number, length in enumerate(lengths):
        longest = max(longest, length)
        if number > start and (number - start + 1) * longest**2 > budget:
            yield slice(start, number)
            start, longest = number, length
    if lengths:
        yield slice(start, len(lengths))


@dataclass(frozen=True)
class Example:
    """One interaction, or the beginning of one, with the actions whose log-probability is wanted.

    `steps` are the turns that were played, the history of later turns. `wanted[t]` are the actions to score in turn
    t: `()` if the turn is only history, usually `(steps[t].action,)`, or another action for a relabelled turn. Each
    must be legal in `steps[t].state`.
    """

    images: str
    """Image set spec (`games.figures.open_images`)."""
    context: tuple[str, ...]
    """Figure ids in the listener's order."""
    steps: tuple[Step, ...]
    wanted: tuple[tuple[str, ...], ...]
    game: str = DEFAULT_GAME

    def __post_init__(self) -> None:
        if len(self.wanted) != len(self.steps):
            raise ValueError(
                f"{len(self.steps)} steps need as many tuples of actions, not {len(self.wanted)}"
            )

    @property
    def rows(self) -> int:
        """Number of wanted actions."""
        return sum(len(actions) for actions in self.wanted)


@dataclass(frozen=True)
class Row:
    """The action and turn of a row of `ActionLogps`."""

    example: int
    """Index into the examples given to `Policy.batch`."""
    step: int
    action: str


@dataclass(frozen=True)
class Batch:
    """Padded tensors of several examples. B examples, L positions, R rows, T tokens, V action tokens."""

    input_ids: torch.Tensor
    """[B, L] token ids, padded at the right; branches of relabelled turns follow the interaction."""
    features: ImageFeatures
    """Frozen features of all images, in the order of their tokens."""
    position_ids: torch.Tensor
    """[B, L], or [3, B, L] for models with three-dimensional positions."""
    attends: torch.Tensor | None
    """[B, L, L] bool: what each token attends to. None means causal, if every wanted action was played."""
    rows: tuple[Row, ...]
    """Sorted by example, then step, then order of the wanted actions."""
    where: torch.Tensor
    """[R, T] indices into the flattened [B * L] positions whose output predicts the token."""
    vocabulary: torch.Tensor
    """[V] the token ids that actions are made of."""
    tokens: torch.Tensor
    """[R, T] index into `vocabulary`."""
    legal: torch.Tensor
    """[R, T, V] bool: tokens that the grammar allows there."""
    mask: torch.Tensor
    """[R, T] bool: false where a row is padding."""

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        moved = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, torch.Tensor | ImageFeatures)
        }
        return replace(self, **moved)


@dataclass(frozen=True)
class ActionLogps:
    """log π(a|x) in nats under the grammar, end token included; differentiable."""

    sum: torch.Tensor
    """[R] ℓ = log π(a|x)."""
    tokens: torch.Tensor
    """[R] n, tokens of the action with its end token (float)."""
    per_token: torch.Tensor
    """[R, T], 0 where padded. Its sum over T is `sum`."""
    smooth: torch.Tensor
    """[R] mean over the action's tokens of the mean log-probability over the tokens legal there (≤ 0).

    Label smoothing ε of −ℓ/n is (1 − ε)·(−ℓ/n) + ε·(−smooth).
    """
    smooth_per_token: torch.Tensor
    """[R, T], 0 where padded."""
    mask: torch.Tensor
    """[R, T] bool."""


@dataclass(frozen=True)
class WantedAction:
    """One action whose log-probability is wanted, with its row and its place in the sequence."""

    row: Row
    start: int
    """Tokens of the interaction before the action."""
    played: bool
    """Whether this action was played, so that its tokens are part of the interaction."""
    trie: ActionTrie


@dataclass(frozen=True)
class EncodedExample:
    """One example as tokens, ready to be padded."""

    prompt: Prompt
    positions: torch.Tensor
    """[n] or [3, n]."""
    features: ImageFeatures
    wanted: tuple[WantedAction, ...]


def collate(examples: Sequence[EncodedExample], pad_id: int) -> Batch:
    """Pad several examples to one batch (see `Batch`)."""
    sequences = [_with_branches(example) for example in examples]
    length = max(len(sequence.ids) for sequence in sequences)
    count = len(sequences)
    ids = torch.full((count, length), pad_id)
    axes = sequences[0].positions.shape[:-1]
    positions = torch.zeros(*axes, count, length, dtype=torch.long)
    branched = any(sequence.branches for sequence in sequences)
    for b, sequence in enumerate(sequences):
        size = len(sequence.ids)
        ids[b, :size] = torch.tensor(sequence.ids)
        positions[..., b, :size] = sequence.positions
        if size < length:
            rest = torch.arange(1, length - size + 1)
            positions[..., b, size:] = sequence.positions.max() + rest
    rows = [wanted.row for example in examples for wanted in example.wanted]
    vocabulary, legal, tokens, mask = _targets(examples)
    where = torch.zeros(tokens.shape, dtype=torch.long)
    row = 0
    for b, sequence in enumerate(sequences):
        for places in sequence.places:
            where[row, : len(places)] = torch.tensor(places) + b * length
            row += 1
    return Batch(
        input_ids=ids,
        features=ImageFeatures.join([example.features for example in examples]),
        position_ids=positions,
        attends=_attends(sequences, length) if branched else None,
        rows=tuple(rows),
        where=where,
        vocabulary=torch.from_numpy(vocabulary),
        tokens=torch.from_numpy(tokens),
        legal=torch.from_numpy(legal),
        mask=torch.from_numpy(mask),
    )


@dataclass(frozen=True)
class _Sequence:
    ids: list[int]
    positions: torch.Tensor
    trunk: int
    branches: tuple[tuple[int, int, int], ...]
    """For each branch: (tokens of the trunk that it attends to, its first position, its length)."""
    places: tuple[list[int], ...]
    """For each wanted action, the positions whose output predicts its tokens."""


def _with_branches(example: EncodedExample) -> _Sequence:
    ids = list(example.prompt.ids)
    positions = [example.positions]
    branches = []
    places = []
    for wanted in example.wanted:
        path = wanted.trie.path(wanted.row.action)
        if wanted.played:
            places.append(list(range(wanted.start - 1, wanted.start - 1 + len(path))))
            continue
        tokens = wanted.trie.vocabulary[list(path[:-1])].tolist()
        first = len(ids)
        branches.append((wanted.start, first, len(tokens)))
        places.append([wanted.start - 1, *range(first, first + len(tokens))])
        ids += tokens
        before = example.positions[..., wanted.start - 1 : wanted.start]
        positions.append(before + torch.arange(1, len(tokens) + 1))
    return _Sequence(
        ids, torch.cat(positions, dim=-1), len(example.prompt.ids), tuple(branches), tuple(places)
    )


def _attends(sequences: Sequence[_Sequence], length: int) -> torch.Tensor:
    """[B, L, L] bool: causal, except that a branch attends only to the trunk before it and to itself."""
    allowed = torch.ones(length, length, dtype=torch.bool).tril().repeat(len(sequences), 1, 1)
    for b, sequence in enumerate(sequences):
        for start, first, size in sequence.branches:
            allowed[b, first : first + size, start:first] = False
    return allowed


def _targets(examples: Sequence[EncodedExample]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(vocabulary [V], legal [R, T, V], tokens [R, T], mask [R, T])."""
    wanted = [each for example in examples for each in example.wanted]
    vocabulary = np.unique(np.concatenate([each.trie.vocabulary for each in wanted])).astype(np.int64)
    paths = [each.trie.path(each.row.action) for each in wanted]
    longest = max(map(len, paths))
    legal = np.zeros((len(wanted), longest, len(vocabulary)), dtype=bool)
    tokens = np.zeros((len(wanted), longest), dtype=np.int64)
    mask = np.zeros((len(wanted), longest), dtype=bool)
    legal[:, :, 0] = True
    for row, (each, path) in enumerate(zip(wanted, paths, strict=True)):
        columns = np.searchsorted(vocabulary, each.trie.vocabulary)
        size = len(path)
        legal[row, :size, 0] = False
        legal[row, :size, columns] = each.trie.legal(each.trie.nodes(path)).T
        tokens[row, :size] = columns[list(path)]
        mask[row, :size] = True
    return vocabulary, legal, tokens, mask


def to_example(
    game: TrainingGame, labels: Sequence[TurnLabel], order: Sequence[int] | None = None
) -> Example:
    """The example of a game that asks for the actions of `labels`, with its board permuted by `order`."""
    steps = list(game.steps[: labels[-1].step + 1])
    context = game.context
    asked = [Step(steps[label.step].state, "", label.action) for label in labels]
    if order is not None:
        rules = GAMES[game.game]
        context, moved = rules.reorder(context, [*steps, *asked], order)
        steps, asked = moved[: len(steps)], moved[len(steps) :]
    wanted: list[tuple[str, ...]] = [() for _ in steps]
    for label, step in zip(labels, asked, strict=True):
        wanted[label.step] += (step.action,)
    return Example(game.images, context, tuple(steps), tuple(wanted), game.game)

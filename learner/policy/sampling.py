"""Sampling actions for batches of turns by speculative decoding over the grammar trie, with tree attention.

An action is drawn token by token, but with fewer forward passes than tokens. Each forward pass computes the tokens
of each prompt that are not in the KV cache, and a draft: a tree of the tokens that the grammar allows next, each
attending only to its own path. Most actions need one or two forward passes. There is no draft model and no
rejection: tokens are drawn from the model's own logits, so samples and probabilities are the same as token by
token.
"""

import hashlib
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from learner.policy.backend import Backend, Span
from learner.policy.batch import within_budget
from learner.policy.cache import KVCache, KVCacheStore
from learner.policy.features import ImageFeatures
from learner.policy.grammar import ActionTrie, Draw
from learner.policy.lora import Adapters

Logits = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
"""Function from hidden states [T, D] and token ids [V] to logits [T, V]."""

BATCH_DRAFT, MIN_DRAFT, MAX_DRAFT = 40, 2, 12
"""Draft tokens per forward pass: of the whole batch, and the minimum and maximum of one turn."""
PLAYING_BUDGET = 2**26
"""Attention scores (rows × new tokens × all tokens) of a forward: 32 first prompts of 1,448 tokens."""


@dataclass(frozen=True)
class TurnInputs:
    """One turn to be played, as the model sees it."""

    game_id: str
    adapter: str
    board: tuple[str, ...]
    """Image set and figures in the order of the image tokens."""
    ids: tuple[int, ...]
    """[n] token ids of the prompt."""
    positions: torch.Tensor
    """[n], or [axes, n]."""
    features: ImageFeatures
    trie: ActionTrie


@dataclass
class _Row:
    """A turn whose action is being drawn."""

    turn: TurnInputs
    draw: Draw
    cache: KVCache
    drawn: list[int] = field(default_factory=list)
    """Tokens of the action so far; the last one is not in the cache."""

    @property
    def unseen(self) -> int:
        """Number of prompt tokens that are not in the cache."""
        return max(0, len(self.turn.ids) - self.cache.length)

    @property
    def cost(self) -> int:
        """Tokens of a prompt without a cache that needs as many attention scores as this one does."""
        return math.isqrt(self.unseen * len(self.turn.ids))


@dataclass(frozen=True)
class _DraftTree:
    """The draft tokens of one row; parents precede their children."""

    tokens: list[int]
    parents: list[int]
    """Index of each token's parent; -1 if the parent is in the prompt or in the cache."""
    depths: list[int]
    index: dict[tuple[int, int], int]
    """(parent, token) -> index of the token."""

    @classmethod
    def plan(cls, row: _Row, most: int) -> "_DraftTree":
        """The token drawn last, then the legal next tokens, breadth first and only complete sets of siblings, up to
        `most`."""
        tree, trie = cls([], [], [], {}), row.turn.trie
        if row.drawn:
            tree._add(row.drawn[-1], -1)
        queue = [(len(tree.tokens) - 1, row.draw.node)]
        for parent, node in queue:
            if len(tree.tokens) >= most:
                break
            columns = trie.following(node)
            if len(tree.tokens) + len(columns) <= most:
                for column in columns:
                    tree._add(int(trie.vocabulary[column]), parent)
                    queue.append((len(tree.tokens) - 1, trie.step(node, column)))
        return tree

    def _add(self, token: int, parent: int) -> None:
        self.index[parent, token] = len(self.tokens)
        self.tokens.append(token)
        self.parents.append(parent)
        self.depths.append(self.depths[parent] + 1 if parent >= 0 else 1)

    def attends(self, cached: int, unseen: int) -> torch.Tensor:
        """[unseen + W, cached + unseen + W] bool: causal in the prompt, tree attention in the draft."""
        width = len(self.tokens)
        attends = np.ones((unseen + width, cached + unseen + width), dtype=bool)
        own = np.zeros((width, width), dtype=bool)
        for token, parent in enumerate(self.parents):
            if parent >= 0:
                own[token] = own[parent]
            own[token, token] = True
        attends[:unseen] = np.tri(unseen, attends.shape[1], cached, dtype=bool)
        attends[unseen:, cached + unseen :] = own
        return torch.from_numpy(attends)


class Sampler:
    """Samples actions for batches of turns and keeps each game's KV cache for its next turn."""

    def __init__(self, backend: Backend, adapters: Adapters, caches: KVCacheStore, logits: Logits) -> None:
        self._backend = backend
        self._adapters = adapters
        self._caches = caches
        self._logits = logits

    @torch.inference_mode()
    def act(self, turns: Sequence[TurnInputs], draws: Sequence[Draw]) -> list[tuple[str, float]]:
        """(action, log-propensity) of each turn, sampled by its own `Draw`."""
        rows = [self._row(turn, draw) for turn, draw in zip(turns, draws, strict=True)]
        batches = [rows]
        if self._backend.pads:  # later turns would be padded to a much longer first prompt
            batches = [
                [row for row in rows if not row.cache.length],
                [row for row in rows if row.cache.length],
            ]
        for batch in batches:
            for part in within_budget([row.cost for row in batch], PLAYING_BUDGET):
                left = batch[part]
                while left:
                    with self._adapters.rows([row.turn.adapter for row in left]):
                        self._forward(left)
                    left = [row for row in left if row.draw.action is None]
        for row in rows:
            turn = row.turn
            self._caches.put(turn.game_id, turn.adapter, turn.board, (*turn.ids, *row.drawn), row.cache)
        return [(row.draw.action or "", row.draw.logp) for row in rows]

    def _row(self, turn: TurnInputs, draw: Draw) -> _Row:
        board, image = 0, self._backend.image_token_id
        for _ in range(turn.ids.count(image)):
            board = turn.ids.index(image, board) + 1
        reusable = self._backend.reusable
        cache = self._caches.take(turn.game_id, turn.adapter, turn.board, turn.ids, board, reusable)
        return _Row(turn, draw, cache)

    def _forward(self, rows: Sequence[_Row]) -> None:
        """One forward pass over the new tokens and the draft of each row; then draw tokens as far as the draft
        reaches."""
        most = min(MAX_DRAFT, max(MIN_DRAFT, BATCH_DRAFT // len(rows)))
        trees = [_DraftTree.plan(row, most + bool(row.drawn)) for row in rows]
        outputs = self._backend.step([_span(row, tree) for row, tree in zip(rows, trees, strict=True)])
        vocabulary = np.unique(np.concatenate([row.turn.trie.vocabulary for row in rows]))
        logits = self._logits(torch.cat(outputs), torch.from_numpy(vocabulary).to(outputs[0].device))
        values, start = logits.double().cpu().numpy(), 0
        for row, tree, output in zip(rows, trees, outputs, strict=True):
            _draw(row, tree, values[start : start + len(output)], vocabulary)
            start += len(output)


def _span(row: _Row, tree: _DraftTree) -> Span:
    """The span of a row: its new tokens and its draft."""
    turn = row.turn
    after = turn.positions[..., -1:] + torch.tensor(tree.depths) + max(0, len(row.drawn) - 1)
    return Span(
        adapter=turn.adapter,
        prompt=turn.ids,
        features=turn.features,
        unseen=row.unseen,
        draft=tuple(tree.tokens),
        positions=torch.cat([turn.positions[..., len(turn.ids) - row.unseen :], after], dim=-1),
        attends=tree.attends(row.cache.length, row.unseen),
        cache=row.cache,
        outputs=len(tree.tokens) + bool(row.unseen),
    )


def _draw(row: _Row, tree: _DraftTree, values: np.ndarray, vocabulary: np.ndarray) -> None:
    """Draw a row's tokens as far as the draft reaches, and keep the KV cache entries of those drawn.

    `values` [1 + W, V]: logits at the end of the prompt and at the W draft tokens; [W, V] once the prompt is
    cached; the first draft token is then the token drawn last.
    """
    first = row.unseen
    kept = list(range(first))
    offset = 1 if first else 0
    at = -1
    if row.drawn:
        at = 0
        kept.append(first)
    columns = np.searchsorted(vocabulary, row.turn.trie.vocabulary)
    while True:
        token = int(row.turn.trie.vocabulary[row.draw.take(values[offset + at, columns])])
        if row.draw.action is not None:
            break
        row.drawn.append(token)
        found = tree.index.get((at, token))
        if found is None:
            break
        at = found
        kept.append(first + at)
    row.cache.keep(kept)


def source_of(seed: int, request_id: str) -> random.Random:
    """The random generator of one request's samples."""
    digest = hashlib.sha256(f"{seed}:{request_id}".encode()).digest()
    return random.Random(int.from_bytes(digest[:8]))

"""Batched turns: what is new in each prompt is computed once, and with it the first tokens that may follow.

An action is drawn token by token, but the model is not run once for each: a forward also covers a few of the tokens
that the grammar allows next, each seeing only its own past, so that most actions are finished after one or two.
The draws are the same as one by one, and so are their probabilities.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from learner.policy.backend import Engine, Span
from learner.policy.cache import KeyValues, PrefixCache
from learner.policy.grammar import ActionTrie, Draw
from learner.policy.lora import Adapters

Embed = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
Logits = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]

AHEAD, LEAST_AHEAD, MOST_AHEAD = 40, 2, 12
"""Tokens that a forward computes ahead: of the whole batch, and the least and most of one row."""


@dataclass(frozen=True)
class Turn:
    """One turn to be played, as the model sees it."""

    game_id: str
    adapter: str
    board: tuple[str, ...]
    """Image set and figures, in the order of the image tokens."""
    ids: tuple[int, ...]
    positions: torch.Tensor
    """[n] or [3, n]."""
    features: torch.Tensor
    """[image tokens, D]."""
    image_token_id: int
    trie: ActionTrie


@dataclass
class _Row:
    """A turn whose action is being drawn."""

    turn: Turn
    draw: Draw
    held: KeyValues
    drawn: list[int] = field(default_factory=list)
    """Tokens of the action so far, of which the model has not seen the last."""

    @property
    def unseen(self) -> int:
        """Tokens of the prompt that the model has not seen."""
        return max(0, len(self.turn.ids) - self.held.length)


@dataclass(frozen=True)
class _Ahead:
    """Tokens that a forward computes after what one row already has; parents stand before their children."""

    tokens: list[int]
    parents: list[int]
    """Place of the token before each; -1 where that is what the row already has."""
    depths: list[int]
    places: dict[tuple[int, int], int]
    """(parent, token) -> place."""

    @classmethod
    def plan(cls, row: _Row, most: int) -> "_Ahead":
        """The last token drawn, then whole sets of tokens that may follow, nearest first, up to `most`."""
        ahead, trie = cls([], [], [], {}), row.turn.trie
        if row.drawn:
            ahead._add(row.drawn[-1], -1)
        waiting = [(len(ahead.tokens) - 1, row.draw.node)]
        for place, node in waiting:
            if len(ahead.tokens) >= most:
                break
            columns = trie.following(node)
            if len(ahead.tokens) + len(columns) <= most:
                for column in columns:
                    ahead._add(int(trie.vocabulary[column]), place)
                    waiting.append((len(ahead.tokens) - 1, trie.step(node, column)))
        return ahead

    def _add(self, token: int, parent: int) -> None:
        self.places[parent, token] = len(self.tokens)
        self.tokens.append(token)
        self.parents.append(parent)
        self.depths.append(self.depths[parent] + 1 if parent >= 0 else 1)

    def sees(self, held: int, unseen: int) -> torch.Tensor:
        """[unseen + W, held + unseen + W] bool: what the rest of the prompt and the tokens ahead attend to."""
        width = len(self.tokens)
        sees = np.ones((unseen + width, held + unseen + width), dtype=bool)
        own = np.zeros((width, width), dtype=bool)
        for place, parent in enumerate(self.parents):
            if parent >= 0:
                own[place] = own[parent]
            own[place, place] = True
        sees[:unseen] = np.tri(unseen, sees.shape[1], held, dtype=bool)
        sees[unseen:, held + unseen :] = own
        return torch.from_numpy(sees)


class Actor:
    """Draws actions for batches of turns and keeps each game's prefix for its next turn."""

    def __init__(
        self,
        engine: Engine,
        adapters: Adapters,
        cache: PrefixCache,
        embed: Embed,
        logits: Logits,
        pad_id: int,
    ) -> None:
        self._engine = engine
        self._adapters = adapters
        self._cache = cache
        self._embed = embed
        self._logits = logits
        self._pad = pad_id

    @torch.inference_mode()
    def act(self, turns: Sequence[Turn], sources: Sequence[random.Random] | None) -> list[tuple[str, float]]:
        """(action, log-propensity) of each turn; without `sources` the likeliest tokens."""
        rows = [self._row(turn, sources[i] if sources else None) for i, turn in enumerate(turns)]
        batches = [rows]
        if self._engine.pads:  # a game's first prompt is far longer than what a later turn adds
            batches = [
                [row for row in rows if not row.held.length],
                [row for row in rows if row.held.length],
            ]
        for left in batches:
            while left:
                with self._adapters.rows([row.turn.adapter for row in left]):
                    self._forward(left)
                left = [row for row in left if row.draw.action is None]
        for row in rows:
            turn = row.turn
            self._cache.put(turn.game_id, turn.adapter, turn.board, (*turn.ids, *row.drawn), row.held)
        return [(row.draw.action or "", row.draw.logp) for row in rows]

    def _row(self, turn: Turn, source: random.Random | None) -> _Row:
        board = 0
        for _ in range(turn.ids.count(turn.image_token_id)):
            board = turn.ids.index(turn.image_token_id, board) + 1
        held = self._cache.take(turn.game_id, turn.adapter, turn.board, turn.ids, board)
        return _Row(turn, Draw(turn.trie, source), held)

    def _forward(self, rows: Sequence[_Row]) -> None:
        """Run what is new of each row, with some tokens that may follow, and draw as far as the output goes."""
        most = min(MOST_AHEAD, max(LEAST_AHEAD, AHEAD // len(rows)))
        plans = [_Ahead.plan(row, most + bool(row.drawn)) for row in rows]
        prompts = self._prompts(rows) if any(row.unseen for row in rows) else None
        ahead = self._ahead(plans)
        spans = []
        for i, (row, plan) in enumerate(zip(rows, plans, strict=True)):
            embeddings, turn = ahead[i, : len(plan.tokens)], row.turn
            if prompts is not None and row.unseen:
                embeddings = torch.cat([prompts[i, -row.unseen :], embeddings])
            after = turn.positions[..., -1:] + torch.tensor(plan.depths) + max(0, len(row.drawn) - 1)
            positions = torch.cat([turn.positions[..., len(turn.ids) - row.unseen :], after], dim=-1)
            sees = plan.sees(row.held.length, row.unseen)
            wanted = len(plan.tokens) + bool(row.unseen)
            spans.append(Span(turn.adapter, embeddings, positions, sees, row.held, wanted))
        needed = self._engine.run(spans)
        vocabulary = np.unique(np.concatenate([row.turn.trie.vocabulary for row in rows]))
        logits = self._logits(torch.cat(needed), torch.from_numpy(vocabulary).to(needed[0].device))
        values, start = logits.double().cpu().numpy(), 0
        for row, plan, output in zip(rows, plans, needed, strict=True):
            _draw(row, plan, values[start : start + len(output)], vocabulary)
            start += len(output)

    def _prompts(self, rows: Sequence[_Row]) -> torch.Tensor:
        """[B, L, D] embeddings of the prompts, padded at the left."""
        ids = np.full((len(rows), max(len(row.turn.ids) for row in rows)), self._pad)
        for i, row in enumerate(rows):
            ids[i, -len(row.turn.ids) :] = row.turn.ids
        return self._embed(torch.from_numpy(ids), torch.cat([row.turn.features for row in rows]))

    def _ahead(self, plans: Sequence[_Ahead]) -> torch.Tensor:
        """[B, W, D] embeddings of the tokens ahead, padded at the right."""
        tokens = np.full((len(plans), max(len(plan.tokens) for plan in plans)), self._pad)
        for i, plan in enumerate(plans):
            tokens[i, : len(plan.tokens)] = plan.tokens
        return self._embed(torch.from_numpy(tokens), None)


def _draw(row: _Row, plan: _Ahead, values: np.ndarray, vocabulary: np.ndarray) -> None:
    """Draw a row's tokens as far as the output goes, and hold what the model has seen of them.

    `values` [1 + W, V]: the output at the end of the prompt and at the W tokens ahead; [W, V] once the prompt is
    seen, where the token drawn last is the first of those.
    """
    first = row.unseen
    held = list(range(first))
    offset = 1 if first else 0
    place = -1
    if row.drawn:
        place = 0
        held.append(first)
    its = np.searchsorted(vocabulary, row.turn.trie.vocabulary)
    while True:
        token = int(row.turn.trie.vocabulary[row.draw.take(values[offset + place, its])])
        if row.draw.action is not None:
            break
        row.drawn.append(token)
        known = plan.places.get((place, token))
        if known is None:
            break
        place = known
        held.append(first + place)
    row.held.keep(held)

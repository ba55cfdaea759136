"""Batched turns: what is new in each prompt is computed once, and with it the first tokens that may follow.

An action is drawn token by token, but the model is not run once for each: a forward also covers a few of the tokens
that the grammar allows next, each seeing only its own past, so that most actions are finished after one or two.
The draws are the same as one by one, and so are their probabilities.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from learner.policy.grammar import ActionTrie, Draw
from learner.policy.lora import Adapters
from learner.policy.prefix import Layers, PrefixCache

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
    known: int
    """Tokens of the prompt that were in the prefix cache."""
    layers: Layers
    drawn: list[int] = field(default_factory=list)
    """Tokens of the action so far, of which the model has not seen the last."""


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


class Actor:
    """Draws actions for batches of turns and keeps each game's prefix for its next turn."""

    def __init__(
        self, model: Any, adapters: Adapters, cache: PrefixCache, embed: Embed, logits: Logits, pad_id: int
    ) -> None:
        self._model = model
        self._adapters = adapters
        self._cache = cache
        self._embed = embed
        self._logits = logits
        self._pad = pad_id

    @torch.inference_mode()
    def act(self, turns: Sequence[Turn], sources: Sequence[random.Random] | None) -> list[tuple[str, float]]:
        """(action, log-propensity) of each turn; without `sources` the likeliest tokens."""
        rows = [
            _Row(turn, Draw(turn.trie, sources[i] if sources else None), *self._known(turn))
            for i, turn in enumerate(turns)
        ]
        # A game's first prompt is far longer than what a later turn adds: together they would only pad each other.
        for batch in ([row for row in rows if not row.known], [row for row in rows if row.known]):
            if batch:
                with self._adapters.rows([row.turn.adapter for row in batch]) as keep:
                    self._play(batch, keep)
        return [(row.draw.action or "", row.draw.logp) for row in rows]

    def _known(self, turn: Turn) -> tuple[int, Layers]:
        least = 0
        for _ in range(turn.ids.count(turn.image_token_id)):
            least = turn.ids.index(turn.image_token_id, least) + 1
        return self._cache.get(turn.game_id, turn.adapter, turn.board, turn.ids, least)

    def _play(self, rows: list[_Row], keep: Callable[[list[int]], None]) -> None:
        """Draw the actions of one batch. `keep` is told which of its rows go on."""
        cache = _joined([row.layers for row in rows], [row.known for row in rows])
        held = self._forward_prompts(rows, cache)
        while True:
            open_rows = []
            for i, row in enumerate(rows):
                if row.draw.action is None:
                    open_rows.append(i)
                else:
                    self._remember(row, i, cache, held[i])
            if not open_rows:
                return
            if len(open_rows) < len(rows):
                rows = [rows[i] for i in open_rows]
                index = torch.tensor(open_rows, device=held.device)
                cache.batch_select_indices(index)
                held = held[index]
                keep(open_rows)
            held = self._forward_drawn(rows, cache, held)

    def _forward_prompts(self, rows: list[_Row], cache: DynamicCache) -> torch.Tensor:
        """Run what is new in the prompts, with the first tokens after it. Gives which columns of the cache count."""
        before = max(row.known for row in rows)
        new = max(len(row.turn.ids) - row.known for row in rows)
        ids = torch.full((len(rows), max(len(row.turn.ids) for row in rows)), self._pad)
        held = torch.zeros(len(rows), before + new, dtype=torch.bool)
        positions = torch.zeros(*rows[0].turn.positions.shape[:-1], len(rows), new, dtype=torch.long)
        for i, row in enumerate(rows):
            size = len(row.turn.ids) - row.known
            ids[i, -len(row.turn.ids) :] = torch.tensor(row.turn.ids)
            held[i, before - row.known : before] = True
            held[i, before + new - size :] = True
            positions[..., i, new - size :] = row.turn.positions[..., row.known :]
        features = torch.cat([row.turn.features for row in rows])
        embeddings = self._embed(ids.to(self._model.device), features)[:, -new:]
        causal = torch.ones(new, before + new, dtype=torch.bool).tril(before)
        return self._forward(rows, cache, held, embeddings, positions, held[:, None] & causal)

    def _forward_drawn(self, rows: list[_Row], cache: DynamicCache, held: torch.Tensor) -> torch.Tensor:
        """Run the tokens drawn last, with some that may follow."""
        axes = rows[0].turn.positions.shape[:-1]
        return self._forward(
            rows,
            cache,
            held,
            None,
            torch.zeros(*axes, len(rows), 0, dtype=torch.long),
            torch.zeros(len(rows), 0, held.shape[1], dtype=torch.bool),
        )

    def _forward(
        self,
        rows: list[_Row],
        cache: DynamicCache,
        held: torch.Tensor,
        prompts: torch.Tensor | None,
        positions: torch.Tensor,
        allowed: torch.Tensor,
    ) -> torch.Tensor:
        """Run prompts and the tokens ahead of each row, draw as far as the output goes. Gives the new `held`.

        B rows, P prompt positions (their embeddings, positions [..., B, P] and what they see [B, P, K]), K columns in
        the cache once they are in it, of which [B, K] are `held`.
        """
        device = self._model.device
        most = min(MOST_AHEAD, max(LEAST_AHEAD, AHEAD // len(rows)))
        plans = [_Ahead.plan(row, most + bool(row.drawn)) for row in rows]
        width = max(len(plan.tokens) for plan in plans)
        tokens = np.full((len(rows), width), self._pad)
        after = np.zeros((len(rows), width), dtype=np.int64)
        sees = np.zeros((len(rows), width, width), dtype=bool)
        for i, (row, plan) in enumerate(zip(rows, plans, strict=True)):
            size = len(plan.tokens)
            tokens[i, :size] = plan.tokens
            after[i, :size] = plan.depths
            after[i] += max(0, len(row.drawn) - 1)
            for place, parent in enumerate(plan.parents):
                if parent >= 0:
                    sees[i, place] = sees[i, parent]
                sees[i, place, place] = True
        last = torch.stack([row.turn.positions[..., -1:] for row in rows], dim=-2)
        count, columns = positions.shape[-1], held.shape[1]
        seen = torch.zeros(len(rows), count + width, columns + width, dtype=torch.bool, device=device)
        seen[:, :count, :columns] = allowed.to(device)
        seen[:, count:, :columns] = held[:, None].to(device)
        seen[:, count:, columns:] = torch.from_numpy(sees).to(device)
        embeddings = self._model.get_input_embeddings()(torch.from_numpy(tokens).to(device))
        if prompts is not None:
            embeddings = torch.cat([prompts, embeddings], dim=1)
        mask = torch.zeros(seen.shape, dtype=embeddings.dtype, device=device)
        hidden = self._model.model(
            inputs_embeds=embeddings,
            attention_mask=mask.masked_fill(~seen, torch.finfo(mask.dtype).min)[:, None],
            position_ids=torch.cat([positions, last + torch.from_numpy(after)], dim=-1).to(device),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        first = max(0, count - 1)
        chosen = self._draw(rows, plans, hidden[:, first:], offset=count - first)
        return torch.cat([held.to(device), torch.from_numpy(chosen).to(device)], dim=1)

    def _draw(self, rows: list[_Row], plans: list[_Ahead], hidden: torch.Tensor, offset: int) -> np.ndarray:
        """Draw each row's tokens as far as `hidden` [B, offset + width, D] says. [B, width]: which were drawn."""
        vocabulary = np.unique(np.concatenate([row.turn.trie.vocabulary for row in rows]))
        logits = self._logits(hidden, torch.from_numpy(vocabulary).to(hidden.device))
        values = logits.double().cpu().numpy()
        chosen = np.zeros((len(rows), hidden.shape[1] - offset), dtype=bool)
        for i, (row, plan) in enumerate(zip(rows, plans, strict=True)):
            place = -1
            if row.drawn:
                place = 0
                chosen[i, 0] = True
            its = np.searchsorted(vocabulary, row.turn.trie.vocabulary)
            while True:
                token = int(row.turn.trie.vocabulary[row.draw.take(values[i, offset + place, its])])
                if row.draw.action is not None:
                    break
                row.drawn.append(token)
                known = plan.places.get((place, token))
                if known is None:
                    break
                place = known
                chosen[i, place] = True
        return chosen

    def _remember(self, row: _Row, i: int, cache: DynamicCache, held: torch.Tensor) -> None:
        index = held.nonzero()[:, 0]
        layers = [(layer.keys[i][:, index], layer.values[i][:, index]) for layer in cache.layers]  # type: ignore[index]
        turn = row.turn
        self._cache.put(turn.game_id, turn.adapter, turn.board, (*turn.ids, *row.drawn), layers)


def _joined(layers: Sequence[Layers], counts: Sequence[int]) -> DynamicCache:
    """One cache of several games' prefixes, padded at the left to the longest."""
    width = max(counts)
    if not width:
        return DynamicCache()
    some = next(layer for layer in layers if layer)
    data = []
    for number, (keys, _) in enumerate(some):
        joined = keys.new_zeros(2, len(layers), keys.shape[0], width, keys.shape[2])
        for row, (own, count) in enumerate(zip(layers, counts, strict=True)):
            if count:
                joined[0, row, :, width - count :] = own[number][0]
                joined[1, row, :, width - count :] = own[number][1]
        data.append((joined[0], joined[1]))
    return DynamicCache(data)

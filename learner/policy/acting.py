"""Batched turns: what is new in each prompt is computed once, then one `generate` samples all the actions."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig

from learner.policy.grammar import ActionTrie, ConstrainedSampler
from learner.policy.lora import Adapters
from learner.policy.prefix import Layers, PrefixCache

Embed = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]


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


class Actor:
    """Samples actions for batches of turns and keeps each game's prefix for its next turn."""

    def __init__(self, model: Any, adapters: Adapters, cache: PrefixCache, embed: Embed, pad_id: int) -> None:
        self._model = model
        self._adapters = adapters
        self._cache = cache
        self._embed = embed
        self._pad = pad_id

    @torch.no_grad()
    def act(self, turns: Sequence[Turn], sources: Sequence[random.Random] | None) -> list[tuple[str, float]]:
        """(action, log-propensity) of each turn; without `sources` the likeliest tokens."""
        if not turns:
            return []
        known = [self._known(turn) for turn in turns]
        sampler = ConstrainedSampler([turn.trie for turn in turns], sources, self._pad)
        names = {turn.adapter for turn in turns}
        with (
            self._adapters.use(names.pop())
            if len(names) == 1
            else self._adapters.mixed([turn.adapter for turn in turns])
        ):
            layers, held, output = self._run(turns, known, sampler)
        self._remember(turns, layers, held, output, sampler)
        return [
            (action, logp)
            for action, logp in zip(sampler.actions, sampler.logps, strict=True)
            if action is not None
        ]

    def _known(self, turn: Turn) -> tuple[int, Layers]:
        images = turn.ids.count(turn.image_token_id)
        after = 0
        for _ in range(images):
            after = turn.ids.index(turn.image_token_id, after) + 1
        return self._cache.get(turn.game_id, turn.adapter, turn.board, turn.ids, after)

    def _run(
        self,
        turns: Sequence[Turn],
        known: Sequence[tuple[int, Layers]],
        sampler: ConstrainedSampler,
    ) -> tuple[DynamicCache, torch.Tensor, torch.Tensor]:
        """(the cache after sampling, [B, prompt slots] which slots hold tokens, all ids)."""
        device = self._model.device
        batch = len(turns)
        before = max(count for count, _ in known)
        new = max(len(turn.ids) - 1 - count for turn, (count, _) in zip(turns, known, strict=True))
        slots = before + new + 1
        whole = max(len(turn.ids) for turn in turns)
        ids = torch.full((batch, max(slots, whole)), self._pad)
        held = torch.zeros(batch, slots, dtype=torch.long)
        positions = torch.zeros(*turns[0].positions.shape[:-1], batch, slots, dtype=torch.long)
        for row, (turn, (count, _)) in enumerate(zip(turns, known, strict=True)):
            size = len(turn.ids) - count
            ids[row, ids.shape[1] - len(turn.ids) :] = torch.tensor(turn.ids)
            held[row, slots - size :] = 1
            held[row, before - count : before] = 1
            positions[..., row, slots - size :] = turn.positions[..., count:]
        ids, held, positions = ids.to(device), held.to(device), positions.to(device)
        cache = _joined([layers for _, layers in known], [count for count, _ in known], before)
        if new:
            part = slice(before, slots - 1)
            embeddings = self._embed(ids, torch.cat([turn.features for turn in turns]))
            self._model(
                inputs_embeds=embeddings[:, -1 - new : -1],
                attention_mask=held[:, : slots - 1],
                position_ids=positions[..., part],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        longest = max(turn.trie.longest for turn in turns)
        output = self._model.generate(
            input_ids=ids[:, -slots:],
            attention_mask=held,
            position_ids=positions,
            past_key_values=cache,
            logits_processor=[sampler],
            generation_config=GenerationConfig(
                **{**self._model.generation_config.to_diff_dict(), "max_new_tokens": longest}
            ),
        )
        return cache, held, output

    def _remember(
        self,
        turns: Sequence[Turn],
        cache: DynamicCache,
        held: torch.Tensor,
        output: torch.Tensor,
        sampler: ConstrainedSampler,
    ) -> None:
        slots = held.shape[1]
        for row, turn in enumerate(turns):
            action = sampler.actions[row]
            if action is None:
                continue
            tokens = len(turn.trie.path(action)) - 1
            after = torch.arange(slots, slots + tokens, device=held.device)
            index = torch.cat([held[row].nonzero()[:, 0], after])
            layers = [(layer.keys[row][:, index], layer.values[row][:, index]) for layer in cache.layers]  # type: ignore[index]
            ids = (*turn.ids, *output[row, slots : slots + tokens].tolist())
            self._cache.put(turn.game_id, turn.adapter, turn.board, ids, layers)


def _joined(layers: Sequence[Layers], counts: Sequence[int], width: int) -> DynamicCache:
    """One cache of several games' prefixes, padded at the left to `width` tokens."""
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

"""KV caches of games in progress, so that a turn computes only the tokens that are new."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

GROWTH_TOKENS = 64
"""Capacity of a KV cache is a multiple of this number of tokens."""


class KVCache:
    """Keys and values of the tokens of one game in every layer, with spare capacity to append in place."""

    def __init__(self) -> None:
        self.length = 0
        """Number of cached tokens."""
        self._layers: list[tuple[torch.Tensor, torch.Tensor]] = []

    @property
    def bytes(self) -> int:
        """Memory that it takes, in bytes."""
        return sum(part.numel() * part.element_size() for layer in self._layers for part in layer)

    def layer(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values [heads, length, head size] of one layer. Raises IndexError if nothing was written yet."""
        keys, values = self._layers[number]
        return keys[:, : self.length], values[:, : self.length]

    def write(
        self, number: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write keys and values [heads, t, head size] after the cached ones; returns all, [heads, length + t, head
        size].

        They are cached only when `keep` is called. Layers are written in order.
        """
        end = self.length + keys.shape[1]
        if number == len(self._layers):
            self._layers.append((self._with_space(keys, end), self._with_space(values, end)))
        elif self._layers[number][0].shape[1] < end:
            cached = self.layer(number)
            self._layers[number] = (self._with_space(keys, end), self._with_space(values, end))
            for old, new in zip(cached, self._layers[number], strict=True):
                new[:, : self.length] = old
        own_keys, own_values = self._layers[number]
        own_keys[:, self.length : end] = keys
        own_values[:, self.length : end] = values
        return own_keys[:, :end], own_values[:, :end]

    def keep(self, places: Sequence[int]) -> None:
        """Cache some of the tokens just written, given by their indices among those."""
        if list(places) != list(range(len(places))):
            index = torch.tensor([self.length + place for place in places])
            for layer in self._layers:
                for part in layer:
                    part[:, self.length : self.length + len(places)] = part[:, index.to(part.device)]
        self.length += len(places)

    def cut(self, length: int) -> None:
        """Cache the first `length` tokens only."""
        self.length = min(self.length, length)

    @staticmethod
    def _with_space(like: torch.Tensor, tokens: int) -> torch.Tensor:
        return like.new_empty(like.shape[0], -(-tokens // GROWTH_TOKENS) * GROWTH_TOKENS, like.shape[2])


@dataclass(frozen=True)
class CacheEntry:
    """The KV cache of one game under one adapter, with the tokens that it holds."""

    board: tuple[str, ...]
    """Image set and figures of its image tokens: token ids alone do not distinguish two boards."""
    ids: tuple[int, ...]
    kv: KVCache
    bytes: int
    used: float


class KVCacheStore:
    """KV caches by (game, adapter), evicted by number, size and age. Not thread-safe."""

    def __init__(self, entries: int = 512, megabytes: int = 512, seconds: float = 1800.0) -> None:
        """`entries` 0 keeps nothing. `megabytes` limits the size of all caches, `seconds` the time since the last
        use."""
        self._entries = entries
        self._bytes = megabytes * 2**20
        self._seconds = seconds
        self._known: OrderedDict[tuple[str, str], CacheEntry] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._known)

    def take(
        self,
        game: str,
        adapter: str,
        board: tuple[str, ...],
        ids: tuple[int, ...],
        least: int,
        reusable: Callable[[Sequence[int]], int] = len,
    ) -> KVCache:
        """The cache of the longest common prefix with `ids`, without their last token; empty if shorter than
        `least` tokens. `reusable` (`Backend.reusable`) says how much of the prefix may be kept.

        It is removed from the store until `put`, because only one turn at a time may write to it.
        """
        known = self._drop((game, adapter))
        if known is None or known.board != board or time.monotonic() - known.used > self._seconds:
            return KVCache()
        common = 0
        for ours, theirs in zip(known.ids, ids[:-1], strict=False):
            if ours != theirs:
                break
            common += 1
        common = reusable(ids[:common])
        if common < max(1, least):
            return KVCache()
        known.kv.cut(common)
        return known.kv

    def put(self, game: str, adapter: str, board: tuple[str, ...], ids: tuple[int, ...], kv: KVCache) -> None:
        """Store a game's KV cache, and evict old caches and those beyond the limits."""
        if not self._entries:
            return
        self._drop((game, adapter))
        entry = CacheEntry(board, ids, kv, kv.bytes, time.monotonic())
        self._known[game, adapter] = entry
        self._size += entry.bytes
        oldest = time.monotonic() - self._seconds
        while self._known and (
            len(self._known) > self._entries
            or self._size > self._bytes
            or next(iter(self._known.values())).used < oldest
        ):
            self._drop(next(iter(self._known)))

    def forget(self, adapter: str | None = None) -> None:
        """Drop everything, or everything of one adapter."""
        for key in [key for key in self._known if adapter in (None, key[1])]:
            self._drop(key)

    def end(self, game: str) -> None:
        """Drop the caches of a finished game."""
        for key in [key for key in self._known if key[0] == game]:
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> CacheEntry | None:
        dropped = self._known.pop(key, None)
        if dropped is not None:
            self._size -= dropped.bytes
        return dropped

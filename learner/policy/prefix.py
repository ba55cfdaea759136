"""The keys and values of games under way, so that a turn computes only what is new since the last one."""

import time
from collections import OrderedDict
from dataclasses import dataclass

import torch

Layers = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, [heads, tokens, head size] for one game."""


@dataclass
class Prefix:
    """What is known of one game under one adapter."""

    board: tuple[str, ...]
    """What its image tokens stand for: token ids alone do not tell two boards apart."""
    ids: tuple[int, ...]
    layers: Layers
    used: float

    @property
    def bytes(self) -> int:
        """Memory it takes."""
        return sum(part.numel() * part.element_size() for layer in self.layers for part in layer)


class PrefixCache:
    """Prefixes by (game, adapter), dropped by number, size and age. For one thread."""

    def __init__(self, entries: int = 512, megabytes: int = 512, seconds: float = 1800.0) -> None:
        """No entries: nothing is kept."""
        self._entries = entries
        self._bytes = megabytes * 2**20
        self._seconds = seconds
        self._known: OrderedDict[tuple[str, str], Prefix] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._known)

    def get(
        self, game: str, adapter: str, board: tuple[str, ...], ids: tuple[int, ...], least: int
    ) -> tuple[int, Layers]:
        """(tokens of `ids` that are known, their layers). 0 where fewer than `least` are, or all would be."""
        known = self._known.get((game, adapter))
        if known is None or known.board != board or time.monotonic() - known.used > self._seconds:
            return 0, []
        common = 0
        for ours, theirs in zip(known.ids, ids[:-1], strict=False):
            if ours != theirs:
                break
            common += 1
        if common < max(1, least):
            return 0, []
        return common, [(keys[:, :common], values[:, :common]) for keys, values in known.layers]

    def put(
        self, game: str, adapter: str, board: tuple[str, ...], ids: tuple[int, ...], layers: Layers
    ) -> None:
        """Remember a game's prefix and drop what is old or too much."""
        if not self._entries:
            return
        self._drop((game, adapter))
        prefix = Prefix(board, ids, layers, time.monotonic())
        self._known[game, adapter] = prefix
        self._size += prefix.bytes
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
        """Drop what is known of a game that is over."""
        for key in [key for key in self._known if key[0] == game]:
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        dropped = self._known.pop(key, None)
        if dropped is not None:
            self._size -= dropped.bytes

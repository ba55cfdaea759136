"""The keys and values of games under way, so that a turn computes only what is new since the last one."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

ROOM = 64
"""Tokens by which a game's memory grows: a multiple of so many is kept free for its next turns."""


class KeyValues:
    """Keys and values of the tokens of one game in every layer, with room to grow in place."""

    def __init__(self) -> None:
        self.length = 0
        """Tokens that are held."""
        self._layers: list[tuple[torch.Tensor, torch.Tensor]] = []

    @property
    def bytes(self) -> int:
        """Memory it takes."""
        return sum(part.numel() * part.element_size() for layer in self._layers for part in layer)

    def layer(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values [heads, length, head size] of one layer. Raises IndexError if nothing was written yet."""
        keys, values = self._layers[number]
        return keys[:, : self.length], values[:, : self.length]

    def write(
        self, number: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put [heads, t, head size] after what is held; gives all of it, [heads, length + t, head size].

        They are held once `keep` says so; layers are written in order.
        """
        end = self.length + keys.shape[1]
        if number == len(self._layers):
            self._layers.append((self._roomy(keys, end), self._roomy(values, end)))
        elif self._layers[number][0].shape[1] < end:
            held = self.layer(number)
            self._layers[number] = (self._roomy(keys, end), self._roomy(values, end))
            for old, new in zip(held, self._layers[number], strict=True):
                new[:, : self.length] = old
        own_keys, own_values = self._layers[number]
        own_keys[:, self.length : end] = keys
        own_values[:, self.length : end] = values
        return own_keys[:, :end], own_values[:, :end]

    def keep(self, places: Sequence[int]) -> None:
        """Hold these of the tokens just written, in order, by their places among them."""
        if list(places) != list(range(len(places))):
            index = torch.tensor([self.length + place for place in places])
            for layer in self._layers:
                for part in layer:
                    part[:, self.length : self.length + len(places)] = part[:, index.to(part.device)]
        self.length += len(places)

    def cut(self, length: int) -> None:
        """Hold the first `length` tokens only."""
        self.length = min(self.length, length)

    @staticmethod
    def _roomy(like: torch.Tensor, tokens: int) -> torch.Tensor:
        return like.new_empty(like.shape[0], -(-tokens // ROOM) * ROOM, like.shape[2])


@dataclass(frozen=True)
class Prefix:
    """What is known of one game under one adapter."""

    board: tuple[str, ...]
    """What its image tokens stand for: token ids alone do not tell two boards apart."""
    ids: tuple[int, ...]
    held: KeyValues
    bytes: int
    used: float


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

    def take(
        self, game: str, adapter: str, board: tuple[str, ...], ids: tuple[int, ...], least: int
    ) -> KeyValues:
        """What is known of `ids`, not all of them, to be written on; nothing where fewer than `least` are.

        It is known here no more until it is put back: only one turn at a time may write on it.
        """
        known = self._drop((game, adapter))
        if known is None or known.board != board or time.monotonic() - known.used > self._seconds:
            return KeyValues()
        common = 0
        for ours, theirs in zip(known.ids, ids[:-1], strict=False):
            if ours != theirs:
                break
            common += 1
        if common < max(1, least):
            return KeyValues()
        known.held.cut(common)
        return known.held

    def put(
        self, game: str, adapter: str, board: tuple[str, ...], ids: tuple[int, ...], held: KeyValues
    ) -> None:
        """Remember a game's prefix and drop what is old or too much."""
        if not self._entries:
            return
        self._drop((game, adapter))
        prefix = Prefix(board, ids, held, held.bytes, time.monotonic())
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

    def _drop(self, key: tuple[str, str]) -> Prefix | None:
        dropped = self._known.pop(key, None)
        if dropped is not None:
            self._size -= dropped.bytes
        return dropped

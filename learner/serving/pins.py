"""Which adapters are loaded, least recently used first, and the games under way that are pinned to each."""

import time
from collections import OrderedDict

FORGOTTEN_SECONDS = 24 * 3600.0
"""A game without a turn for so long no longer holds its adapter; a later turn loads it again."""


class Pins:
    """Names of loaded adapters, the one used longest ago first."""

    def __init__(self) -> None:
        self._games: OrderedDict[str, dict[str, float]] = OrderedDict()
        """For each, the games pinned to it and when they last had a turn."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every loaded adapter."""
        return tuple(self._games)

    def __contains__(self, name: str) -> bool:
        return name in self._games

    def use(self, name: str) -> None:
        """Note that an adapter is loaded and wanted now."""
        self._games.setdefault(name, {})
        self._games.move_to_end(name)

    def hold(self, name: str, game_id: str) -> None:
        """Note a game's turn under an adapter; nothing if it is not one that is loaded."""
        if name in self._games:
            self._games[name][game_id] = time.monotonic()

    def end(self, game_id: str) -> None:
        """Note that a game is over."""
        for games in self._games.values():
            games.pop(game_id, None)

    def idle(self, current: str) -> list[str]:
        """What no game under way is pinned to and new ones, which take `current`, do not take."""
        forgotten = time.monotonic() - FORGOTTEN_SECONDS
        return [
            name
            for name, games in self._games.items()
            if name != current and all(last < forgotten for last in games.values())
        ]

    def drop(self, name: str) -> None:
        """Note that an adapter is no longer loaded."""
        self._games.pop(name, None)

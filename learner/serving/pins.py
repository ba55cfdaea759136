"""The loaded adapters in order of last use, and the games in progress that are pinned to each."""

import time
from collections import OrderedDict

FORGOTTEN_SECONDS = 24 * 3600.0
"""Seconds without a turn after which a game no longer keeps its adapter loaded; a later turn loads it again."""


class Pins:
    """Names of loaded adapters, least recently used first."""

    def __init__(self) -> None:
        self._games: OrderedDict[str, dict[str, float]] = OrderedDict()
        """adapter -> game id -> time of the game's last turn."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every loaded adapter."""
        return tuple(self._games)

    def __contains__(self, name: str) -> bool:
        return name in self._games

    def use(self, name: str) -> None:
        """Record that an adapter is loaded and used now."""
        self._games.setdefault(name, {})
        self._games.move_to_end(name)

    def hold(self, name: str, game_id: str) -> None:
        """Record a game's turn under an adapter. Does nothing if the adapter is not loaded."""
        if name in self._games:
            self._games[name][game_id] = time.monotonic()

    def end(self, game_id: str) -> None:
        """Record that a game is over."""
        for games in self._games.values():
            games.pop(game_id, None)

    def idle(self, current: str) -> list[str]:
        """Adapters other than `current` to which no game in progress is pinned."""
        forgotten = time.monotonic() - FORGOTTEN_SECONDS
        return [
            name
            for name, games in self._games.items()
            if name != current and all(last < forgotten for last in games.values())
        ]

    def drop(self, name: str) -> None:
        """Record that an adapter was unloaded."""
        self._games.pop(name, None)

"""The interface of simulated players. They know targets and figures, not the listener's letters."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class View:
    """A game as the speaker sees it before a turn."""

    context: tuple[str, ...]
    """Figure ids in the speaker's order."""
    targets: frozenset[str]
    selected: frozenset[str]
    previous: tuple[tuple[str, frozenset[str]], ...]
    """Past turns, oldest first: what the speaker said and what was selected after it."""
    turn: int
    """Turns finished so far: 0 before the first utterance."""
    replaces: bool = False
    """Whether a new pick replaces the last one, so that nothing needs to be deselected."""


class SimulatedPlayer(Protocol):
    """A speaker of one or more games."""

    def speak(self, view: View) -> str | None:
        """The next utterance, or None to give up the game."""
        ...


class Speaker(SimulatedPlayer, Protocol):
    """A player that also tells the selection it intended, for evaluation only."""

    intended: frozenset[str] | None
    """The selection intended for the last utterance. None before the first one and after giving up."""


PlayerFactory = Callable[[random.Random, dict[str, list[str]]], SimulatedPlayer]
"""`(rng, descriptions)` -> a player, with `descriptions: dict[figure_id, list[str]]`."""

"""What a simulated player sees and is. Players know targets and figures, never the listener's letters."""

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
    """Whether a new pick takes the place of the last one, so that there is nothing to take back."""


class SimulatedPlayer(Protocol):
    """A speaker of one or more games."""

    def speak(self, view: View) -> str | None:
        """The next utterance, or None to give up the game."""
        ...


class Speaker(SimulatedPlayer, Protocol):
    """A player of ours: it also says what it hoped for, for evaluation only."""

    intended: frozenset[str] | None
    """The selection hoped for after the turn just spoken. None before the first and after giving up."""


PlayerFactory = Callable[[random.Random, dict[str, list[str]]], SimulatedPlayer]
"""`(rng, descriptions)` -> a player, with `descriptions: dict[figure_id, list[str]]`."""

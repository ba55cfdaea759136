"""The interface of simulated players. They know targets and figures, not the listener's letters."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from games.core import Deal, Game


def _everything(_selection: frozenset[str]) -> bool:
    return True


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
    allows: Callable[[frozenset[str]], bool] = field(default=_everything, compare=False, repr=False)
    """Whether one action of the listener can turn `selected` into a selection, by the rules of the game: there may
    be a limit to what is selected, or to the clicks of a turn."""

    @classmethod
    def of(cls, game: Game, deal: Deal, state: str, previous: Sequence[tuple[str, frozenset[str]]]) -> Self:
        """The view of a game in `state`, after the turns `previous`."""
        return cls(
            context=deal.speaker,
            targets=deal.targets,
            selected=frozenset(game.selected(deal.listener, state)),
            previous=tuple(previous),
            turn=len(previous),
            replaces=game.replaces,
            allows=lambda selection: game.action_to(deal.listener, state, selection) is not None,
        )


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

"""What a game is: the one interface that the store, the learner and the bot know.

A game talks to the rest of the house in plain strings, one string for each state and one for each action,
so that they can be stored, tokenised and exported without knowing the game. A second game is a second
implementation of `Game` and nothing else.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from games.figures import ImageSet


class Outcome(StrEnum):
    """How a game stands. `GIVEN_UP` is set by whoever runs the game, the others follow from the rules."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    GIVEN_UP = "given_up"


class IllegalAction(ValueError):
    """An action that the rules do not allow in the state it was tried in."""


@dataclass(frozen=True)
class Deal:
    """What one game is played with. Only the game, the store and the speaker's picture may read `targets`."""

    speaker: tuple[str, ...]
    """Figure ids in the order the speaker sees them."""
    listener: tuple[str, ...]
    """The same ids in the order the listener sees them: the *context*."""
    targets: frozenset[str]
    """The target set, a subset of the figure ids."""


@dataclass(frozen=True)
class Step:
    """One finished turn as the listener saw it."""

    state: str
    """The state before the action."""
    utterance: str
    action: str


@dataclass(frozen=True)
class Text:
    """A run of words in a prompt."""

    text: str


@dataclass(frozen=True)
class Figure:
    """A figure's picture in a prompt."""

    id: str


@dataclass(frozen=True)
class Message:
    """One message of a prompt, in the chat form that every instruction-tuned multimodal model knows."""

    role: Literal["user", "assistant"]
    parts: tuple[Text | Figure, ...]


@dataclass(frozen=True)
class Board:
    """A picture of a game for the speaker."""

    png: bytes
    alt: str
    """The same in words, at most 1,024 characters."""


class Game(Protocol):
    """The rules of one game and how the two sides see it."""

    name: str
    max_turns: int
    board_size: int
    """Figures on one board."""
    initial_state: str

    def deal(self, figures: Sequence[str], rng: random.Random) -> Deal:
        """Draw a board from at least `board_size` figure ids."""
        ...

    def legal_actions(self, state: str) -> Sequence[str]:
        """Every action the listener may take in `state`, each as its one string, in a fixed order."""
        ...

    def apply(self, state: str, action: str) -> str:
        """The state after `action`. Raises `IllegalAction`."""
        ...

    def selected(self, context: Sequence[str], state: str) -> tuple[str, ...]:
        """Ids of the figures selected in `state`, in the listener's order."""
        ...

    def action_to(self, context: Sequence[str], state: str, selection: frozenset[str]) -> str | None:
        """The action that turns `state` into exactly `selection`, or None if nothing has to change."""
        ...

    def outcome(self, deal: Deal, state: str, turns: int) -> Outcome:
        """How the game stands in `state` after `turns` finished turns. Looks at the targets."""
        ...

    def clicks_right(self, deal: Deal, state: str, action: str) -> tuple[int, int]:
        """(right clicks, all clicks) of an action. Looks at the targets: for evaluation only."""
        ...

    def prompt(
        self, context: Sequence[str], history: Sequence[Step], state: str, utterance: str
    ) -> list[Message]:
        """What the listener is shown before it acts. It has no way to the targets.

        The prompt of a turn is the prompt of the turn before, that turn's action and one more message:
        it only ever grows, so a model's cache of it stays good for the whole game.
        """
        ...

    def reorder(
        self, context: Sequence[str], steps: Sequence[Step], order: Sequence[int]
    ) -> tuple[tuple[str, ...], list[Step]]:
        """The same interaction had the listener seen the figures in another order.

        `order[i]` is the old position of the figure that stands at position i in the new context.
        """
        ...

    def render(self, deal: Deal, state: str, turns: int, outcome: Outcome, images: "ImageSet") -> Board:
        """The speaker's picture of the game after `turns` finished turns."""
        ...

"""The interface of a game. The store, the learner and the bot use only this, not the rules of one game.

A game here is a *selection game over figures*: a speaker sees a board of figures, some of which are targets, and
describes them; a listener sees the same figures in another order and changes which are selected, one action a turn.
Every state and every action is written as exactly one string, so that it can be stored, tokenised and exported
without knowing the game. To add a game, implement `Game` and add it to `games.GAMES`.
"""

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from games.figures import ImageSet


class Outcome(StrEnum):
    """The outcome of a game. `GIVEN_UP` is set by the caller, the others follow from the rules."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    GIVEN_UP = "given_up"


class Difficulty(StrEnum):
    """Which figures are on a board (`games.difficulty`), if it is not to be any."""

    NEAR = "near"
    """One figure and those that look most like it."""
    FAR = "far"
    """Figures that look different."""


class IllegalAction(ValueError):
    """An action that the rules do not allow in the given state."""


@dataclass(frozen=True)
class Deal:
    """The board of one game and its targets. Only the game, the store and the speaker's picture may read `targets`."""

    speaker: tuple[str, ...]
    """Figure ids in the order the speaker sees them."""
    listener: tuple[str, ...]
    """The same ids in the order the listener sees them: the *context*."""
    targets: frozenset[str]
    """The target set, a subset of the figure ids."""


@dataclass(frozen=True, slots=True)
class Step:
    """One finished turn from the listener's side."""

    state: str
    """The state before the action."""
    utterance: str
    action: str


@dataclass(frozen=True)
class Change:
    """The effect of one action on the selection, as figure ids (see `change_of`)."""

    before: frozenset[str]
    """Figures selected before the action."""
    after: frozenset[str]
    """Figures selected after it."""
    clicked: frozenset[str]
    """Figures that the listener clicked. Where a new pick replaces the old one, the old one was not clicked."""

    @property
    def picked(self) -> frozenset[str]:
        """Figures that the action selected."""
        return self.clicked & self.after

    @property
    def dropped(self) -> frozenset[str]:
        """Figures that the action deselected by a click."""
        return self.clicked - self.after

    def wrong(self, wanted: Collection[str]) -> frozenset[str]:
        """The clicks that are wrong if `wanted` is the selection to be reached."""
        return self.picked.difference(wanted) | self.dropped.intersection(wanted)


@dataclass(frozen=True)
class Text:
    """A piece of text in a prompt."""

    text: str


@dataclass(frozen=True)
class Figure:
    """A figure's picture in a prompt."""

    id: str


@dataclass(frozen=True)
class Message:
    """One message of a prompt, in the chat format of instruction-tuned multimodal models."""

    role: Literal["user", "assistant"]
    parts: tuple[Text | Figure, ...]


@dataclass(frozen=True)
class Board:
    """A picture of a game for the speaker."""

    png: bytes
    alt: str
    """Alternative text: the same in words, at most 1,024 characters."""


@dataclass(frozen=True)
class Words:
    """The texts of a game that people read. Pronouns agree with the number of targets. No figure or label is named.

    All but `setting` and `probe` are marked for translation (`games.language`).
    """

    title: str
    """The start of a thread's name; "with (player) #(number)" follows."""
    label: str
    """The choice in the list of `/play`, at most 100 characters."""
    how: str
    """A few sentences about board, targets and turns, for `/help`."""
    task: str
    """Shown with the first board: what the marks mean and what the listener knows."""
    ask: str
    """Shown after that: what the speaker should do. How to send a message follows."""
    won: str
    """Shown after a won game; "in (number of turns)" follows."""
    missed: str
    """Introduces the figures shown after a lost game."""
    meant: str
    """Introduces the figures shown after a game that was given up."""
    setting: str
    """Explains the game to a language model that is asked about a dialogue: who sees and does what."""
    probe: str = "the bird"
    """A typical first utterance of this game, used to probe a policy."""


class Game(Protocol):
    """The rules of one game and how the two sides see it."""

    name: str
    words: Words
    max_turns: int
    max_targets: int
    board_sizes: range
    """The possible numbers of figures on a board, in ascending order. A deal draws one of them."""
    replaces: bool
    """Whether a new pick replaces the one before. In such a game nothing can be deselected."""

    def deal(self, figures: Sequence[str], rng: random.Random) -> Deal:
        """Draw a board from figure ids. Raises ValueError if there are fewer than the smallest board needs.

        What is drawn depends on the number of figures, not on which they are. A listener who knew the targets could
        win within `max_turns`, though perhaps not in one action.
        """
        ...

    def initial_state(self, context: Sequence[str]) -> str:
        """The state before the first action. It may depend on the number of figures, but not on which they are."""
        ...

    def legal_actions(self, state: str) -> Sequence[str]:
        """Every action the listener may take in `state`, as strings, in a fixed order.

        The list depends on the state alone. Every action changes the selection.
        """
        ...

    def apply(self, state: str, action: str) -> str:
        """The state after `action`. Raises `IllegalAction`."""
        ...

    def selected(self, context: Sequence[str], state: str) -> tuple[str, ...]:
        """Ids of the figures selected in `state`, in the listener's order."""
        ...

    def clicked(self, context: Sequence[str], action: str) -> frozenset[str]:
        """Ids of the figures that an action names. Raises `IllegalAction`. `change_of` gives its whole effect."""
        ...

    def action_to(self, context: Sequence[str], state: str, selection: frozenset[str]) -> str | None:
        """The action that turns `state` into exactly `selection`.

        None if there is no such action: `selection` is already reached, or the rules do not allow it. A game need
        not have one to its targets, or to a single figure, in every state; callers do without. Raises
        ValueError for a figure that is not on the board.
        """
        ...

    def outcome(self, deal: Deal, state: str, turns: int) -> Outcome:
        """The outcome in `state` after `turns` finished turns. Reads the targets."""
        ...

    def prompt(
        self, context: Sequence[str], history: Sequence[Step], state: str, utterance: str
    ) -> list[Message]:
        """What the listener is shown before it acts. The arguments give no access to the targets.

        The prompt of a turn is the prompt of the turn before, that turn's action and one more message. Earlier parts
        never change, so a model's KV cache stays valid for the whole game.

        The first message opens with the board: for each figure a label, one capital letter, and its picture. Labels
        stand nowhere else but in states and actions. `games.letters.conversation` writes such prompts.
        """
        ...

    def reorder(
        self, context: Sequence[str], steps: Sequence[Step], order: Sequence[int]
    ) -> tuple[tuple[str, ...], list[Step]]:
        """The same interaction with the figures in another order for the listener.

        `order[i]` is the old position of the figure that stands at position i in the new context.
        """
        ...

    def render(self, deal: Deal, state: str, turns: int, outcome: Outcome, images: "ImageSet") -> Board:
        """The speaker's picture of the game after `turns` finished turns."""
        ...


def change_of(game: Game, context: Sequence[str], state: str, action: str) -> Change:
    """The change that `action` makes to the selection of `state`. Raises `IllegalAction`."""
    return Change(
        before=frozenset(game.selected(context, state)),
        after=frozenset(game.selected(context, game.apply(state, action))),
        clicked=game.clicked(context, action),
    )


@lru_cache(maxsize=20_000)
def change_by_place(game: Game, size: int, state: str, action: str) -> Change:
    """`change_of` on a board of `size` figures whose ids are their places for the listener ("0", "1", ...).

    States and actions name places, so this is `change_of` without the figures' names, and few changes are different.
    """
    return change_of(game, places(range(size)), state, action)


def places(numbers: Iterable[int]) -> tuple[str, ...]:
    """The ids of figures by their places, as `change_by_place` writes them."""
    return tuple(map(str, numbers))


def clicks_right(game: Game, deal: Deal, state: str, action: str) -> tuple[int, int]:
    """(right clicks, all clicks) of an action. Reads the targets, so it is for evaluation only."""
    change = change_of(game, deal.listener, state, action)
    return len(change.clicked) - len(change.wrong(deal.targets)), len(change.clicked)

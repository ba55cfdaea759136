"""What a game is: the one interface that the store, the learner and the bot know.

A game here is a *selection game over figures*: a speaker sees a board of figures, some of which are targets, and
describes them; a listener sees the same figures in another order and changes which are selected, one action a turn.
States and actions are plain strings, one for each, so that they can be stored, tokenised and exported without knowing
the game. Another game is one more implementation of `Game`, entered in `games.GAMES`, and nothing else.
"""

import random
from collections.abc import Collection, Sequence
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
class Change:
    """What one action did to the selection, in figure ids (see `change_of`)."""

    before: frozenset[str]
    """Selected before the action."""
    after: frozenset[str]
    """Selected after it."""
    clicked: frozenset[str]
    """What the listener clicked. In a game where a pick replaces another, the one replaced was not clicked."""

    @property
    def picked(self) -> frozenset[str]:
        """What the action selected."""
        return self.clicked & self.after

    @property
    def dropped(self) -> frozenset[str]:
        """What the action deselected on purpose."""
        return self.clicked - self.after

    def wrong(self, wanted: Collection[str]) -> frozenset[str]:
        """The clicks that are wrong if `wanted` is the selection to reach."""
        return self.picked.difference(wanted) | self.dropped.intersection(wanted)


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


@dataclass(frozen=True)
class Words:
    """What people read about a game. Pronouns fit the number of targets; no sentence names a figure or a label."""

    title: str
    """Before "with (player) #(number)", the name of a game's thread."""
    label: str
    """In the list of `/play`, at most 100 characters."""
    how: str
    """One sentence or a few about board, targets and turns, for `/help`."""
    task: str
    """On the first board: what the marks mean and what the listener knows."""
    ask: str
    """On the first board, before how to say it: what the speaker is to do."""
    won: str
    """Before "in (so many turns)"."""
    missed: str
    """Of the figures shown after a lost game."""
    meant: str
    """Of the figures shown after a game that was given up."""
    setting: str
    """For a language model that is asked about the dialogue: who sees and does what."""
    probe: str = "the bird"
    """An utterance such as a speaker of this game might open with, to try a policy with."""


class Game(Protocol):
    """The rules of one game and how the two sides see it."""

    name: str
    words: Words
    max_turns: int
    max_targets: int
    board_sizes: range
    """Figures on one board, the smallest number first. A deal draws one of them."""
    replaces: bool
    """Whether a pick takes the place of the one before. Then nothing can be deselected."""

    def deal(self, figures: Sequence[str], rng: random.Random) -> Deal:
        """Draw a board from figure ids. Raises ValueError for fewer than the smallest board needs."""
        ...

    def initial_state(self, context: Sequence[str]) -> str:
        """The state before the first action. It may depend on how many figures there are, not on which."""
        ...

    def legal_actions(self, state: str) -> Sequence[str]:
        """Every action the listener may take in `state`, each as its one string, in a fixed order.

        It follows from the state alone. Every action changes the selection.
        """
        ...

    def apply(self, state: str, action: str) -> str:
        """The state after `action`. Raises `IllegalAction`."""
        ...

    def selected(self, context: Sequence[str], state: str) -> tuple[str, ...]:
        """Ids of the figures selected in `state`, in the listener's order."""
        ...

    def clicked(self, context: Sequence[str], action: str) -> frozenset[str]:
        """Ids of the figures that an action names. Raises `IllegalAction`. See also `change_of`."""
        ...

    def action_to(self, context: Sequence[str], state: str, selection: frozenset[str]) -> str | None:
        """The action that turns `state` into exactly `selection`.

        None where there is none: nothing has to change, or the rules do not allow that selection. Raises ValueError
        for a figure that is not on the board.
        """
        ...

    def outcome(self, deal: Deal, state: str, turns: int) -> Outcome:
        """How the game stands in `state` after `turns` finished turns. Looks at the targets."""
        ...

    def prompt(
        self, context: Sequence[str], history: Sequence[Step], state: str, utterance: str
    ) -> list[Message]:
        """What the listener is shown before it acts. It has no way to the targets.

        The prompt of a turn is the prompt of the turn before, that turn's action and one more message:
        it only ever grows, so a model's cache of it stays good for the whole game.

        The first message opens with the board: for each figure a label, one capital letter, and its picture. Labels
        stand nowhere else but in states and actions. `games.letters.conversation` writes such prompts.
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


def change_of(game: Game, context: Sequence[str], state: str, action: str) -> Change:
    """What `action` does to the selection of `state`. Raises `IllegalAction`."""
    return Change(
        before=frozenset(game.selected(context, state)),
        after=frozenset(game.selected(context, game.apply(state, action))),
        clicked=game.clicked(context, action),
    )


def clicks_right(game: Game, deal: Deal, state: str, action: str) -> tuple[int, int]:
    """(right clicks, all clicks) of an action. Looks at the targets: for evaluation only."""
    change = change_of(game, deal.listener, state, action)
    return len(change.clicked) - len(change.wrong(deal.targets)), len(change.clicked)

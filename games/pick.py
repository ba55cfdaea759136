"""Pick: a speaker describes one of four to twelve figures, a listener points at one figure a turn.

A state is the letter pointed at and the size of the board ("B of 7", or "none of 7" before the first turn), an action
is "select X" for any other letter of the board. The listener's letters are never shown to the speaker.
"""

import random
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from games.core import Board, Deal, IllegalAction, Message, Outcome, Step, Words
from games.language import N_
from games.letters import LETTERS, SELECT, conversation

if TYPE_CHECKING:
    from games.figures import ImageSet

WORDS = Words(
    title=N_("Pick one"),
    label=N_("Pick one: a single target among four to twelve figures"),
    how=N_(
        "Four to twelve figures, one target, three turns. I point at one figure a turn; you win once it is the target."
    ),
    task=N_(
        "The figure with a ★ is the target. I see the same figures in another order and don't know which it is."
    ),
    ask=N_("Describe it to me"),
    won=N_("Got it"),
    missed=N_("This is the one I missed"),
    meant=N_("This is the one you meant."),
    setting=(
        "Two partners look at the same pictures. The speaker describes one of them; turn by turn the listener points "
        "at one picture by letter."
    ),
)

NONE = "none"
_STATE = re.compile(rf"({NONE}|[{LETTERS}]) of ([1-9]\d?)")


def parse_state(state: str) -> tuple[str, str]:
    """(the letter pointed at or "", letters of the board). Raises ValueError if it is not a state."""
    found = _STATE.fullmatch(state)
    letters = LETTERS[: int(found[2])] if found and int(found[2]) in Pick.board_sizes else ""
    if found is None or not letters or (found[1] != NONE and found[1] not in letters):
        raise ValueError(
            f"{state!r} is not a state: expected a letter or 'none' and a board's size, like 'B of 7'"
        )
    return found[1].removeprefix(NONE), letters


def format_state(letter: str, size: int) -> str:
    """The state as a string: the letter pointed at ("" for none) and the size of the board."""
    return f"{letter or NONE} of {size}"


def parse_action(action: str) -> str:
    """The letter of an action. Raises `IllegalAction`."""
    verb, _, letter = action.partition(" ")
    if verb != SELECT or len(letter) != 1 or letter not in LETTERS:
        raise IllegalAction(f"{action!r} is not an action: expected 'select' and one letter, like 'select B'")
    return letter


class Pick:
    """The rules of Pick. The class holds no state: one instance serves every game."""

    name = "pick"
    words = WORDS
    max_turns = 3
    max_targets = 1
    board_sizes = range(4, len(LETTERS) + 1)
    replaces = True

    def deal(self, figures: Sequence[str], rng: random.Random) -> Deal:
        ids = sorted(set(figures))
        sizes = [size for size in self.board_sizes if size <= len(ids)]
        if not sizes:
            raise ValueError(
                f"A board needs {self.board_sizes[0]} different figures, this image set has {len(ids)}"
            )
        board = rng.sample(ids, rng.choice(sizes))
        return Deal(
            speaker=tuple(rng.sample(board, len(board))),
            listener=tuple(rng.sample(board, len(board))),
            targets=frozenset(board[:1]),
        )

    def initial_state(self, context: Sequence[str]) -> str:
        return format_state("", len(context))

    def legal_actions(self, state: str) -> Sequence[str]:
        picked, letters = parse_state(state)
        return tuple(f"{SELECT} {letter}" for letter in letters if letter != picked)

    def apply(self, state: str, action: str) -> str:
        picked, letters = parse_state(state)
        letter = parse_action(action)
        if letter not in letters:
            raise IllegalAction(f"{action!r} points at no figure of the board in state {state!r}")
        if letter == picked:
            raise IllegalAction(f"{action!r} points at what is already selected in state {state!r}")
        return format_state(letter, len(letters))

    def selected(self, context: Sequence[str], state: str) -> tuple[str, ...]:
        picked, _ = parse_state(state)
        return (context[LETTERS.index(picked)],) if picked else ()

    def clicked(self, context: Sequence[str], action: str) -> frozenset[str]:
        return frozenset([context[LETTERS.index(parse_action(action))]])

    def action_to(self, context: Sequence[str], state: str, selection: frozenset[str]) -> str | None:
        if not selection <= set(context):
            raise ValueError(f"{sorted(selection - set(context))} are not on this board")
        if len(selection) != 1 or selection == set(self.selected(context, state)):
            return None
        (wanted,) = selection
        return f"{SELECT} {LETTERS[list(context).index(wanted)]}"

    def outcome(self, deal: Deal, state: str, turns: int) -> Outcome:
        if frozenset(self.selected(deal.listener, state)) == deal.targets:
            return Outcome.WON
        return Outcome.LOST if turns >= self.max_turns else Outcome.OPEN

    def prompt(
        self, context: Sequence[str], history: Sequence[Step], state: str, utterance: str
    ) -> list[Message]:
        return conversation(context, history, state, utterance, letters_of=lambda each: parse_state(each)[0])

    def reorder(
        self, context: Sequence[str], steps: Sequence[Step], order: Sequence[int]
    ) -> tuple[tuple[str, ...], list[Step]]:
        if sorted(order) != list(range(len(context))):
            raise ValueError(f"{list(order)} is not an order of {len(context)} figures")
        new_letter = {"": "", **{LETTERS[old]: LETTERS[new] for new, old in enumerate(order)}}
        moved = [
            Step(
                format_state(new_letter[parse_state(step.state)[0]], len(context)),
                step.utterance,
                f"{SELECT} {new_letter[parse_action(step.action)]}",
            )
            for step in steps
        ]
        return tuple(context[old] for old in order), moved

    def render(self, deal: Deal, state: str, turns: int, outcome: Outcome, images: "ImageSet") -> Board:
        from games.board import draw_board  # Pillow is loaded only where pictures are drawn

        return draw_board(
            deal, frozenset(self.selected(deal.listener, state)), turns, self.max_turns, outcome, images
        )

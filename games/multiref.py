"""MultiRef: a speaker describes several of ten figures, a listener clicks them (Chen et al., 2025).

A state is the selected letters in order ("A C", or "" when none is), an action is
"deselect X.. select Y.." with letters in order. The listener's letters are never shown to the speaker.
"""

import random
from collections.abc import Sequence
from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING

from games.core import Board, Deal, IllegalAction, Message, Outcome, Step, Words
from games.language import N_
from games.letters import LETTERS as ALL_LETTERS
from games.letters import conversation, format_action, format_state

if TYPE_CHECKING:
    from games.figures import ImageSet

LETTERS = ALL_LETTERS[:10]
"""The labels of a board, in the order of its figures."""

WORDS = Words(
    title=N_("Tangrams"),
    label=N_("Tangrams: several targets among ten figures"),
    how=N_(
        "Ten figures, three to five targets, ten turns. Describe the targets, one or several at a time; what I click "
        "stays selected. You win once exactly the targets are selected."
    ),
    task=N_(
        "The figures with a ★ are the targets. I see the same figures in another order and don't know which they are."
    ),
    ask=N_("Describe them to me"),
    won=N_("Got them all"),
    missed=N_("These are the ones I missed or got wrong"),
    meant=N_("These are the ones you meant."),
    setting=(
        "Two partners look at the same ten pictures. The speaker describes some of them, turn by turn; the listener "
        "selects or deselects pictures by letter."
    ),
)


def parse_state(state: str) -> frozenset[str]:
    """Letters selected in a state. Raises ValueError for anything `format_state` would not write."""
    letters = frozenset(state.split())
    if format_state(letters) != state or not letters <= set(LETTERS):
        raise ValueError(f"{state!r} is not a state: expected letters A to J in order, like 'A C'")
    return letters


def parse_action(action: str) -> tuple[frozenset[str], frozenset[str]]:
    """(deselected, selected) letters of an action. The exact inverse of `format_action`.

    Raises `IllegalAction` for anything that `format_action` would not write.
    """
    clicks: dict[str, set[str]] = {"deselect": set(), "select": set()}
    verb = ""
    for word in action.split(" "):
        if word in clicks:
            verb = word
        elif verb and len(word) == 1 and word in LETTERS:
            clicks[verb].add(word)
        else:
            raise IllegalAction(f"{action!r} is not an action: unexpected {word!r}")
    deselect, select = frozenset(clicks["deselect"]), frozenset(clicks["select"])
    if not deselect | select:
        raise IllegalAction(f"{action!r} is not an action: it has no click")
    if deselect & select:
        raise IllegalAction(f"{action!r} is not an action: it clicks a figure twice")
    if format_action(deselect, select) != action:
        raise IllegalAction(f"{action!r} is not an action: letters and verbs must stand in order, once each")
    return deselect, select


@lru_cache(maxsize=256)
def _legal_actions(state: str) -> tuple[str, ...]:
    selected = parse_state(state)
    deselects = _clicks("deselect", [letter for letter in LETTERS if letter in selected])
    selects = _clicks("select", [letter for letter in LETTERS if letter not in selected])
    actions = [f"{one} {other}" for one in deselects[1:] for other in selects[1:]]
    # Interned to save memory: the same action is legal in many states, whose lists are cached.
    return tuple(sorted(map(intern, [*actions, *deselects[1:], *selects[1:]])))


def _clicks(verb: str, letters: Sequence[str]) -> list[str]:
    """The verb followed by each subset of the letters, in order; first "" for the empty subset."""
    subsets = [""]
    for letter in letters:
        subsets += [f"{subset} {letter}" for subset in subsets]
    return [verb + subset if subset else "" for subset in subsets]


class MultiRef:
    """The rules of MultiRef. The class holds no state: one instance serves every game."""

    name = "multiref"
    words = WORDS
    max_turns = 10
    max_targets = 5
    board_sizes = range(len(LETTERS), len(LETTERS) + 1)
    replaces = False

    def deal(self, figures: Sequence[str], rng: random.Random) -> Deal:
        if len(set(figures)) < len(LETTERS):
            raise ValueError(
                f"A board needs {len(LETTERS)} different figures, this image set has {len(set(figures))}"
            )
        board = rng.sample(sorted(set(figures)), len(LETTERS))
        targets = rng.sample(board, rng.randint(3, self.max_targets))
        return Deal(
            speaker=tuple(rng.sample(board, len(board))),
            listener=tuple(rng.sample(board, len(board))),
            targets=frozenset(targets),
        )

    def initial_state(self, context: Sequence[str]) -> str:
        return ""

    def legal_actions(self, state: str) -> Sequence[str]:
        return _legal_actions(state)

    def apply(self, state: str, action: str) -> str:
        selected = parse_state(state)
        deselect, select = parse_action(action)
        if not deselect <= selected:
            raise IllegalAction(f"{action!r} deselects what is not selected in state {state!r}")
        if select & selected:
            raise IllegalAction(f"{action!r} selects what is already selected in state {state!r}")
        return format_state(selected - deselect | select)

    def selected(self, context: Sequence[str], state: str) -> tuple[str, ...]:
        return tuple(context[LETTERS.index(letter)] for letter in state.split())

    def clicked(self, context: Sequence[str], action: str) -> frozenset[str]:
        deselect, select = parse_action(action)
        return frozenset(context[LETTERS.index(letter)] for letter in deselect | select)

    def action_to(self, context: Sequence[str], state: str, selection: frozenset[str]) -> str | None:
        if not selection <= set(context):
            raise ValueError(f"{sorted(selection - set(context))} are not on this board")
        before = parse_state(state)
        after = frozenset(
            letter for letter, figure in zip(LETTERS, context, strict=True) if figure in selection
        )
        return format_action(before - after, after - before) or None

    def outcome(self, deal: Deal, state: str, turns: int) -> Outcome:
        if frozenset(self.selected(deal.listener, state)) == deal.targets:
            return Outcome.WON
        return Outcome.LOST if turns >= self.max_turns else Outcome.OPEN

    def prompt(
        self, context: Sequence[str], history: Sequence[Step], state: str, utterance: str
    ) -> list[Message]:
        return conversation(context, history, state, utterance, letters_of=str)

    def reorder(
        self, context: Sequence[str], steps: Sequence[Step], order: Sequence[int]
    ) -> tuple[tuple[str, ...], list[Step]]:
        if sorted(order) != list(range(len(context))):
            raise ValueError(f"{list(order)} is not an order of {len(context)} figures")
        new_letter = {LETTERS[old]: LETTERS[new] for new, old in enumerate(order)}

        def moved(letters: frozenset[str]) -> frozenset[str]:
            return frozenset(new_letter[letter] for letter in letters)

        new_steps = []
        for step in steps:
            deselect, select = parse_action(step.action)
            new_steps.append(
                Step(
                    format_state(moved(parse_state(step.state))),
                    step.utterance,
                    format_action(moved(deselect), moved(select)),
                )
            )
        return tuple(context[old] for old in order), new_steps

    def render(self, deal: Deal, state: str, turns: int, outcome: Outcome, images: "ImageSet") -> Board:
        from games.board import draw_board  # Pillow is loaded only where pictures are drawn

        return draw_board(
            deal, frozenset(self.selected(deal.listener, state)), turns, self.max_turns, outcome, images
        )

"""Letters as labels of the listener's figures, and the prompts written with them. The speaker never sees them."""

from collections.abc import Callable, Sequence

from games.core import Figure, Message, Step, Text

LETTERS = "ABCDEFGHIJKL"
"""Labels in board order, enough for the largest board of any game."""

SELECT, DESELECT = "select", "deselect"

WORDS = (SELECT, DESELECT, "none", "is", "selected", "currently", ".")
"""The words of states and actions, other than letters."""


def format_state(letters: frozenset[str]) -> str:
    """A selection as a string: its letters in order."""
    return " ".join(sorted(letters))


def format_action(deselect: frozenset[str], select: frozenset[str]) -> str:
    """A set of clicks as a string, "" for none."""
    clicks = ((DESELECT, deselect), (SELECT, select))
    return " ".join(f"{verb} {format_state(letters)}" for verb, letters in clicks if letters)


def selection_in_words(letters: str) -> str:
    """The sentence of a prompt that says which letters are selected; "" stands for none."""
    return f"{letters} currently selected" if letters else "none is selected"


def conversation(
    context: Sequence[str],
    history: Sequence[Step],
    state: str,
    utterance: str,
    letters_of: Callable[[str], str],
) -> list[Message]:
    """A prompt as `Game.prompt` describes it; `letters_of` gives the letters selected in a state, in order."""
    board: list[Text | Figure] = []
    for letter, figure in zip(LETTERS, context, strict=False):
        board += [Text(letter), Figure(figure)]
    messages = []
    for i, step in enumerate([*history, Step(state, utterance, "")]):
        asked = Text(f"{selection_in_words(letters_of(step.state))}. {step.utterance}")
        messages.append(Message("user", (*board, asked) if i == 0 else (asked,)))
        if i < len(history):
            messages.append(Message("assistant", (Text(step.action),)))
    return messages

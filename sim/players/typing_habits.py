"""How people type: case, full stops, typing errors. Pure functions of a random generator."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class TypingHabits:
    """One player's way of typing."""

    lower_case: bool
    full_stops: bool
    exclaims: float
    """Share of utterances that end in an exclamation mark."""
    slip_rate: float
    """Typing errors per word of four letters or more."""


def draw_typing_habits(rng: random.Random) -> TypingHabits:
    """Draw random habits."""
    return TypingHabits(
        lower_case=rng.random() < 0.6,
        full_stops=rng.random() < 0.35,
        exclaims=rng.choice((0.0, 0.0, 0.02, 0.15)),
        slip_rate=rng.choice((0.0, 0.0, 0.005, 0.01, 0.03)),
    )


def typed(text: str, habits: TypingHabits, rng: random.Random) -> str:
    """`text` as this person would type it."""
    words = [
        _slipped(word, rng) if word.isascii() and word.isalpha() and rng.random() < habits.slip_rate else word
        for word in text.split()
    ]
    text = " ".join(words)
    if habits.lower_case:
        text = text.lower()
    elif text:
        text = text[0].upper() + text[1:]
    if text and text[-1].isalnum():
        if rng.random() < habits.exclaims:
            text += "!"
        elif habits.full_stops:
            text += "."
    return text


def _slipped(word: str, rng: random.Random) -> str:
    """Add one typing error to a word of four letters or more, never to its first letter."""
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

"""What of a message is an utterance to play, and what is to be said about the rest."""

from dataclasses import dataclass

from bot import texts
from games.words import plain, spoken

LONGEST = 1000
"""Characters of one utterance."""
CHATTER = ("//", "((", "（（")


@dataclass(frozen=True)
class Utterance:
    """Words to play."""

    text: str
    """As written, trimmed."""


@dataclass(frozen=True)
class Unplayable:
    """Something meant for the bot that it cannot play, with what to say about it."""

    answer: str


def read(text: str, extras: bool = False) -> Utterance | Unplayable | None:
    """What to do with a message: play it, answer it, or (None) leave it alone.

    `extras`: it carries attachments, stickers or the like.
    """
    text = text.strip()
    if text.startswith(CHATTER):
        return None
    if not text:
        return Unplayable(texts.NO_ATTACHMENTS) if extras else None
    length = len(text) if len(text) > LONGEST else len(words := plain(text))
    if length > LONGEST:  # compatibility characters may be many letters: U+FDFA is 18
        return Unplayable(texts.too_long(length, LONGEST))
    if not any(map(str.isalnum, spoken(words))):
        return Unplayable(texts.NO_ATTACHMENTS if extras or "://" in text else texts.WORDS_PLEASE)
    return Utterance(text)

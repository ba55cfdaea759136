"""Decides whether a message is an utterance to play, and what to answer if it is not."""

from dataclasses import dataclass

from bot import texts
from games.words import plain, spoken

LONGEST = 1000
"""Longest utterance in characters."""
CHATTER = ("//", "((", "（（")


@dataclass(frozen=True)
class Utterance:
    """An utterance to play."""

    text: str
    """The text as written, without surrounding white space."""


@dataclass(frozen=True)
class Unplayable:
    """A message for the bot that it cannot play, and the answer to it."""

    answer: str


def read(text: str, extras: bool = False) -> Utterance | Unplayable | None:
    """Whether to play a message, to answer it, or (None) to ignore it.

    `extras`: the message has attachments, stickers or similar.
    """
    text = text.strip()
    if text.startswith(CHATTER):
        return None
    if not text:
        return Unplayable(texts.NO_ATTACHMENTS) if extras else None
    words = plain(text) if len(text) <= LONGEST else text
    length = len(words)
    if length > LONGEST:  # compatibility characters may be many letters: U+FDFA is 18
        return Unplayable(texts.too_long(length, LONGEST))
    if not any(map(str.isalnum, spoken(words))):
        return Unplayable(texts.NO_ATTACHMENTS if extras or "://" in text else texts.WORDS_PLEASE)
    return Utterance(text)

"""What of a message is an instruction, and the plain words in it that the policy is given."""

import re
import unicodedata
from dataclasses import dataclass

from bot import texts

LONGEST = 1000
"""Characters of one utterance."""
CHATTER = ("//", "((", "（（")

_MENTION = re.compile(r"<(?:@[!&]?|#)\d+>|<id:\w+>|<t:-?\d+(?::\w)?>|</[^:>]+:\d+>")
_EMOJI = re.compile(r"<a?:(\w+):\d+>")
_FENCE = re.compile(r"```(?:[a-z0-9_+-]*\n)?(.*?)```", re.DOTALL | re.IGNORECASE)
_LINK = re.compile(r"\[([^\]\n]+)\]\(<?[a-z][a-z0-9+.-]*://[^)\s]+>?\)", re.IGNORECASE)
_LINE_START = re.compile(r"^[ \t]*(?:>{1,3}[ \t]+|-#[ \t]+|#{1,3}[ \t]+|[-*+][ \t]+)+", re.MULTILINE)
_PAIRS = tuple(
    re.compile(rf"(?<!\\){re.escape(mark)}(?=\S)(.+?)(?<=[^\s\\]){re.escape(mark)}", re.DOTALL)
    for mark in ("***", "**", "__", "~~", "||", "``", "`", "*")
)
_UNDERSCORE = re.compile(r"(?<![\w\\])_(?=\S)(.+?)(?<=\S)_(?!\w)", re.DOTALL)
_ESCAPE = re.compile(r"\\([^\w\s])")


@dataclass(frozen=True)
class Instruction:
    """Words to play."""

    text: str
    """As written, trimmed."""


@dataclass(frozen=True)
class Unplayable:
    """Something meant for the bot that it cannot play, with what to say about it."""

    answer: str


def plain(text: str) -> str:
    """The words of a message on one line: no markdown, mentions, control or invisible characters.

    This is what the policy sees and what the turn's row keeps, so that training sees the same x.
    """
    text = unicodedata.normalize("NFC", text)
    text = _FENCE.sub(r" \1 ", text)
    text = _LINK.sub(r"\1", text)
    text = _MENTION.sub(" ", text)
    text = _EMOJI.sub(" ", text)
    text = _LINE_START.sub("", text)
    for pair in _PAIRS:
        text = pair.sub(r"\1", text)
    text = _UNDERSCORE.sub(r"\1", text)
    text = _ESCAPE.sub(r"\1", text)
    text = "".join(
        " " if unicodedata.category(char) in ("Zl", "Zp", "Cc") else char
        for char in text
        if unicodedata.category(char) not in ("Cf", "Co", "Cn", "Cs")
    )
    return " ".join(text.split())


def read(text: str, extras: bool = False) -> Instruction | Unplayable | None:
    """What to do with a message: play it, answer it, or (None) leave it alone.

    `extras`: it carries attachments, stickers or the like.
    """
    text = text.strip()
    if text.startswith(CHATTER):
        return None
    if not text:
        return Unplayable(texts.NO_ATTACHMENTS) if extras else None
    if len(text) > LONGEST:
        return Unplayable(texts.too_long(len(text), LONGEST))
    if not any(char.isalnum() for char in plain(text)):
        return Unplayable(texts.WORDS_PLEASE)
    return Instruction(text)

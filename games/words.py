"""What people type as plain words: one normaliser for the bot, the policy and the feedback decoder."""

import re
import unicodedata
from typing import Literal

from anyascii import anyascii

from games.emoji import MEANINGS

_MENTION = re.compile(r"<(?:@[!&]?|#)\d+>|<id:\w+>|<t:-?\d+(?::\w)?>|</[^:>]+:\d+>")
_CUSTOM_EMOJI = re.compile(r"<a?:(\w+):\d+>")
_FENCE = re.compile(r"```(?:[a-z0-9_+-]*\n)?(.*?)```", re.DOTALL | re.IGNORECASE)
_NAMED_LINK = re.compile(r"\[([^\]\n]+)\]\(<?[a-z][a-z0-9+.-]*://[^)\s]+>?\)", re.IGNORECASE)
_LINK = re.compile(r"<?\b[a-z][a-z0-9+.-]*://[^\s>]+>?", re.IGNORECASE)
_STRUCK = re.compile(r"(?<!\\)~~(?=\S)(.+?)(?<=[^\\\s])~~", re.DOTALL)
_QUOTE = re.compile(r"[ \t]*>(?:[ \t]+|>>[ \t]+)")
_LINE_START = re.compile(r"^[ \t]*(?:>{1,3}[ \t]+|-#[ \t]+|#{1,3}[ \t]+|[-*+][ \t]+)+", re.MULTILINE)
_NEXT_ITEM = re.compile(r"(?<=[^\s.,;:!?(-])[ \t]*\n\s*(?:[-*+]|\d{1,2}[.)])[ \t]+(?=\S)")
_PAIRS = tuple(
    re.compile(rf"(?<!\\){re.escape(mark)}(?=\S)(.+?)(?<=[^\s\\]){re.escape(mark)}", re.DOTALL)
    for mark in ("***", "**", "__", "||", "``", "`", "*")
)
_UNDERSCORE = re.compile(r"(?<![\w\\])_(?=\S)(.+?)(?<=\S)_(?!\w)", re.DOTALL)
_ESCAPE = re.compile(r"\\([^\w\s])")
_PUNCTUATION = str.maketrans(
    {
        **dict.fromkeys("’‘‛`´ʼʹ＇", "'"),
        **dict.fromkeys("“”„‟«»「」『』＂", '"'),
        **dict.fromkeys("‐‑‒−", "-"),
    }
)
_LINE_END = re.compile(r"[ \t]*[\n\r\u2028\u2029\v\f]+[ \t]*")
EMOJI_NAME = re.compile(r":([\w+-]{1,40}):")
"""An emoji by its name, as Discord writes it in plain text."""
_SIGNS = ("So", "Sk")
"""Unicode categories of emoji and of their skin tones."""
_IDEOGRAPH = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")


def storable(text: str, halves: Literal["ignore", "replace"] = "ignore") -> str:
    """A text without what databases or UTF-8 cannot hold: NUL, and halves of surrogate pairs, which are left out or
    replaced by question marks."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode(errors=halves).decode()


def plain(text: str) -> str:
    """The words of a message on one line: what the store keeps, the policy sees and the decoder reads.

    No markdown, mentions, links, control or invisible characters; what was struck out, and quoted lines beside
    words of one's own, are left out. Compatibility characters become ordinary ones (NFKC, so that lengths counted
    here hold further on), quotation marks and apostrophes those of a keyboard, a line break a comma, the next item of a
    list follows a semicolon, a server's own emoji becomes its name between colons. Emoji and letters of every script
    stay. Idempotent.
    """
    while True:
        once = _plain(text)
        if once == text:
            return once
        text = once


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    text = _FENCE.sub(r" \1 ", text)
    text = _NAMED_LINK.sub(r"\1", text)
    text = _LINK.sub(" ", text)
    text = _MENTION.sub(" ", text)
    text = _CUSTOM_EMOJI.sub(r" :\1: ", text)
    text = _STRUCK.sub(" ", text)
    text = _without_quotes(text)
    text = _NEXT_ITEM.sub("; ", text)
    text = _LINE_START.sub("", text)
    for pair in _PAIRS:
        text = pair.sub(r"\1", text)
    text = _UNDERSCORE.sub(r"\1", text)
    text = _ESCAPE.sub(r"\1", text)
    text = _LINE_END.sub(_joint, text.strip())
    text = "".join(
        " " if unicodedata.category(char) in ("Zl", "Zp", "Cc") else char
        for char in text
        if unicodedata.category(char) not in ("Cf", "Co", "Cn", "Cs") and char not in "\ufe0e\ufe0f"
    )
    return " ".join(text.translate(_PUNCTUATION).split())


def _without_quotes(text: str) -> str:
    """Without quoted lines, unless nothing else was written."""
    lines = text.split("\n")
    own = [line for line in lines if not _QUOTE.match(line)]
    return "\n".join(own) if any(line.strip() for line in own) else text


def _joint(line_end: re.Match[str]) -> str:
    before = line_end.string[: line_end.start()].rstrip()[-1:]
    return " " if not before or before in ".,;:!?-(" else ", "


def emoji_named(text: str) -> str:
    """With every emoji as its name between colons ("👍🏽" is ":thumbsup:"); letters of any script stay."""
    if text.isascii():
        return text
    return "".join(anyascii(char) if unicodedata.category(char) in _SIGNS else char for char in text)


def spoken(text: str) -> str:
    """Plain words in lower case and Latin letters, emoji as words: for a model that knows few characters.

    "Bär" is "bar", "犬" "quan", "🦆" "duck", "👍" "yes". Words stay apart unless they are written alike in Latin
    letters (`anyascii`). Idempotent.
    """
    if not text.isascii():
        text = anyascii(_IDEOGRAPH.sub(r" \1 ", emoji_named(text)))
    text = EMOJI_NAME.sub(
        lambda found: f" {MEANINGS.get(found[1], found[1].replace('_', ' '))} ", text.lower()
    )
    return " ".join(text.split())

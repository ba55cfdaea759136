"""Turns a message into plain words, the form that the policy sees and the store keeps."""

import re
import unicodedata

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


def plain(text: str) -> str:
    """The words of a message on one line: no markdown, mentions, control or invisible characters.

    The policy sees this and the turn's row stores it, so that training has the same input.
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

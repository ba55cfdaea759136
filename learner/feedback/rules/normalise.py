"""Normalises utterances to clauses of plain words, in bounded time and without raising for any text."""

import re
from dataclasses import dataclass
from functools import lru_cache

from games.emoji import MEANINGS
from games.words import EMOJI_NAME, emoji_named, plain
from learner.feedback.rules import lexicon

HEAD, TAIL = 1200, 400
"""Characters that are read of a long text, at its beginning, where people confirm or reject, and at its end."""


@dataclass(frozen=True)
class Reading:
    """An utterance as clauses, each a tuple of words."""

    clauses: tuple[tuple[str, ...], ...]
    """The clauses, without quoted text unless there is nothing else."""
    content: frozenset[str]
    """Stems of the words that help to identify a figure, quoted ones included."""

    @property
    def text(self) -> str:
        """All clauses in one line, each between bars: "| yes | the bird |"."""
        return "| " + " | ".join(" ".join(clause) for clause in self.clauses) + " |"


def read(text: str) -> Reading:
    """The clauses and the content words of one utterance."""
    if len(text) > HEAD + TAIL:  # cut between words: a part of "now" is "no"
        text = " . ".join((*text[:HEAD].rsplit(maxsplit=1)[:1], *text[-TAIL:].split(maxsplit=1)[1:]))
    return _read(text)


@lru_cache(maxsize=4096)
def _read(text: str) -> Reading:
    plain = _plain(text)
    unquoted = re.sub(r'"[^"]*"', " , ", plain)
    clauses = _clauses(unquoted) or _clauses(plain)
    content = frozenset(
        stem(word)
        for clause in _clauses(plain)
        for word in clause
        if word not in lexicon.FUNCTION_WORDS and not (word.isascii() and word in lexicon.DESELECT_VERBS)
    )
    return Reading(clauses, content)


def _plain(text: str) -> str:
    """Plain words (`games.words`) in lower case, emoji as the words they stand for, contractions open."""
    text = emoji_named(plain(text)).lower()[: 4 * (HEAD + TAIL)]
    text = EMOJI_NAME.sub(lambda found: _emoji_words(found[1]), text)
    text = re.sub(r"(?<!\S)\+1(?!\S)", " , yes , ", text)
    text = re.sub(r"(?<!\S)-1(?!\S)", " , no , ", text)
    text = re.sub(r"(?<!\S)/s(?:arcasm)?(?!\S)", " , no , ", text)
    text = re.sub(r"'{2,}", " ", text)
    text = re.sub(r"(?<=[a-z]);(?=[a-z])", "l", text)  # typing error: the key beside it
    text = re.sub(r"[*_~|#]+", " ", text)
    for pattern, replacement in _CONTRACTIONS:
        text = pattern.sub(replacement, text)
    return text


def _emoji_words(name: str) -> str:
    meaning = MEANINGS.get(name)
    return f" , {meaning} , " if meaning else f" {name.replace('_', ' ')} "


def _clauses(plain: str) -> tuple[tuple[str, ...], ...]:
    clauses = []
    for part in _BREAK.split(plain):
        tokens = [_unstretched(token) for token in _WORD.findall(part)]
        if tokens:
            tokens[0:1] = _translated(tokens[0])
            clauses.append(tuple(_spelt(token) for token in tokens))
    return tuple(clauses)


def _translated(token: str) -> list[str]:
    """English translation of a known foreign word, which may be joined to the following text."""
    if token in lexicon.TRANSLATIONS:
        return [lexicon.TRANSLATIONS[token]]
    if token and not token.isascii():
        for length in (4, 3, 2):
            if token[:length] in lexicon.TRANSLATIONS and len(token) > length and _unspaced(token[0]):
                return [lexicon.TRANSLATIONS[token[:length]], token[length:]]
    return [token]


def _unspaced(character: str) -> bool:
    """Whether the script is written without spaces (CJK and kana)."""
    return "\u3040" <= character <= "\u9fff"


def _unstretched(token: str) -> str:
    """ "nooo" as "no", "goood" as "good"."""
    if not _STRETCH.search(token):
        return token
    once, twice = _STRETCH.sub(r"\1", token), _STRETCH.sub(r"\1\1", token)
    return twice if twice in _KNOWN and once not in _KNOWN else once


@lru_cache(maxsize=8192)
def _spelt(token: str) -> str:
    """A telling word with one slip mended: one letter missing, added, changed, or two swapped."""
    if token not in _KNOWN and _YES.fullmatch(token):
        return "yes"
    token = lexicon.VARIANTS.get(token, token)
    if token in _KNOWN or not 4 <= len(token) <= 12 or not token.isascii() or token in lexicon.NOT_FUZZY:
        return token
    return next((word for word in lexicon.FUZZY if _one_slip(token, word)), token)


def _one_slip(typed: str, meant: str) -> bool:
    if abs(len(typed) - len(meant)) > 1 or typed[0] != meant[0]:
        return False
    start = 0
    while start < min(len(typed), len(meant)) and typed[start] == meant[start]:
        start += 1
    a, b = typed[start:], meant[start:]
    swapped = len(a) > 1 and a[:2] == b[1::-1] and a[2:] == b[2:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or swapped


def stem(word: str) -> str:
    """A crude common form of a word's inflections ("birds", "bird's" -> "bird")."""
    word = word.removesuffix("'s")
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2]:  # "sitting", "sit"
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


_BREAK = re.compile(r"[.!?,;:()\[\]{}\n\r/。、！？…]+|\s-+>?\s*|\s[–—]\s|--+|[–—]|(?=\bbut\b)")
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
_YES = re.compile(r"y+(?:e+s+e?|se|a+s+|e+p+|u+p+|e+a+h*|e{1,2}|ess)")
_STRETCH = re.compile(r"([^\W\d_])\1{2,}")
_KNOWN = (
    lexicon.POSITIVE_OPENERS
    | lexicon.PRAISE_OR_DESCRIPTION
    | lexicon.ACKNOWLEDGEMENTS
    | lexicon.FILLERS
    | lexicon.REJECTIONS
    | lexicon.DESELECT_VERBS
    | frozenset(lexicon.TRANSLATIONS)
    | frozenset(lexicon.FUZZY)
)
_CONTRACTIONS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\bcan'?t\b|\bcannot\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"\b(is|are|was|were|do|does|did|has|have|had|would|should|could)n'?t\b", r"\1 not"),
        (r"\bain't\b|\baint\b", "is not"),
        (r"\b(that|it|he|she|there|here|what|this|which|who)'s\b", r"\1 is"),
        (r"\b(thats|whats|theres|heres)\b", lambda found: found[1][:-1] + " is"),
        (r"\bdat\b", "that"),
        (r"\bu\b(?!-)", "you"),
        (r"\br\b(?= you\b)", "are"),
        (r"\bur\b(?= (?:wrong|right|correct|good|on|not)\b)", "you are"),
        (r"\bshoulda\b", "should have"),
        (r"\bi'm\b|\bim\b", "i am"),
        (r"\b(you|they|we)'re\b|\b(you|they)re\b", r"\1\2 are"),
        (r"\b(i|you|we|they)'ve\b", r"\1 have"),
        (r"\b(de|un)[- ](select|click|pick)(ed)?\b", r"\1\2"),
        (r"\b(?:de|di|dis|des|un|uns)-?s{1,2}e{0,2}l{1,2}[ei]{0,2}c{0,2}t\b", "deselect"),
        (r"\b(deselected|unselected)\b(?= (it|that|this|the|and|last)\b)", "deselect"),
        (r"\b(?:to|too) the (right|left)\b", r"to the \1"),
    )
)

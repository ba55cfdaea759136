"""The default feedback decoder: rules for what people say after an action. It uses no model and no targets.

It looks for cues in the next utterance, strongest first; the first that matches decides. Each cue has the share of
right actions that were followed by it, which is the verdict's probability.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice

from learner.feedback.rules import lexicon, patterns
from learner.feedback.rules.normalise import Reading, read, stem
from learner.feedback.verdict import Exchange, Label, Scheme, Verdict

VERSION = "3"

REPHRASE = 0.5
"""Two utterances with at least this similarity (0 to 1) describe the same figure."""

MOST_OPENING = 2
"""Maximum number of content words before a request to deselect that do not count as the description of another
figure."""

LONG_WORD = 6
"""Letters of a word that is no exclamation."""
ENOUGH_CONTENT = 3
"""Content words that make a description, whatever they are."""

LONGEST_VERDICT = 14
"""Feedback on the last action is looked for in this number of words at the beginning of an utterance."""


@dataclass(frozen=True)
class Cue:
    """One reason for a verdict."""

    name: str
    label: Label
    """Label in the ternary scheme. In the binary scheme, 0 becomes -1."""
    p_positive: float
    """Share of actions that were right where this cue fired in real games, rounded and kept off 0 and 1."""
    sure: bool = True
    """Whether its verdict is one to learn from."""


SILENCE = Cue("silence", 0, 0.4)
REJECTION = Cue("rejection", -1, 0.03)
RESET = Cue("reset", -1, 0.05)
BOTH = Cue("praise and rejection", 0, 0.2)
MIXED = Cue("partly right", 0, 0.1)
PRAISE = Cue("praise", 1, 0.98)
ALL_COUNTED = Cue("all counted right", 1, 0.95)
RESTORES = Cue("asks for what was taken away", -1, 0.1)
UNDO = Cue("undo", -1, 0.05)
UNDO_NAMED = Cue("takes back what it names", -1, 0.15)
REMOVES_OTHER = Cue("removes another figure", 1, 0.8)
NOT_DONE = Cue("asked for a figure, none was selected", -1, 0.3)
TOO_MUCH = Cue("more was removed than asked", 0, 0.4)
REPAIR = Cue("repair", -1, 0.1)
ELABORATION = Cue("says more of the same figure", -1, 0.1)
MOVES_ON = Cue("moves on", 1, 0.97)
ACCEPTS = Cue("accepts", 1, 0.95)
AFTER_REMOVAL = Cue("goes on after a removal", 1, 0.95)
NEW_FIGURE = Cue("describes another figure", 1, 0.94)
CROWDED = Cue("describes another figure on a full selection", -1, 0.4)
SEVERAL = Cue("describes another figure after several picks at once", 0, 0.5)
UNCONFIRMED_FIX = Cue("goes on after a correction, never having praised", 0, 0.7)
REPHRASES = Cue("describes the same figure again", -1, 0.4)
CHATTER = Cue("no content", 0, 0.4)
UNCLEAR = Cue("nothing known", 0, 0.5, sure=False)


class RulesDecoder:
    """Decodes feedback by rules, in about a tenth of a millisecond for each exchange."""

    name = "rules"
    version = VERSION

    def __init__(self, scheme: Scheme = "binary") -> None:
        self.scheme: Scheme = scheme

    def decode(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        return [_verdict(find_cue(exchange), self.scheme) for exchange in exchanges]


def _verdict(cue: Cue, scheme: Scheme) -> Verdict:
    label: Label = -1 if scheme == "binary" and cue.label == 0 else cue.label
    confidence = {1: cue.p_positive, 0: 0.5, -1: 1 - cue.p_positive}[label] if cue.sure else 0.0
    return Verdict(label, round(confidence, 4), "rules", VERSION, scheme, cue.p_positive, cue.name)


def find_cue(exchange: Exchange) -> Cue:
    """The strongest cue in what was said after the action."""
    reading = read(exchange.next_utterance)
    if not reading.clauses:
        return SILENCE
    text = patterns.IDIOMS_OF_PRAISE.sub("good", reading.text)
    text = patterns.IDIOMS_OF_NOTHING.sub("", text)
    return _explicit(text, reading, exchange) or _implicit(text, reading, exchange)


def _explicit(text: str, reading: Reading, exchange: Exchange) -> Cue | None:
    """Cues of explicit feedback: confirmation, rejection, counts and requests to deselect."""
    if patterns.RESET.search(text):
        return RESET
    if patterns.MIXED.search(text):
        return MIXED
    if counted := _counted(text, exchange):
        return counted
    if exchange.change.dropped and patterns.RESTORE.search(text):
        return RESTORES
    if meant := _self_corrected(text):
        return meant
    text = _about_the_last(text)
    praised = patterns.PRAISE.search(text) or _found(text, exchange)
    if patterns.REJECTION.search(text):
        return BOTH if praised else REJECTION
    removal = _removal(text, reading, exchange)
    if not praised:
        return removal
    if removal:
        several = len(exchange.change.picked) > 1  # one of them may be the one to take back
        return BOTH if removal is UNDO or several else PRAISE
    return BOTH if patterns.BUT.search(text) else PRAISE


def _self_corrected(text: str) -> Cue | None:
    """What is said after somebody takes back what they said first: "no wait, yes"."""
    markers = list(patterns.SELF_CORRECTION.finditer(text))
    if not markers:
        return None
    rest = "| " + text[markers[-1].end() :].strip(" |") + " |"
    rest = re.sub(r"^\| (?:no|nope|yes) (?=\| \w)", "", rest)  # "wait no, yes": the first word is taken back
    praised, rejected = bool(patterns.PRAISE.search(rest)), bool(patterns.REJECTION.search(rest))
    return None if praised == rejected else PRAISE if praised else REJECTION


def _about_the_last(text: str) -> str:
    """Without clauses that reject or take back an earlier pick, where another clause accepts the last one."""
    clauses = [clause for clause in text.strip("| ").split(" | ") if clause]
    others = [clause for clause in clauses if not patterns.ABOUT_EARLIER.search(clause)]
    rest = "| " + " | ".join(others) + " |"
    return rest if len(others) < len(clauses) and patterns.PRAISE.search(rest) else text


def _found(text: str, exchange: Exchange) -> bool:
    """Whether it says that what was asked for has been found ("got the duck")."""
    found = patterns.GOT.search(text)
    return (
        bool(found) and similarity(read(exchange.utterance).content, read(found["name"]).content) >= REPHRASE
    )


def _implicit(text: str, reading: Reading, exchange: Exchange) -> Cue:
    """Going on to the next figure accepts the last action; saying more of the same figure does not."""
    asked, change = read(exchange.utterance), exchange.change
    if reading.content and not change.picked:
        if not patterns.ASKS_REMOVAL.search(asked.text) and not patterns.REJECTION.search(asked.text):
            return NOT_DONE
        several = len(change.dropped) > 1
        return TOO_MUCH if several and not patterns.PLURAL.search(asked.text) else AFTER_REMOVAL
    other = patterns.THE_OTHER.search(text)
    if patterns.REPAIR.search(text) or (other and stem(other["name"]) in asked.content):
        return REPAIR
    if _opens(patterns.MOVES_ON, text):
        return MOVES_ON
    if _opens(patterns.ELABORATION, text):
        return ELABORATION
    if patterns.ACCEPTS.match(text):
        return ACCEPTS
    if not reading.content:
        return CHATTER
    if similarity(asked.content, reading.content) >= REPHRASE:
        return REPHRASES
    if _is_fix(exchange) and not _ever(patterns.PRAISE, (*exchange.earlier, exchange.utterance)):
        return UNCONFIRMED_FIX
    if not _may_describe(text, reading):
        return UNCLEAR
    if len(change.picked) > 1:
        return SEVERAL
    # A request for another figure when the selection is full implies that a selected figure is wrong.
    return CROWDED if len(change.after) >= exchange.max_targets else NEW_FIGURE


def _may_describe(text: str, reading: Reading) -> bool:
    """Whether it names something: a known word, a noun with its article, or more than an exclamation has."""
    known = not THINGS.isdisjoint(reading.content)
    long = any(not word.isascii() or len(word) >= LONG_WORD for word in reading.content)
    return known or long or len(reading.content) >= ENOUGH_CONTENT or bool(patterns.NOUN.search(text))


def _opens(pattern: re.Pattern[str], text: str) -> bool:
    """Whether the first clause opens with the pattern."""
    return bool(pattern.match(text, text.find(" ") + 1))


def _counted(text: str, exchange: Exchange) -> Cue | None:
    """ "you have three correct": all right only if the count is the number of selected figures."""
    found = patterns.COUNT.search(text)
    if not found:
        return None
    said = lexicon.NUMBERS[next(group for group in found.groups() if group)]
    return ALL_COUNTED if said >= len(exchange.change.after) else MIXED


def _removal(text: str, reading: Reading, exchange: Exchange) -> Cue | None:
    """The cue of a request to deselect: does it refer to the last action or to an earlier one?"""
    found = patterns.DESELECT.search(text)
    if not found:
        return None
    new, kept = exchange.change.picked, exchange.change.after - exchange.change.picked
    if new and not kept:
        return UNDO  # nothing else could be deselected
    if patterns.EARLIER.search(found["object"]):
        return REMOVES_OTHER
    named = _named(found["object"].split())
    if not named:
        return UNDO
    asked = read(exchange.utterance)
    if not new and patterns.ASKS_REMOVAL.search(asked.text):
        return REMOVES_OTHER
    meant = read(" ".join(named)).content
    if not meant:
        return UNDO
    instead = reading.content - meant  # "remove the bird, it's the dog"
    if similarity(asked.content, meant) >= REPHRASE or (new and _weight(instead) >= 1):
        return UNDO_NAMED
    complained = _ever(patterns.REJECTION, (*exchange.earlier, exchange.utterance))
    return REMOVES_OTHER if complained else UNDO_NAMED  # otherwise no wrong figure was selected before


def asks_to_put_back(utterance: str) -> bool:
    """Whether an utterance asks to select a figure again that was deselected."""
    return bool(patterns.RESTORE.search(read(utterance).text))


def only_takes_back(utterance: str) -> bool:
    """Whether an utterance asks to deselect and describes no figure to select."""
    text = read(utterance).text
    if patterns.RESET.search(text):
        return True
    found = patterns.DESELECT.search(text)
    if not found or len(read(text[: found.start()]).content) > MOST_OPENING:
        return False
    request = text[found.start("object") :]
    if instead := patterns.INSTEAD.search(request):
        return not read(request[instead.end() :]).content
    first, _, rest = request.partition("|")
    if not _named(first.split()):
        pointer = re.split(r"\b(?:and|then)\b", first)[0]
        return not read(request).content - read(pointer).content
    return "with" in first.split() or not read(rest).content  # "with" starts a list of parts


def rejects(utterance: str) -> bool:
    """Whether an utterance by itself rejects what was picked last, or asks to take it back without naming it."""
    text = _about_the_last(patterns.IDIOMS_OF_PRAISE.sub("good", read(utterance).text))
    if patterns.PRAISE.search(text) or patterns.RESET.search(text):
        return False
    if patterns.REJECTION.search(text):
        return True
    found = patterns.DESELECT.search(text)
    return found is not None and not (_described(found) and only_takes_back(utterance))


def describes(utterance: str) -> bool:
    """Whether an utterance describes a figure to select."""
    return not only_takes_back(utterance) and bool(read(utterance).content)


def asks_for_another(utterance: str) -> bool:
    """Whether an utterance rejects or deselects and also describes a figure to select."""
    asked = read(utterance)
    if patterns.DESELECT.search(asked.text):
        return not only_takes_back(utterance)
    return bool(patterns.REJECTION.search(asked.text)) and _weight(asked.content) >= 1


def names_what_to_take_back(utterance: str) -> bool:
    """Whether an utterance only asks to deselect and describes the figure to deselect."""
    found = patterns.DESELECT.search(read(utterance).text)
    if not found or not only_takes_back(utterance):
        return False
    return _weight(_described(found)) >= 1


def without_verdict(utterance: str) -> str:
    """Remove the positive or negative feedback that an utterance begins with, and the words that connect it to the
    rest.

    An utterance that consists of feedback only, or that asks to deselect, is returned unchanged.
    """
    text = read(utterance).text
    if patterns.ASKS_REMOVAL.search(text) or _without_verdicts(text) == text:
        return utterance
    bare, end = re.sub('["“”„«»「」]', " ", utterance), 0  # quoted words are a description
    for word in islice(re.finditer(r"\S+", bare), LONGEST_VERDICT):
        opening = read(bare[: word.end()]).text
        left = _without_verdicts(opening)
        if left != opening and _UNTELLING.issuperset(left.split()):
            end = word.end()
    return utterance[end:].strip() or utterance


def _without_verdicts(text: str) -> str:
    for pattern in (patterns.IDIOMS_OF_PRAISE, patterns.PRAISE, patterns.REJECTION):
        text = pattern.sub(" ", text)
    return text


def _described(request: re.Match[str]) -> frozenset[str]:
    """The content words of what a request to deselect (`patterns.DESELECT`) names."""
    return read(" ".join(_named(request["object"].partition("|")[0].split()))).content


def _named(words_after: Sequence[str]) -> Sequence[str]:
    """The words that describe what to deselect; empty if the request refers to the last selection ("it", "the last
    one")."""
    rest = list(words_after)
    while rest and rest[0] in patterns.DETERMINERS:
        rest = rest[1:]
    if not rest or rest[0] in patterns.CONNECTIVES or rest[0] in patterns.LATEST:
        return ()
    if rest[0] in patterns.POINTERS and (len(rest) == 1 or rest[1] in patterns.AFTER_POINTER):
        return ()
    ends = [at for at, word in enumerate(rest) if word in ("and", "then")]
    return rest[: ends[0]] if ends else rest


def _is_fix(exchange: Exchange) -> bool:
    """Whether the action responds to a rejection by both deselecting and selecting."""
    rejected = patterns.REJECTION.search(read(exchange.utterance).text)
    return bool(rejected and exchange.change.dropped and exchange.change.picked)


def _ever(pattern: re.Pattern[str], utterances: Sequence[str]) -> bool:
    return any(pattern.search(read(utterance).text) for utterance in utterances)


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Weighted share of the content words that two utterances have in common, 0 to 1.

    Relative to the shorter utterance, because people shorten and lengthen when they rephrase, but at least to the
    weight of one distinctive word.
    """
    smaller = min(_weight(one), _weight(other))
    return _weight(one & other) / max(smaller, 1.0)


def _weight(content: frozenset[str]) -> float:
    return sum(_WEIGHTS.get(word, 1.0) for word in content)


THINGS = frozenset(
    word
    for line in files("learner.feedback.rules").joinpath("things.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
    for word in line.split()
)
"""Stems of words that may describe a figure."""
_UNTELLING = lexicon.FUNCTION_WORDS | lexicon.FILLERS | {"|"}
_WEIGHTS = {
    **{stem(word): 0.2 for word in lexicon.LAYOUT_WORDS},
    **{stem(word): 0.4 for word in lexicon.COMMON_NOUNS},
}

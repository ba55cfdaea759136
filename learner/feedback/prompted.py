"""The prompted decoder: asks the base model whether the next utterance is positive feedback, as the paper does.

It uses the model through `Scorer`. Utterances are quoted in the prompt unchanged.
"""

import json
import math
from collections.abc import Sequence
from typing import Protocol

from games.core import Message, Text
from learner.feedback.verdict import Exchange, Label, Scheme, Verdict

VERSION = "1"

ANSWERS: dict[Scheme, tuple[tuple[str, Label], ...]] = {
    "binary": (("positive", 1), ("negative", -1)),
    "ternary": (("positive", 1), ("neutral", 0), ("negative", -1)),
}
"""Answer words of a scheme with their labels."""

MAX_CHARACTERS = 600
"""Maximum length of a quoted utterance; the middle of longer ones is cut out. The longest real utterances have
about 300."""

CUT = " [...] "

_TASK = (
    "Below are one action of the listener and what the speaker said next. Judge only from the speaker's words "
    "whether the speaker was satisfied with that action."
)
"""After the game's own setting."""

_CHOICE: dict[Scheme, str] = {
    "binary": (
        "Answer positive if the speaker confirms it or goes on to another picture. Answer negative if the "
        "speaker corrects it, takes it back, describes the same picture again, or shows no satisfaction. "
        "Answer with one word: positive or negative."
    ),
    "ternary": (
        "Answer positive if the speaker confirms it or goes on to another picture. Answer negative if the "
        "speaker corrects it, takes it back or describes the same picture again. Answer neutral if it was "
        "partly right or the words do not tell. Answer with one word: positive, neutral or negative."
    ),
}


class Scorer(Protocol):
    """A language model that gives probabilities of answers."""

    def score(self, messages: Sequence[Message], answers: Sequence[str]) -> Sequence[float]:
        """log p(answer | messages) for each answer: the sum over its tokens, natural logarithm."""
        ...


def shorten(text: str, limit: int = MAX_CHARACTERS) -> str:
    """`text`; if it is longer than `limit` characters, its middle is replaced by `CUT`. More is kept of the
    beginning than of the end, because people confirm or reject at the beginning.
    """
    if len(text) <= limit:
        return text
    room = max(limit - len(CUT), 2)
    ending = room // 3
    return text[: room - ending].rstrip() + CUT + text[-ending:].lstrip()


def question(exchange: Exchange, scheme: Scheme) -> list[Message]:
    """The prompt for one exchange: one user message, answered by one of the scheme's answer words."""
    lines = [f"{exchange.setting} {_TASK}", ""]
    if exchange.previous_action:
        lines.append(f"Listener's earlier action: {exchange.previous_action}")
    lines += [
        f"Speaker: {quoted(exchange.utterance)}",
        f"Listener's action: {exchange.action or 'none'}",
        f"Speaker's next words: {quoted(exchange.next_utterance)}",
        "",
        _CHOICE[scheme],
    ]
    return [Message("user", (Text("\n".join(lines)),))]


class PromptedDecoder:
    """Asks `scorer` for the relative probability of the scheme's answer words."""

    name = "prompted"
    version = VERSION

    def __init__(self, scorer: Scorer, scheme: Scheme = "binary") -> None:
        self.scorer = scorer
        self.scheme: Scheme = scheme

    def decode(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """One verdict for each exchange. Raises ValueError if the scorer returns the wrong number of scores."""
        return [self._decode(exchange) for exchange in exchanges]

    def _decode(self, exchange: Exchange) -> Verdict:
        answers = ANSWERS[self.scheme]
        words = [word for word, _ in answers]
        scores = list(self.scorer.score(question(exchange, self.scheme), words))
        if len(scores) != len(words):
            raise ValueError(f"The scorer gave {len(scores)} scores for {len(words)} answers")
        probabilities = _softmax(scores)
        # the larger label comes first in `answers`: reversed, so that a tie is not taken as positive
        best = max(reversed(range(len(words))), key=probabilities.__getitem__)
        return Verdict(
            label=answers[best][1],
            confidence=probabilities[best],
            decoder=self.name,
            version=self.version,
            scheme=self.scheme,
            p_positive=probabilities[0],
            cue=f"answer: {words[best]}",
        )


def quoted(text: str) -> str:
    """A JSON string: the text as typed, on one line, so that it cannot be taken for other lines of the prompt."""
    whole = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate cannot be tokenised
    return json.dumps(shorten(whole), ensure_ascii=False)


def _softmax(scores: Sequence[float]) -> list[float]:
    """Probabilities from scores in nats; -inf is an impossible answer. Uniform if a score is NaN or all are
    -inf."""
    top = max(scores)
    if any(math.isnan(score) for score in scores) or math.isinf(top):
        return [1 / len(scores)] * len(scores)
    weights = [math.exp(score - top) for score in scores]
    return [weight / sum(weights) for weight in weights]

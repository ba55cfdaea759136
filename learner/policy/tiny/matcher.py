"""Runs the embedded model's matcher of words and figures separately.

The rest of the model only sees which letters were matched, so the matcher can be trained on names of figures
without it: thousands of turns in seconds.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch


class Matching:
    """The matcher of a model, with the embeddings of its words."""

    def __init__(self, model: Any) -> None:
        """`model`: a `TinyVlmModel`."""
        self._model = model
        self._silent = frozenset((*model.config.silent_token_ids, model.config.image_token_id))

    def parameters(self, trainable: Sequence[torch.nn.Parameter]) -> list[torch.nn.Parameter]:
        """The parameters of `trainable` that belong to the matcher."""
        own = {*self._model.matcher.parameters(), *self._model.get_input_embeddings().parameters()}
        return [parameter for parameter in trainable if parameter in own]

    def words(self, ids: Sequence[int]) -> list[tuple[int, ...]]:
        """For each message of a prompt, the token ids that are matched."""
        config = self._model.config
        labels = {
            label
            for label, token in pairwise(ids)
            if token == config.image_token_id and label in config.label_token_ids
        }
        found: list[list[int]] = [[]]
        for token in ids:
            if token == config.end_token_id:
                found.append([])
            elif token not in self._silent and token not in labels:
                found[-1].append(token)
        return [tuple(message) for message in found]

    def logps(self, messages: Sequence[Sequence[int]], features: torch.Tensor) -> torch.Tensor:
        """[M, N] log-probability that each of M messages (at least one token each) describes each of N figures with
        features [N, D]."""
        device = self._model.device
        lengths = torch.tensor([len(message) for message in messages], device=device)
        row = torch.repeat_interleave(torch.arange(len(messages), device=device), lengths)
        words = self._model.get_input_embeddings()(
            torch.tensor([token for message in messages for token in message], device=device)
        )
        said = words.new_zeros(len(messages), words.shape[-1]).index_add(0, row, words) / lengths[:, None]
        shown = features.to(device, words.dtype)
        return self._model.matcher.likeness(said[None], shown[None])[0].log_softmax(-1)

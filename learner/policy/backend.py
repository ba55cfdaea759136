"""Running the language part on what is new in several games at once, any model's in the same way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers import DynamicCache

from learner.policy.cache import KeyValues


@dataclass(frozen=True)
class Span:
    """New tokens of one game, after those whose keys and values are held."""

    adapter: str
    embeddings: torch.Tensor
    """[t, D]."""
    positions: torch.Tensor
    """[t], or [axes, t] where positions have several."""
    sees: torch.Tensor
    """[t, held + t] bool: what each new token attends to, of what is held and of what is new."""
    held: KeyValues
    wanted: int
    """How many of its last tokens the output is wanted for."""


class Engine(Protocol):
    """Runs the language part."""

    pads: bool
    """Whether spans of very different lengths slow each other down."""

    def run(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        """The output [wanted, D] of each span. Its keys and values are written, not yet kept, on what is held.

        Called where the adapters of the spans are in force, in their order (`Adapters.rows`).
        """
        ...

    def forget(self, adapter: str | None = None) -> None:
        """An adapter, or any of them, has changed or is gone."""
        ...


class PaddedEngine:
    """Any transformers model, by its own forward: spans and what is held are padded at the left."""

    pads = True

    def __init__(self, model: Any) -> None:
        """`model`: a whole model, of which `model.model` has no output layer."""
        self._model = model

    def run(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        """See `Engine`."""
        before = max(span.held.length for span in spans)
        new = max(len(span.embeddings) for span in spans)
        embeddings = spans[0].embeddings.new_zeros(len(spans), new, spans[0].embeddings.shape[-1])
        positions = torch.zeros(*spans[0].positions.shape[:-1], len(spans), new, dtype=torch.long)
        sees = torch.zeros(len(spans), new, before + new, dtype=torch.bool)
        for row, span in enumerate(spans):
            size, held = len(span.embeddings), span.held.length
            embeddings[row, new - size :] = span.embeddings
            positions[..., row, new - size :] = span.positions
            sees[row, new - size :, before - held : before] = span.sees[:, :held]
            sees[row, new - size :, before + new - size :] = span.sees[:, held:]
        mask = torch.zeros(sees.shape, dtype=embeddings.dtype, device=embeddings.device)
        mask.masked_fill_(~sees.to(mask.device), torch.finfo(mask.dtype).min)
        cache = self._joined([span.held for span in spans], before)
        hidden = self._model.model(
            inputs_embeds=embeddings,
            attention_mask=mask[:, None],
            position_ids=positions.to(embeddings.device),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        layers: list[Any] = list(cache.layers)
        for row, span in enumerate(spans):
            start = before + new - len(span.embeddings)
            for number, layer in enumerate(layers):
                span.held.write(number, layer.keys[row, :, start:], layer.values[row, :, start:])
        return [hidden[row, new - span.wanted :] for row, span in enumerate(spans)]

    def forget(self, adapter: str | None = None) -> None:
        """Nothing is remembered."""

    def _joined(self, held: Sequence[KeyValues], width: int) -> DynamicCache:
        """One cache of what is held of several games, padded at the left to `width`."""
        if not width:
            return DynamicCache()
        data = []
        for number in range(self._model.config.get_text_config().num_hidden_layers):
            own = [each.layer(number) if each.length else None for each in held]
            some = next(layer for layer in own if layer)[0]
            joined = some.new_zeros(2, len(held), some.shape[0], width, some.shape[2])
            for row, layer in enumerate(own):
                if layer:
                    joined[0, row, :, width - held[row].length :] = layer[0]
                    joined[1, row, :, width - held[row].length :] = layer[1]
            data.append((joined[0], joined[1]))
        return DynamicCache(data)

"""Image features of a model's vision part: cached for each figure, concatenated for each forward pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.utils.generic import ModelOutput

POOLED = "pooler_output"
"""The field with one entry per image; lists in other fields have one entry per layer."""
NOT_READ = ("hidden_states", "attentions")


@dataclass(frozen=True)
class ImageFeatures:
    """Image features in the form that transformers' `forward` takes as `mm_encoder_outputs["image"]`.

    It holds all fields of the output of `get_image_features` that a forward pass may read: the features of image
    tokens, and those for deeper layers if the model has them (Qwen3-VL).
    """

    kind: type[ModelOutput]
    fields: dict[str, Any]
    """Tensors, or lists of them, or lists of lists; see `POOLED`."""

    @classmethod
    def of(cls, output: ModelOutput) -> "ImageFeatures":
        """From the output of `get_image_features`. Raises ValueError if it has no features for image tokens."""
        if output.get(POOLED) is None:
            raise ValueError(f"{type(output).__name__} of its vision part has no {POOLED}")
        dropped = (*NOT_READ, "last_hidden_state")
        kept = {name: value for name, value in output.items() if name not in dropped}
        return cls(type(output), kept)

    @classmethod
    def join(cls, parts: Sequence["ImageFeatures"]) -> "ImageFeatures":
        """Concatenate the features of all images of all parts, in order."""
        if len(parts) == 1:
            return parts[0]
        fields: dict[str, Any] = {}
        for name, first in parts[0].fields.items():
            values = [part.fields[name] for part in parts]
            if name == POOLED or not isinstance(first, list | tuple):
                fields[name] = _joined(values)
            else:
                fields[name] = [_joined(layer) for layer in zip(*values, strict=True)]
        return cls(parts[0].kind, fields)

    def first(self, images: int) -> "ImageFeatures":
        """Features of the first images, for models whose features have no other fields."""
        return ImageFeatures(self.kind, {**self.fields, POOLED: self.fields[POOLED][:images]})

    def output(self) -> ModelOutput:
        """In the form that a forward pass takes."""
        return self.kind(**self.fields)

    def rows(self) -> torch.Tensor:
        """[image tokens, D] the features of the image tokens."""
        pooled = self.fields[POOLED]
        parts = pooled if isinstance(pooled, list | tuple) else [pooled]
        return torch.cat([part.reshape(-1, part.shape[-1]) for part in parts])

    def __len__(self) -> int:
        """Number of image tokens."""
        pooled = self.fields[POOLED]
        parts = pooled if isinstance(pooled, list | tuple) else [pooled]
        return sum(part.shape[:-1].numel() for part in parts)

    def to(self, device: torch.device | str) -> "ImageFeatures":
        """The same on another device."""
        return self.map(lambda tensor: tensor.to(device))

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "ImageFeatures":
        """Apply a function to every tensor."""
        return ImageFeatures(self.kind, {name: _mapped(value, change) for name, value in self.fields.items()})


def _joined(values: Sequence[Any]) -> Any:
    """Concatenate tensors, or lists with one entry per image."""
    if isinstance(values[0], torch.Tensor):
        return torch.cat(list(values))
    if isinstance(values[0], list | tuple):
        return [each for value in values for each in value]
    return values[0]


def _mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, list | tuple):
        return [_mapped(each, change) for each in value]
    return value

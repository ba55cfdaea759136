"""Frozen image features: every figure is encoded once for a base model and shared by all of its adapters."""

import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from games.figures import ImageSet, open_images
from learner.policy.loading import BaseModel


@dataclass(frozen=True)
class FigureTokens:
    """How one figure stands in a prompt."""

    ids: tuple[int, ...]
    """Its tokens, with whatever the processor writes around an image."""
    features: torch.Tensor
    """[image tokens, D] in float32 or the model's dtype."""
    grid: torch.Tensor | None
    """[1, 3] for models with three-dimensional positions."""


class FigureEncoder:
    """Encodes figures with a base model's processor and vision part, and remembers them."""

    def __init__(self, base: BaseModel, open_set: Callable[[str], ImageSet] = open_images) -> None:
        self._base = base
        self._open = open_set
        self._sets: dict[str, ImageSet] = {}
        self._known: dict[tuple[str, str], FigureTokens] = {}
        self._lock = threading.Lock()
        accepted = inspect.signature(base.model.get_image_features).parameters
        self._accepts = set(accepted)
        self.image_token_id: int = base.processor.tokenizer.convert_tokens_to_ids(base.processor.image_token)

    def __call__(self, images: str, figure: str) -> FigureTokens:
        """Raises KeyError for a figure that the set does not hold, ValueError for an unknown set."""
        known = self._known.get((images, figure))
        if known is None:
            with self._lock:
                known = self.compute(images, [figure])
                self._known[images, figure] = known
        return known

    def add_set(self, images: ImageSet) -> None:
        """Use this opened set for its spec instead of opening it again."""
        self._sets[images.spec] = images

    def encode(self, images: str, figures: Sequence[str]) -> torch.Tensor:
        """[all image tokens, D] of several figures, in order."""
        return torch.cat([self(images, figure).features for figure in figures])

    def __len__(self) -> int:
        return len(self._known)

    def _set(self, spec: str) -> ImageSet:
        if spec not in self._sets:
            self._sets[spec] = self._open(spec)
        return self._sets[spec]

    def compute(self, images: str, figures: Sequence[str]) -> FigureTokens:
        """The tokens of some figures, all in one pass of the vision part. Nothing is remembered."""
        opened = self._set(images)
        pictures = [opened.raster(figure, self._base.raster) for figure in figures]
        processor: Any = self._base.processor
        model: Any = self._base.model
        text = processor.image_token * len(pictures)
        inputs = processor(text=[text], images=[pictures], return_tensors="pt")
        ids = inputs["input_ids"][0].tolist()
        if ids and ids[0] == processor.tokenizer.bos_token_id:
            ids = ids[1:]
        given = {
            name: value.to(model.device)
            for name, value in inputs.items()
            if name in self._accepts
            and isinstance(value, torch.Tensor)
            and name not in ("input_ids", "attention_mask")
        }
        with torch.inference_mode():
            features = _pooled(model.get_image_features(**given))
        count = ids.count(self.image_token_id)
        if len(features) != count:
            raise ValueError(
                f"{len(features)} image features for {count} image tokens: processor and model differ"
            )
        return FigureTokens(tuple(ids), features.clone(), inputs.get("image_grid_thw"))


def _pooled(outputs: Any) -> torch.Tensor:
    pooled = getattr(outputs, "pooler_output", outputs)
    if isinstance(pooled, list | tuple):
        return torch.cat([part.reshape(-1, part.shape[-1]) for part in pooled])
    return pooled.reshape(-1, pooled.shape[-1])

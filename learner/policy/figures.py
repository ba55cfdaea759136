"""Caches image features: each figure is encoded once per base model and shared by all adapters."""

import threading
from collections.abc import Sequence
from typing import Any

from games.figures import ImageSet, open_images
from learner.policy.backend import Backend, FigureTokens
from learner.policy.features import ImageFeatures


class FigureEncoder:
    """Encodes figures with a base model's processor and vision part, and caches the results."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._sets: dict[str, ImageSet] = {}
        self._known: dict[tuple[str, str], FigureTokens] = {}
        self._lock = threading.Lock()

    def __call__(self, images: str, figure: str) -> FigureTokens:
        """Tokens of one figure. Raises KeyError for a figure that is not in the set, ValueError for an unknown
        set."""
        known = self._known.get((images, figure))
        if known is None:
            with self._lock:
                known = self.compute(images, [figure])
                self._known[images, figure] = known
        return known

    def encode(self, images: str, figures: Sequence[str]) -> ImageFeatures:
        """Features of several figures, in order."""
        return ImageFeatures.join([self(images, figure).features for figure in figures])

    def __len__(self) -> int:
        return len(self._known)

    def compute(self, images: str, figures: Sequence[str]) -> FigureTokens:
        """Tokens of several figures in one pass of the vision part, without caching."""
        return self._backend.encode(self.pictures(images, figures))

    def pictures(self, images: str, figures: Sequence[str]) -> list[Any]:
        """Figures as square PIL pictures of `Backend.raster` pixels."""
        if images not in self._sets:
            self._sets[images] = open_images(images)
        return [self._sets[images].raster(figure, self._backend.raster) for figure in figures]

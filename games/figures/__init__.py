"""Figures (seven placed tangram pieces) and image sets, the named collections of them."""

from games.figures.catalogue import held_out, open_images
from games.figures.images import ImageSet

__all__ = ["ImageSet", "held_out", "open_images"]

"""Figures (seven placed tangram pieces) and image sets, the named collections of them."""

from games.figures.images import ImageSet, held_out, open_images

__all__ = ["ImageSet", "held_out", "open_images"]

"""How different the figures of a board look, measured apart from how boards are dealt."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from games.figures import ImageSet


def apart(images: ImageSet, figures: Sequence[str]) -> float:
    """The mean, over pairs of figures, of the root mean square of their pictures' differences, 0 to 1."""
    pictures = [np.asarray(images.raster(each, 16).convert("L"), dtype=float) / 255 for each in figures]
    return float(np.mean([np.sqrt(((one - other) ** 2).mean()) for one, other in combinations(pictures, 2)]))

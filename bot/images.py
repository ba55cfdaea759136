"""Opens the image sets that games are played with."""

import asyncio
import random

from games import GAMES
from games.figures import ImageSet, open_images


class ImageSets:
    """Image sets by spec, each opened once, outside the event loop."""

    def __init__(self) -> None:
        self._sets: dict[str, ImageSet] = {}

    async def open(self, spec: str) -> ImageSet:
        """Raises ValueError or OSError for a set that cannot be opened or has too few figures for a game."""
        if spec not in self._sets:
            self._sets[spec] = await asyncio.to_thread(_open, spec)
        return self._sets[spec]


def _open(spec: str) -> ImageSet:
    images = open_images(spec)
    for game in GAMES.values():
        game.deal(images.ids, random.Random(0))
    return images

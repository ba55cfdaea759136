"""Opens the image sets that games are played with, and lists those that are offered."""

import asyncio
import random
from pathlib import Path

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


def listed(specs: str) -> list[str]:
    """The image sets of a list, separated by commas, in order. The first is played with if none is chosen."""
    return list(dict.fromkeys(spec.strip() for spec in specs.split(",") if spec.strip()))


def label_of(spec: str) -> str:
    """What people read and choose: the spec, without the path of a folder on the operator's machine."""
    kind, _, which = spec.partition(":")
    return f"{kind}:{Path(which).name}" if "/" in which or "\\" in which else spec


def _open(spec: str) -> ImageSet:
    images = open_images(spec)
    for game in GAMES.values():
        game.deal(images.ids, random.Random(0))
    return images

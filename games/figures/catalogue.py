"""Image sets by name: `classic` ships with the package, `kilogram:DIR` reads a downloaded KiloGram folder."""

import random
from collections.abc import Sequence

from games.figures.classic import load_classic, some_of_classic
from games.figures.images import ImageSet
from games.figures.kilogram import load_kilogram


def open_images(spec: str) -> ImageSet:
    """The image set that `spec` names. Raises ValueError that says how to correct the name."""
    kind, _, which = spec.partition(":")
    if spec == "classic":
        return load_classic()
    if kind == "classic" and which.isdecimal():
        return some_of_classic(int(which))
    if kind == "kilogram" and which:
        return load_kilogram(which)
    raise ValueError(f"Unknown image set {spec!r}: expected 'classic', 'classic:N' or 'kilogram:DIR'")


def held_out(ids: Sequence[str], count: int) -> tuple[str, ...]:
    """The `count` held-out figures of a set, for a build to leave out and a simulation to play with.

    Sorted ids shuffled with a fixed seed. Raises ValueError if the set has fewer.
    """
    if count > len(ids):
        raise ValueError(f"The image set has {len(ids)} figures, {count} were asked for")
    shuffled = sorted(ids)
    random.Random(0).shuffle(shuffled)
    return tuple(shuffled[:count])

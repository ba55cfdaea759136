"""The outline of a figure in words."""

import random
from functools import cache

import pytest

from games.figures import open_images
from games.figures.images import Polygon
from games.figures.outline import outline

IMAGES = open_images("classic")
SQUARE: Polygon = ((0, 0), (4, 0), (4, 4), (0, 4))
HOUSE = (SQUARE, ((0, 0), (4, 0), (2, -2)))
TREE: tuple[Polygon, ...] = (((0, 0), (6, 0), (3, -6)), ((2.5, 0), (3.5, 0), (3.5, 3), (2.5, 3)))
RING: tuple[Polygon, ...] = (
    ((0, 0), (6, 0), (6, 1), (0, 1)),
    ((0, 5), (6, 5), (6, 6), (0, 6)),
    ((0, 0), (1, 0), (1, 6), (0, 6)),
    ((5, 0), (6, 0), (6, 6), (5, 6)),
)


@cache
def outlines() -> dict[str, tuple[str, ...]]:
    """Figure id -> its outline."""
    return {figure: outline(IMAGES[figure].polygons) for figure in IMAGES.ids}


def turned(polygons: tuple[Polygon, ...], mirrored: bool = False) -> tuple[Polygon, ...]:
    """Upside down, or with left and right exchanged."""
    return tuple(tuple((-x, y) if mirrored else (x, -y) for x, y in polygon) for polygon in polygons)


@pytest.mark.parametrize(
    ("polygons", "phrases"),
    [
        ((SQUARE,), {"as wide as tall", "flat bottom", "flat top", "straight left side", "halves alike"}),
        (HOUSE, {"taller than wide", "flat bottom", "top: point", "halves alike"}),
        (turned(HOUSE), {"taller than wide", "flat top", "bottom: point", "halves alike"}),
        (TREE, {"taller than wide", "top: point", "bottom: flat", "left: point middle"}),
        (RING, {"flat bottom", "a hole"}),
        ((((0, 0), (9, 0), (9, 2), (0, 2)),), {"long and low"}),
        ((((0, 0), (2, 0), (2, 9), (0, 9)),), {"tall and narrow"}),
    ],
)
def test_simple_shapes(polygons: tuple[Polygon, ...], phrases: set[str]):
    found = set(outline(polygons)) | {
        f"{phrase} middle" for phrase in outline(polygons) if phrase.endswith("point")
    }
    assert phrases <= found


def test_a_mirrored_figure_has_left_and_right_exchanged():
    polygons = IMAGES["shoe-02"].polygons
    assert {"straight left side", "right: point down"} <= set(outline(polygons))
    assert {"straight right side", "left: point down"} <= set(outline(turned(polygons, mirrored=True)))


def test_no_figure_is_named():
    own = {
        word
        for phrases in outlines().values()
        for phrase in phrases
        for word in phrase.replace(":", " ").split()
    }
    own = {word.strip(",") for word in own}
    shapes = (
        "a alike all and as bottom broadest down flat halves hole left long low middle narrow neck point right side "
        "straight tall taller than top up wide wider"
    )
    assert own <= {*shapes.split()}


def test_the_figures_of_a_board_can_nearly_always_be_told_apart():
    rng = random.Random(0)
    boards = [rng.sample(IMAGES.ids, 10) for _ in range(500)]
    said = outlines()
    assert sum(len({said[figure] for figure in board}) == 10 for board in boards) > 480

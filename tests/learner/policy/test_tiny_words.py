"""What the embedded model learns beside people's descriptions: places in figures, letters and plain shapes."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games.figures import open_images
from games.figures.images import Annotation, FigureData, draw_figure
from games.words import spoken
from learner.policy.tiny.drawings import drawings
from learner.policy.tiny.places import placed_descriptions

images = open_images("classic")
SQUARE = ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0))


def square(x: float, y: float) -> tuple[tuple[float, float], ...]:
    return tuple((x + right, y + down) for right, down in SQUARE)


BIRD = FigureData(
    id="bird",
    polygons=(square(0, 0), square(2, 2), square(4, 2), square(6, 2), ((2, 4), (4, 4), (3, 6))),
    names=("bird",),
    descriptions=("bird with head and body", "duck with bill and legs"),
    pieces=("square", "square", "square", "square", "small"),
    annotations=(
        Annotation("bird", "bird with head and body", ("head", "body", "body", "body", "")),
        Annotation("duck", "duck with bill and legs", ("bill", "", "", "", "legs")),
    ),
)
"""Its head is at the upper left, one triangle hangs at the bottom."""


def mirrored(figure: FigureData) -> FigureData:
    polygons = tuple(tuple((-x, y) for x, y in polygon) for polygon in figure.polygons)
    return FigureData(
        "mirrored", polygons, figure.names, figure.descriptions, figure.pieces, figure.annotations
    )


def said_of(figure: FigureData, known: tuple[str, ...] | None = None) -> str:
    return " | ".join(placed_descriptions(figure, known or figure.words, 300, random.Random(3)))


def test_a_figure_looks_to_the_side_of_its_head():
    said = said_of(BIRD)
    assert "bird facing left" in said and "looking left" in said and "square head" in said
    assert not re.search(r"(facing|looking|walking) (to the )?right", said)
    turned = said_of(mirrored(BIRD))
    assert "bird facing right" in turned and not re.search(r"(facing|looking|walking) (to the )?left", turned)


def test_sides_and_pieces_that_stick_out_are_named():
    said = said_of(BIRD)
    assert "head on the left" in said and "head on top" in said
    assert "triangle on the bottom" in said and "pointed bottom" in said and "point down" in said
    assert "square on the bottom" not in said  # none is there
    assert "legs at the bottom" in said and "legs on top" not in said


def test_nothing_is_said_with_words_that_are_not_known():
    said = said_of(BIRD, ("bird", "bird with head and body"))
    assert "head" in said
    assert not re.search(r"\b(duck|bill|legs)\b", said)
    only_name = said_of(BIRD, ("bird",))
    assert (
        not re.search(r"\b(head|body|duck|bill|legs|facing)\b", only_name) and "pointed bottom" in only_name
    )


def test_pieces_of_unknown_kinds_have_no_shape():
    for pieces in ((), ("", "", "", "", "")):
        unknown = FigureData("it", BIRD.polygons, BIRD.names, BIRD.descriptions, pieces, BIRD.annotations)
        said = said_of(unknown)
        assert "bird facing left" in said and not re.search(r"square|triangle|  ", said)


def test_a_piece_without_area_is_no_trouble():
    flat = ((3.0, 3.0), (3.0, 3.0), (3.0, 3.0))
    assert said_of(FigureData("it", (*BIRD.polygons[:4], flat), ("it",), (), BIRD.pieces))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(images.ids), st.integers())
def test_a_mirrored_figure_has_the_sides_exchanged(figure, seed):
    """What is said follows from the geometry alone, in the same order but for left and right."""
    exchange = {"left": "right", "right": "left"}
    plain = FigureData("it", images[figure].polygons, ("it",), (), images[figure].pieces)
    sides = [
        {
            word
            for said in placed_descriptions(one, ("it",), 200, random.Random(seed))
            for word in said.split()
        }
        & {"left", "right"}
        for one in (plain, mirrored(plain))
    ]
    assert {exchange[side] for side in sides[0]} == sides[1]


def test_drawings_are_silhouettes_with_words_and_the_same_for_a_seed():
    drawn = drawings(300, 7)
    assert drawn == drawings(300, 7) != drawings(300, 8)
    letters = {
        match[1] for each in drawn for words in each.words if (match := re.search(r"letter (\w)\b", words))
    }
    assert len(letters) == 26
    for drawing in drawn[:60]:
        ink = 255 - draw_figure(drawing.polygons, 64).convert("L").resize((1, 1)).getpixel((0, 0))
        assert 10 < ink < 245, drawing.kind
        assert drawing.words and all(spoken(words) for words in drawing.words)


@pytest.mark.parametrize("way", ["up", "right", "down", "left"])
def test_an_arrow_points_to_where_its_words_say(way):
    found = [each for each in drawings(3000, 1) if f"{way} arrow" in each.words and "," not in each.kind]
    assert found
    for drawing in found:
        corners = drawing.polygons[0]
        tip, ends = corners[0], [corners[3], corners[4]]
        right = tip[0] - sum(x for x, _ in ends) / 2
        down = tip[1] - sum(y for _, y in ends) / 2
        farther = (
            ("right" if right > 0 else "left") if abs(right) > abs(down) else ("down" if down > 0 else "up")
        )
        assert farther == way

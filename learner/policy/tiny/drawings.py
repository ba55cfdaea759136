"""Drawings of letters and plain shapes, alone or in pairs, with what they are called.

People compare figures with letters and shapes ("the letter K", "a hexagon on top of a triangle") more often than the
names of a few figures can teach.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from games.figures.images import Polygon

STROKES = {
    "a": ("0,1 .5,0 1,1", ".22,.62 .78,.62"),
    "b": ("0,0 0,1 .8,1 .8,.5 0,.5", "0,0 .7,0 .7,.5"),
    "c": ("1,0 .3,0 0,.3 0,.7 .3,1 1,1",),
    "d": ("0,0 0,1 .6,1 1,.6 1,.4 .6,0 0,0",),
    "e": ("1,0 0,0 0,1 1,1", "0,.5 .8,.5"),
    "f": ("1,0 0,0 0,1", "0,.5 .8,.5"),
    "g": ("1,0 .3,0 0,.3 0,.7 .3,1 1,1 1,.55 .6,.55",),
    "h": ("0,0 0,1", "1,0 1,1", "0,.5 1,.5"),
    "i": (".5,0 .5,1", ".2,0 .8,0", ".2,1 .8,1"),
    "j": (".8,0 .8,.8 .6,1 .2,1 0,.8",),
    "k": ("0,0 0,1", "1,0 0,.5 1,1"),
    "l": ("0,0 0,1 .8,1",),
    "m": ("0,1 0,0 .5,.6 1,0 1,1",),
    "n": ("0,1 0,0 1,1 1,0",),
    "o": (".3,0 .7,0 1,.3 1,.7 .7,1 .3,1 0,.7 0,.3 .3,0",),
    "p": ("0,1 0,0 .8,0 .8,.5 0,.5",),
    "q": (".3,0 .7,0 1,.3 1,.7 .7,1 .3,1 0,.7 0,.3 .3,0", ".6,.6 1.1,1.1"),
    "r": ("0,1 0,0 .8,0 .8,.5 0,.5", ".3,.5 .8,1"),
    "s": ("1,0 0,0 0,.5 1,.5 1,1 0,1",),
    "t": ("0,0 1,0", ".5,0 .5,1"),
    "u": ("0,0 0,.8 .2,1 .8,1 1,.8 1,0",),
    "v": ("0,0 .5,1 1,0",),
    "w": ("0,0 .25,1 .5,.35 .75,1 1,0",),
    "x": ("0,0 1,1", "1,0 0,1"),
    "y": ("0,0 .5,.5 1,0", ".5,.5 .5,1"),
    "z": ("0,0 1,0 0,1 1,1",),
}
"""Letter -> the lines it is written with: corners x,y in 0..1, y down."""
SAME_TURNED = frozenset("hinosxz")
"""Letters that are the same upside down."""
ALIKE = {
    "c": ("horseshoe",),
    "h": ("ladder",),
    "i": ("pillar", "column"),
    "j": ("hook", "cane"),
    "l": ("corner", "boot"),
    "o": ("ring", "donut"),
    "s": ("snake", "zigzag"),
    "t": ("hammer", "post"),
    "u": ("cup", "horseshoe"),
    "v": ("check mark", "wedge"),
    "w": ("zigzag", "mountain range"),
    "x": ("cross",),
    "y": ("fork", "slingshot"),
    "z": ("zigzag", "zig zag", "lightning bolt"),
}
"""Letter -> what looks like it."""
SOLID = {
    "arch": "0,1 0,.3 .3,0 .7,0 1,.3 1,1 .75,1 .75,.4 .25,.4 .25,1",
    "arrow": ".5,0 1,.45 .7,.45 .7,1 .3,1 .3,.45 0,.45",
    "bow tie": "0,0 .5,.4 1,0 1,1 .5,.6 0,1",
    "bowl": "0,0 1,0 .7,1 .3,1",
    "crown": "0,1 0,.2 .25,.55 .5,.1 .75,.55 1,.2 1,1",
    "diamond": ".5,0 1,.5 .5,1 0,.5",
    "flag": "0,0 1,.25 .12,.5 .12,1 0,1",
    "funnel": "0,0 1,0 .6,.5 .6,1 .4,1 .4,.5",
    "heart": ".5,1 0,.4 0,.15 .2,0 .4,0 .5,.2 .6,0 .8,0 1,.15 1,.4",
    "hexagon": ".25,0 .75,0 1,.5 .75,1 .25,1 0,.5",
    "hourglass": "0,0 1,0 .55,.5 1,1 0,1 .45,.5",
    "house": "0,1 0,.45 .5,0 1,.45 1,1",
    "kite": ".5,0 1,.35 .5,1 0,.35",
    "lightning bolt": ".55,0 .15,.55 .45,.55 .3,1 .85,.4 .55,.4 .8,0",
    "octagon": ".3,0 .7,0 1,.3 1,.7 .7,1 .3,1 0,.7 0,.3",
    "parallelogram": ".35,0 1,0 .65,1 0,1",
    "plus sign": ".33,0 .67,0 .67,.33 1,.33 1,.67 .67,.67 .67,1 .33,1 .33,.67 0,.67 0,.33 .33,.33",
    "pyramid": "0,1 .5,.15 1,1",
    "ribbon": "0,0 .5,.5 1,0 1,.5 .5,1 0,.5",
    "semicircle": "0,1 .05,.6 .25,.25 .5,.15 .75,.25 .95,.6 1,1",
    "square": "0,0 1,0 1,1 0,1",
    "stairs": "0,1 0,.75 .25,.75 .25,.5 .5,.5 .5,.25 .75,.25 .75,0 1,0 1,1",
    "star": ".5,0 .63,.36 1,.38 .7,.6 .81,.96 .5,.75 .19,.96 .3,.6 0,.38 .37,.36",
    "table": "0,0 1,0 1,1 .8,1 .8,.3 .2,.3 .2,1 0,1",
    "trapezoid": ".25,0 .75,0 1,1 0,1",
    "tree": ".5,0 .85,.4 .65,.4 1,.8 .6,.8 .6,1 .4,1 .4,.8 0,.8 .35,.4 .15,.4",
    "triangle": "0,1 .5,0 1,1",
}
"""Shape -> its outline."""
UPRIGHT = frozenset(
    ("bow tie", "diamond", "hexagon", "hourglass", "octagon", "parallelogram", "plus sign", "square", "star")
)
"""Shapes that have no other name when they are turned."""
BARS = {
    "rectangle": (0.4, 1.0),
    "tall rectangle": (0.3, 1.0),
    "vertical rectangle": (0.35, 1.0),
    "long rectangle": (1.0, 0.3),
    "horizontal rectangle": (1.0, 0.4),
    "pillar": (0.25, 1.0),
    "column": (0.28, 1.0),
    "bar": (1.0, 0.22),
}
"""Rectangle -> its width and height."""
ARROWS = {
    0: ("up", "upwards"),
    90: ("right", "to the right"),
    180: ("down", "downwards"),
    270: ("left", "to the left"),
}
"""Degrees, clockwise -> where an arrow points."""
UPSIDE_DOWN, SIDEWAYS = ("upside down", "pointing down"), ("on its side", "turned on its side", "sideways")
ABOVE = (
    "{a} on top of {b}",
    "{b} with {a} on top",
    "{a} above {b}",
    "{b} with {a} at the top",
    "{a} with {b} at the bottom",
    "{b} under {a}",
    "{a} stacked on {b}",
)
BESIDE = (
    "{a} on the left and {b} on the right",
    "{b} with {a} on the left",
    "{a} with {b} on the right",
    "{a} with {b} attached to the right side",
    "{a} next to {b}",
    "{b} with {a} on the left side",
)
OVERLAP = 0.03
"""By how much the two drawings of a pair overlap, so that they are one silhouette."""

Shape = tuple[Polygon, ...]


@dataclass(frozen=True)
class Drawing:
    """A letter, a shape or a pair of them."""

    kind: str
    """Drawings of one kind are called the same."""
    polygons: Shape
    words: tuple[str, ...]


def drawings(count: int, seed: int) -> list[Drawing]:
    """Random drawings, the same for the same seed: half of them alone, half of them pairs."""
    rng = random.Random(f"drawings {seed}")
    return [_alone(rng) if rng.random() < 0.5 else _pair(rng) for _ in range(count)]


def _alone(rng: random.Random) -> Drawing:
    thing = _thing(rng)
    tilt = rng.uniform(-10, 10) if rng.random() < 0.4 else 0.0
    alike = [f"looks like {rng.choice(thing.words)}", f"something like {rng.choice(thing.words)}"]
    return Drawing(thing.kind, _turned(thing.polygons, tilt), (*thing.words, *alike))


def _pair(rng: random.Random) -> Drawing:
    """One above the other, or one to the left of the other."""
    a, b = _thing(rng), _thing(rng)
    first, second = _scaled(a.polygons, rng.uniform(0.5, 1)), _scaled(b.polygons, rng.uniform(0.5, 1))
    (width, height), (other_width, other_height) = _extent(first), _extent(second)
    if rng.random() < 0.65:
        first, forms = _moved(first, rng.random() * (other_width - width), OVERLAP - height), ABOVE
    else:
        first, forms = _moved(first, OVERLAP - width, rng.random() * (other_height - height)), BESIDE
    words = tuple(form.format(a=rng.choice(a.words), b=rng.choice(b.words)) for form in 3 * forms)
    return Drawing(f"{a.kind}, {b.kind}", first + second, words)


def _thing(rng: random.Random) -> Drawing:
    """A letter or shape about 1 high and wide, its upper left corner at 0."""
    group = rng.choices(("letter", "solid", "bar"), (0.42, 0.43, 0.15))[0]
    turns = rng.random() < 0.25
    if group == "letter":
        kind = rng.choice(sorted(STROKES))
        shape = _boxed(
            _stroked(STROKES[kind], rng.uniform(0.18, 0.38)), rng.uniform(0.6, 1), rng.uniform(0.85, 1.1)
        )
        words = [f"letter {kind}", f"the letter {kind}", f"a {kind}", f"{kind} shape", f"letter {kind} shape"]
        words += [f"capital letter {kind}", f"{kind} sign", *ALIKE.get(kind, ())]
        turns = turns and kind not in SAME_TURNED
    elif group == "solid":
        kind = rng.choice(sorted(SOLID))
        shape = _boxed((_corners(SOLID[kind]),), rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.1))
        words = [kind, f"a {kind}", f"the {kind}", f"{kind} shape"]
        turns = turns and kind not in UPRIGHT
    else:
        kind = rng.choice(sorted(BARS))
        shape = _boxed((_corners("0,0 1,0 1,1 0,1"),), *BARS[kind])
        words, turns = [kind, f"a {kind}"], False
    if kind == "arrow":
        way = rng.choice(sorted(ARROWS))
        words = [f"arrow pointing {to}" for to in ARROWS[way]] + [f"{ARROWS[way][0]} arrow"]
    elif turns:
        way = rng.choice((180, 180, 90, 270))
        after, before = (UPSIDE_DOWN, "upside down") if way == 180 else (SIDEWAYS, "sideways")
        words = [f"{word} {rng.choice(after)}" for word in words] + [f"{before} {word}" for word in words]
    else:
        way = 0
    return Drawing(f"{kind} {way}", _at_origin(_turned(shape, way)), tuple(words))


def _corners(text: str) -> Polygon:
    return tuple((float(x), float(y)) for x, y in (corner.split(",") for corner in text.split()))


def _stroked(lines: Sequence[str], width: float) -> Shape:
    """Lines as bars of a width, which reach half of it over their ends."""
    bars = []
    for line in lines:
        corners = _corners(line)
        for (x0, y0), (x1, y1) in pairwise(corners):
            half = width / 2 / math.hypot(x1 - x0, y1 - y0)
            x, y = (x1 - x0) * half, (y1 - y0) * half
            bars.append(
                (
                    (x0 - x - y, y0 - y + x),
                    (x1 + x - y, y1 + y + x),
                    (x1 + x + y, y1 + y - x),
                    (x0 - x + y, y0 - y - x),
                )
            )
    return tuple(bars)


def _moved(shape: Shape, right: float, down: float) -> Shape:
    return tuple(tuple((x + right, y + down) for x, y in polygon) for polygon in shape)


def _scaled(shape: Shape, width: float, height: float | None = None) -> Shape:
    high = width if height is None else height
    return tuple(tuple((x * width, y * high) for x, y in polygon) for polygon in shape)


def _turned(shape: Shape, degrees: float) -> Shape:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return tuple(tuple((cos * x - sin * y, sin * x + cos * y) for x, y in polygon) for polygon in shape)


def _at_origin(shape: Shape) -> Shape:
    return _moved(
        shape,
        -min(x for polygon in shape for x, _ in polygon),
        -min(y for polygon in shape for _, y in polygon),
    )


def _extent(shape: Shape) -> tuple[float, float]:
    """Width and height of a shape whose upper left corner is at 0."""
    return max(x for polygon in shape for x, _ in polygon), max(y for polygon in shape for _, y in polygon)


def _boxed(shape: Shape, width: float, height: float) -> Shape:
    at_origin = _at_origin(shape)
    wide, high = _extent(at_origin)
    return _scaled(at_origin, width / wide, height / high)

"""Descriptions that say where something is in a figure: "bird facing left", "a square on top".

The people who named KiloGram's figures hardly ever said it (12 of 10,143 names say left or right), but people who tell
similar figures apart do in every sixth message. It follows from the geometry of the pieces, and from what people
called each piece.
"""

import math
import random
import re
from collections.abc import Sequence
from functools import cached_property

from games.figures.images import FigureData, Polygon

FACES = re.compile(r"\b(head|face|beak|bill|nose|mouth|snout|eyes?|muzzle|trunk)\b")
"""Parts that show where a figure looks to."""
SHAPES = {
    "large": "triangle",
    "medium": "triangle",
    "small": "triangle",
    "square": "square",
    "parallelogram": "parallelogram",
}
NUMBERS = ("two", "three", "four", "five", "six", "seven")
LOOKS = (
    *3 * ("facing {side}",),
    *2 * ("looking {side}",),
    "facing to {side}",
    "facing to the {side}",
    "facing towards the {side}",
    "looking to the {side}",
    "turned to the {side}",
    "pointing {side}",
    "going {side}",
    "moving to the {side}",
    "walking {side}",
    "swimming {side}",
    "running {side}",
    "flying {side}",
)
AT = {
    "left": ("on the {side}", "on the {side}", "on {side}", "on the {side} side", "to the {side}", "at the {side}",
             "on the {side} hand side"),
    "top": ("on top", "at the top", "on the top", "up top"),
    "bottom": ("at the bottom", "on the bottom", "on bottom", "at bottom"),
}  # fmt: skip
AT["right"] = AT["left"]

PART_AWAY, PIECE_AWAY, FACE_AWAY, LEAN = 0.33, 0.4, 0.25, 0.3
"""How far from the middle something is at a side, as a share of half the figure's longer side."""
STICKS_OUT = 0.55
"""Share of a piece's outline that must border the background before its shape is spoken of: others cannot be seen in a
silhouette."""


def placed_descriptions(
    figure: FigureData, known: Sequence[str], count: int, rng: random.Random
) -> list[str]:
    """Up to `count` descriptions with places. Names and parts are those of the `known` descriptions only."""
    seen = _Seen(figure)
    annotations = [each for each in figure.annotations if each.description in known]
    said = []
    for _ in range(count):
        name = rng.choice(known)
        phrases: list[str] = []
        if annotations:
            annotation = rng.choice(annotations)
            name = annotation.name
            phrases += _some(seen.parts(annotation.pieces, rng), rng)
        if not phrases or rng.random() < 0.35:
            phrases += _some(seen.outline + 2 * seen.pieces(rng), rng)
        if phrases:
            rng.shuffle(phrases)
            said.append(" ".join([name, *phrases] if rng.random() < 0.75 else phrases))
    return said


def _some(phrases: Sequence[str], rng: random.Random) -> list[str]:
    return rng.sample(phrases, min(len(phrases), rng.choice((1, 1, 2))))


class _Seen:
    """The geometry of a figure: the middle of its bounding box is at 0, half of its longer side is 1."""

    def __init__(self, figure: FigureData) -> None:
        xs, ys = zip(*(corner for polygon in figure.polygons for corner in polygon), strict=True)
        x, y = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
        half = max(max(xs) - min(xs), max(ys) - min(ys)) / 2
        self._wide, self._high = (max(xs) - min(xs)) / 2 / half, (max(ys) - min(ys)) / 2 / half
        self._polygons: list[Polygon] = [
            tuple(((a - x) / half, (b - y) / half) for a, b in polygon) for polygon in figure.polygons
        ]
        kinds = figure.pieces or ("",) * len(self._polygons)
        self._shapes = [_shape(polygon, kind) for polygon, kind in zip(self._polygons, kinds, strict=True)]
        self._sticks_out = [
            shape != "" and self._exposed(place) >= STICKS_OUT for place, shape in enumerate(self._shapes)
        ]

    def parts(self, called: Sequence[str], rng: random.Random) -> list[str]:
        """Phrases about the parts that somebody named: `called` has a name for each piece, or ""."""
        phrases = []
        places = {
            part: [at for at, name in enumerate(called) if name == part] for part in dict.fromkeys(called)
        }
        faces = [at for at, part in enumerate(called) if FACES.search(part.lower())]
        rest = [self._polygons[at] for at in range(len(called)) if at not in faces]
        if faces and len(rest) > 2:
            away = _centre([self._polygons[at] for at in faces])[0] - _centre(rest)[0]
            if abs(away) > FACE_AWAY:
                phrases += 3 * [rng.choice(LOOKS).format(side="left" if away < 0 else "right")]
        for part, of in places.items():
            if not part:
                continue
            for side in _sides(_centre([self._polygons[at] for at in of]), PART_AWAY):
                at = _at(side, rng)
                phrases.append(
                    rng.choice((f"{part} {at}", f"{side} {part}", f"with {part} {at}", f"with a {part} {at}"))
                )
            if len(of) == 1 and self._sticks_out[of[0]]:
                shape = self._shapes[of[0]]
                if shape == "triangle":
                    shape = rng.choice(("triangle", "triangle", "pointed"))
                phrases += [f"{shape} {part}", f"with a {shape} {part}"]
        return phrases

    def pieces(self, rng: random.Random) -> list[str]:
        """Phrases about pieces that stick out."""
        counts: dict[tuple[str, str], int] = {}
        for polygon, shape, sticks_out in zip(self._polygons, self._shapes, self._sticks_out, strict=True):
            for side in _sides(_centre([polygon]), PIECE_AWAY) if sticks_out else ():
                counts[shape, side] = counts.get((shape, side), 0) + 1
        phrases = []
        for (shape, side), count in counts.items():
            at = _at(side, rng)
            if count == 1:
                phrases.append(f"{rng.choice(('a ', 'a ', 'a small ', '', 'one '))}{shape} {at}")
                if shape == "triangle":
                    phrases.append(f"{rng.choice(('pointed', 'pointy', 'triangle'))} {side}")
            else:
                phrases.append(f"{NUMBERS[count - 2]} {shape}s {at}")
                if shape == "triangle":
                    phrases.append(f"{NUMBERS[count - 2]} points {at}")
        return phrases

    @cached_property
    def outline(self) -> list[str]:
        """Phrases about proportions, flat sides, points and the direction that it leans in."""
        phrases = []
        if self._high > 1.7 * self._wide:
            phrases += ["tall", "tall and narrow", "tall and thin", "thin", "skinny"]
        elif self._high < 0.6 * self._wide:
            phrases += ["wide", "long", "low and wide", "flat and long"]
        for side, axis, sign in (("top", 1, -1), ("bottom", 1, 1), ("left", 0, -1), ("right", 0, 1)):
            along, across = (self._wide, self._high) if axis else (self._high, self._wide)
            edge = [
                corner[1 - axis]
                for polygon in self._polygons
                for corner in polygon
                if sign * corner[axis] > across - 0.02
            ]
            span = max(edge) - min(edge)
            if span > along:  # more than half of the side
                phrases += (
                    [f"flat {side}", f"{side} is flat", f"straight {side}"]
                    if axis
                    else [f"flat {side} side", f"straight {side} side", f"flat on the {side}"]
                )
            elif span < 0.05:
                way = {"top": "up", "bottom": "down"}.get(side, f"to the {side}")
                phrases += [f"point {way}", f"point {AT[side][0].format(side=side)}"]
        lean = self._lean()
        if abs(lean) > LEAN:
            side = "left" if lean < 0 else "right"
            phrases += [f"leaning {side}", f"leaning to the {side}", f"bent to the {side}", f"tilted {side}"]
            phrases += [f"going {side}"]
        return phrases

    def _lean(self) -> float:
        """How far its upper pieces are to the right of its lower ones."""
        middle = _centre(self._polygons)[1]
        upper = [polygon for polygon in self._polygons if _centre([polygon])[1] < middle]
        lower = [polygon for polygon in self._polygons if _centre([polygon])[1] >= middle]
        return _centre(upper)[0] - _centre(lower)[0] if upper and lower else 0.0

    def _exposed(self, place: int) -> float:
        """Share of a piece's outline that borders the background, 0 to 1."""
        polygon = self._polygons[place]
        others = [other for at, other in enumerate(self._polygons) if at != place]
        x, y = _centre([polygon])
        free = length = 0.0
        for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
            side = math.hypot(x1 - x0, y1 - y0)
            if not side:
                continue
            out_x, out_y = (y1 - y0) / side, (x0 - x1) / side
            if out_x * ((x0 + x1) / 2 - x) + out_y * ((y0 + y1) / 2 - y) < 0:
                out_x, out_y = -out_x, -out_y
            for share in (0.1, 0.3, 0.5, 0.7, 0.9):
                beside = (x0 + share * (x1 - x0) + 0.04 * out_x, y0 + share * (y1 - y0) + 0.04 * out_y)
                length += side
                if not any(_inside(other, *beside) for other in others):
                    free += side
        return free / length if length else 0.0


def _shape(polygon: Polygon, kind: str) -> str:
    """What a piece of a kind looks like: a square on its corner is a diamond."""
    (x0, y0), (x1, y1) = polygon[:2]
    tilted = min(abs(x1 - x0), abs(y1 - y0)) > 0.3 * math.hypot(x1 - x0, y1 - y0)
    return "diamond" if kind == "square" and tilted else SHAPES.get(kind, "")


def _centre(polygons: Sequence[Polygon]) -> tuple[float, float]:
    """Centre of area of polygons that do not overlap."""
    area = x = y = 0.0
    for polygon in polygons:
        own = own_x = own_y = 0.0
        for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
            cross = x0 * y1 - x1 * y0
            own += cross / 2
            own_x += (x0 + x1) * cross / 6
            own_y += (y0 + y1) * cross / 6
        sign = 1 if own > 0 else -1  # corners may be in either order
        area, x, y = area + sign * own, x + sign * own_x, y + sign * own_y
    if not area:
        xs, ys = zip(*(corner for polygon in polygons for corner in polygon), strict=True)
        return sum(xs) / len(xs), sum(ys) / len(ys)
    return x / area, y / area


def _inside(polygon: Polygon, x: float, y: float) -> bool:
    inside = False
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside


def _sides(at: tuple[float, float], away: float) -> list[str]:
    """The sides that a point is at."""
    x, y = at
    return [side for side, far in (("left", -x), ("right", x), ("top", -y), ("bottom", y)) if far > away]


def _at(side: str, rng: random.Random) -> str:
    return rng.choice(AT[side]).format(side=side)

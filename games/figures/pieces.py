"""The seven tangram pieces as exact geometry: every coordinate is a + b√2 with rational a and b.

The unit of length is the leg of the small triangle, so the whole tangram has area 8. x points right and y points
down, so rotations by eighths of a turn go clockwise on the screen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

Rational = int | Fraction


@dataclass(frozen=True, slots=True)
class Root2:
    """The number a + b√2. Sums, products and comparisons are exact."""

    a: Rational
    b: Rational = 0

    def __add__(self, other: "Root2") -> "Root2":
        return Root2(self.a + other.a, self.b + other.b)

    def __sub__(self, other: "Root2") -> "Root2":
        return Root2(self.a - other.a, self.b - other.b)

    def __mul__(self, other: "Root2") -> "Root2":
        return Root2(self.a * other.a + 2 * self.b * other.b, self.a * other.b + self.b * other.a)

    def __neg__(self) -> "Root2":
        return Root2(-self.a, -self.b)

    def __lt__(self, other: "Root2") -> bool:
        return (self - other).sign < 0

    def __float__(self) -> float:
        return float(self.a) + float(self.b) * 2**0.5

    @property
    def sign(self) -> int:
        """-1, 0 or 1. √2 is irrational, so only 0 + 0√2 is zero and a² is never 2b²."""
        a, b = self.a, self.b
        if a == 0 and b == 0:
            return 0
        if a >= 0 and b >= 0:
            return 1
        if a <= 0 and b <= 0:
            return -1
        larger = a if a * a > 2 * b * b else b
        return 1 if larger > 0 else -1


ZERO = Root2(0)
ROOT = Root2(0, 1)
HALF_ROOT = Root2(0, Fraction(1, 2))


@dataclass(frozen=True, slots=True)
class Point:
    """A point or a vector of the plane."""

    x: Root2
    y: Root2

    def __add__(self, other: "Point") -> "Point":
        return Point(self.x + other.x, self.y + other.y)

    def __sub__(self, other: "Point") -> "Point":
        (x, y), (u, v) = (self.x, self.y), (other.x, other.y)
        return Point(Root2(x.a - u.a, x.b - u.b), Root2(y.a - v.a, y.b - v.b))

    def __lt__(self, other: "Point") -> bool:
        return self.y < other.y if self.x == other.x else self.x < other.x

    def cross(self, other: "Point") -> Root2:
        (x, y), (u, v) = (self.x, self.y), (other.x, other.y)  # written out, which is three times as fast
        return Root2(
            x.a * v.a - y.a * u.a + 2 * (x.b * v.b - y.b * u.b),
            x.a * v.b + x.b * v.a - y.a * u.b - y.b * u.a,
        )

    def dot(self, other: "Point") -> Root2:
        (x, y), (u, v) = (self.x, self.y), (other.x, other.y)
        return Root2(
            x.a * u.a + y.a * v.a + 2 * (x.b * u.b + y.b * v.b),
            x.a * u.b + x.b * u.a + y.a * v.b + y.b * v.a,
        )

    def times(self, factor: Rational) -> "Point":
        return Point(Root2(self.x.a * factor, self.x.b * factor), Root2(self.y.a * factor, self.y.b * factor))

    def turned(self, eighths: int) -> "Point":
        """Rotated about the origin by a number of eighth turns."""
        point = self
        quarters, rest = divmod(eighths % 8, 2)
        for _ in range(quarters):
            point = Point(-point.y, point.x)
        if rest:
            point = Point((point.x - point.y) * HALF_ROOT, (point.x + point.y) * HALF_ROOT)
        return point

    def mirrored(self) -> "Point":
        """Mirrored in the x axis."""
        return Point(self.x, -self.y)


def _points(*corners: tuple[Root2 | int, Root2 | int]) -> tuple[Point, ...]:
    def exact(number: Root2 | int) -> Root2:
        return number if isinstance(number, Root2) else Root2(number)

    return tuple(Point(exact(x), exact(y)) for x, y in corners)


SHAPES: Mapping[str, tuple[Point, ...]] = {
    "large": _points((0, 0), (2, 0), (0, 2)),
    "medium": _points((0, 0), (ROOT, 0), (0, ROOT)),
    "small": _points((0, 0), (1, 0), (0, 1)),
    "square": _points((0, 0), (1, 0), (1, 1), (0, 1)),
    "parallelogram": _points((0, 0), (1, 0), (2, 1), (1, 1)),
}
"""Corners of each kind of piece in orientation 0 with its anchor (a triangle's right angle) at the origin."""

PIECES = ("large", "large", "medium", "small", "small", "square", "parallelogram")
"""The kinds of the seven pieces of a tangram."""


@dataclass(frozen=True)
class Placed:
    """One piece in the plane: mirrored if `flip`, rotated by `orient` eighths of a turn, then moved to `anchor`."""

    piece: str
    anchor: Point
    orient: int = 0
    flip: bool = False

    @cached_property
    def corners(self) -> tuple[Point, ...]:
        """The corners, clockwise on the screen."""
        corners = SHAPES[self.piece]
        if self.flip:
            corners = tuple(corner.mirrored() for corner in reversed(corners))
        return tuple(self.anchor + corner.turned(self.orient) for corner in corners)


@dataclass(frozen=True)
class Tangram:
    """Placed pieces, which may be invalid; `games.figures.check` checks them."""

    placed: tuple[Placed, ...]

    @property
    def polygons(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        """Corners of the pieces as floats."""
        return tuple(
            tuple((float(corner.x), float(corner.y)) for corner in placed.corners) for placed in self.placed
        )


def area(corners: Sequence[Point]) -> Root2:
    """Exact area of a simple polygon whose corners are in the order of `Placed.corners`."""
    twice = ZERO
    for start, end in pairwise((*corners, corners[0])):
        twice = twice + start.cross(end)
    return twice * Root2(Fraction(1, 2))


def tangram_from_records(records: Sequence[Mapping[str, Any]]) -> Tangram:
    """Reads `{"piece", "anchor": [[a, b], [c, d]], "orient": 0..7, "flip"}` records.

    Numbers are integers or strings like "1/2". Raises ValueError, which names the record.
    """
    placed = []
    for i, record in enumerate(records):
        try:
            piece, orient = record["piece"], record.get("orient", 0)
            (a, b), (c, d) = record["anchor"]
            anchor = Point(Root2(_rational(a), _rational(b)), Root2(_rational(c), _rational(d)))
        except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
            raise ValueError(f"piece {i + 1} is not a record of piece, anchor and orient: {error}") from None
        if not isinstance(piece, str) or piece not in SHAPES:
            raise ValueError(f"piece {i + 1} is a {piece!r}: expected one of {', '.join(SHAPES)}")
        if type(orient) is not int or orient not in range(8):
            raise ValueError(f"piece {i + 1} has orient {orient!r}: expected 0 to 7")
        placed.append(Placed(piece, anchor, orient, bool(record.get("flip", False))))
    return Tangram(tuple(placed))


def tangram_to_records(tangram: Tangram) -> list[dict[str, Any]]:
    """The records that `tangram_from_records` reads."""

    def plain(number: Rational) -> int | str:
        fraction = Fraction(number)
        return fraction.numerator if fraction.denominator == 1 else str(fraction)

    return [
        {
            "piece": placed.piece,
            "anchor": [[plain(number.a), plain(number.b)] for number in (placed.anchor.x, placed.anchor.y)],
            "orient": placed.orient,
            "flip": placed.flip,
        }
        for placed in tangram.placed
    ]


def _rational(number: Any) -> Fraction:
    if isinstance(number, bool) or not isinstance(number, int | str):
        raise ValueError(f"{number!r} is not an integer or a string like '1/2'")
    return Fraction(number)

"""Checks tangrams given as polygons of floats, within a tolerance, because downloaded files are not exact."""

from collections.abc import Sequence
from itertools import combinations
from math import hypot

from games.figures.images import Polygon

AREAS = (0.5, 0.5, 1.0, 1.0, 1.0, 2.0, 2.0)
"""Areas of the seven pieces in ascending order; the unit is the square of the small triangle's leg."""


def check_polygons(polygons: Sequence[Polygon], tolerance: float = 0.1) -> tuple[str, ...]:
    """The reasons why the polygons are not a tangram, one sentence each; empty if they are one.

    The unit of `tolerance` is the small triangle's leg for gaps, and its square for areas and overlaps.
    """
    if len(polygons) != len(AREAS):
        return (f"it has {len(polygons)} pieces, a tangram has seven",)
    total = sum(_area(polygon) for polygon in polygons)
    if total <= 0:
        return ("its pieces have no area",)
    scale = (sum(AREAS) / total) ** 0.5
    pieces = [_clockwise([(x * scale, y * scale) for x, y in polygon]) for polygon in polygons]
    problems = []
    areas = sorted(_area(piece) for piece in pieces)
    if any(abs(have - want) > tolerance for have, want in zip(areas, AREAS, strict=True)):
        shown = ", ".join(f"{area:.2f}" for area in areas)
        problems.append(f"its pieces have areas {shown}, a tangram's have 0.5 twice, 1 three times, 2 twice")
    part = list(range(len(pieces)))
    for i, j in combinations(range(len(pieces)), 2):
        if (shared := _area(_clip(pieces[i], pieces[j]))) > tolerance:
            problems.append(f"pieces {i + 1} and {j + 1} overlap by {shared:.2f}")
        if part[i] != part[j] and _gap(pieces[i], pieces[j]) <= tolerance:
            part = [part[j] if label == part[i] else label for label in part]
    if (parts := len(set(part))) > 1:
        problems.append(f"it falls into {parts} separate parts")
    return tuple(problems)


def _signed_area(polygon: Sequence[tuple[float, float]]) -> float:
    ends = zip(polygon, (*polygon[1:], *polygon[:1]), strict=True)
    return sum(x * v - u * y for (x, y), (u, v) in ends) / 2


def _area(polygon: Sequence[tuple[float, float]]) -> float:
    return abs(_signed_area(polygon))


def _clockwise(polygon: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return polygon if _signed_area(polygon) >= 0 else polygon[::-1]


def _clip(subject: list[tuple[float, float]], window: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The intersection of two convex polygons (Sutherland-Hodgman clipping)."""
    for (x, y), (u, v) in zip(window, (*window[1:], window[0]), strict=True):
        sides = [(u - x) * (q - y) - (v - y) * (p - x) for p, q in subject]
        kept = []
        for i, (here, side) in enumerate(zip(subject, sides, strict=True)):
            before, side_before = subject[i - 1], sides[i - 1]
            if (side >= 0) != (side_before >= 0):
                t = side_before / (side_before - side)
                kept.append((before[0] + t * (here[0] - before[0]), before[1] + t * (here[1] - before[1])))
            if side >= 0:
                kept.append(here)
        subject = kept
        if not subject:
            return []
    return subject


def _gap(one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]) -> float:
    """Distance between two polygons that do not overlap."""
    return min(
        _to_edge(corner, start, end)
        for corners, shape in ((one, other), (other, one))
        for corner in corners
        for start, end in zip(shape, (*shape[1:], shape[0]), strict=True)
    )


def _to_edge(corner: tuple[float, float], start: tuple[float, float], end: tuple[float, float]) -> float:
    along = (end[0] - start[0], end[1] - start[1])
    there = (corner[0] - start[0], corner[1] - start[1])
    length = along[0] ** 2 + along[1] ** 2
    share = min(1.0, max(0.0, (along[0] * there[0] + along[1] * there[1]) / length)) if length else 0.0
    return hypot(there[0] - share * along[0], there[1] - share * along[1])

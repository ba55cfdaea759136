"""Checks that placed pieces form a true tangram, and whether two look the same. All arithmetic is exact."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cmp_to_key
from itertools import combinations, pairwise
from math import lcm

from games.figures.pieces import PIECES, ROOT, ZERO, Placed, Point, Rational, Root2, Tangram, area

Segment = tuple[Point, Point]
Outline = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True)
class Report:
    """The result of a check."""

    problems: tuple[str, ...]
    """The reasons why it is not a tangram, one sentence each. Empty for a true one."""
    area: float
    """Total area of the pieces; the unit is the square of the small triangle's leg."""
    holes: int
    """Number of enclosed empty areas. They are allowed."""
    point_joined: bool
    """Whether some parts of the silhouette touch only at corners. This is allowed."""

    @property
    def ok(self) -> bool:
        return not self.problems


def check(tangram: Tangram) -> Report:
    """Check that the pieces are right, that none overlap and that they form one silhouette. Never raises."""
    problems = []
    have, want = Counter(placed.piece for placed in tangram.placed), Counter(PIECES)
    for kind in want:
        if have[kind] != want[kind]:
            problems.append(f"it has {have[kind]} {kind} pieces, a tangram has {want[kind]}")
    total = ZERO
    for placed in tangram.placed:
        total = total + area(placed.corners)
    if total != Root2(8):
        problems.append(f"its area is {float(total):.4g}, a tangram's is 8")

    shapes, _ = _whole_numbers(tangram.placed)
    edge_links, point_links, overlaps = [], [], False
    for i, j in combinations(range(len(shapes)), 2):
        if _overlap(shapes[i], shapes[j]):
            overlaps = True
            names = f"{tangram.placed[i].piece} (piece {i + 1}) and {tangram.placed[j].piece} (piece {j + 1})"
            problems.append(f"{names} overlap")
        elif _share_edge(shapes[i], shapes[j]):
            edge_links.append((i, j))
        elif _touch(shapes[i], shapes[j]):
            point_links.append((i, j))
    parts = edge_parts = holes = 0
    if not overlaps:
        edge_parts = _count_parts(len(shapes), edge_links)
        parts = _count_parts(len(shapes), edge_links + point_links)
        if parts != 1:
            problems.append(f"it falls into {parts} separate parts")
        segments = {frozenset(segment) for segment in _split(shapes)}
        corners = {corner for segment in segments for corner in segment}
        # Euler: corners - segments + pieces = parts - holes
        holes = parts - (len(corners) - len(segments) + len(shapes))
    return Report(tuple(problems), float(total), holes, point_joined=edge_parts > parts)


def outline(tangram: Tangram) -> Outline:
    """The silhouette in a form that translation, rotation by eighth turns and mirroring do not change.

    Two tangrams have the same outline if and only if they look the same up to such a transformation, even if
    the pieces are arranged differently inside. Only valid if no pieces overlap.
    """
    shapes, scale = _whole_numbers(tangram.placed)
    directed = {*_split(shapes)}
    runs = _straight_runs([(p, q) for p, q in directed if (q, p) not in directed])
    views = []
    for mirror in (False, True):
        for eighths in range(8):
            moved = [
                [_turned_twice_as_large(p.mirrored() if mirror else p, eighths) for p in run] for run in runs
            ]
            least = min(p for run in moved for p in run)
            views.append(tuple(sorted(_key(run, least) for run in moved)))
    return tuple(tuple(Fraction(n, 2 * scale) for n in run) for run in min(views))


def duplicates(tangrams: Mapping[str, Tangram]) -> list[tuple[str, ...]]:
    """Groups of ids whose tangrams have the same outline."""
    groups: dict[Outline, list[str]] = {}
    for name, tangram in tangrams.items():
        groups.setdefault(outline(tangram), []).append(name)
    return [tuple(names) for names in groups.values() if len(names) > 1]


def _turned_twice_as_large(point: Point, eighths: int) -> Point:
    """A rotation without fractions: a turn by one eighth divides by √2, so all coordinates are doubled."""
    quarters, rest = divmod(eighths, 2)
    point = point.turned(2 * quarters)
    if not rest:
        return point.times(2)
    return Point((point.x - point.y) * ROOT, (point.x + point.y) * ROOT)


def _key(run: Sequence[Point], origin: Point) -> tuple[Rational, ...]:
    """The ends of a segment relative to `origin` as plain numbers, independent of its direction."""
    one, other = sorted((p.x.a, p.x.b, p.y.a, p.y.b) for p in (run[0] - origin, run[1] - origin))
    return one + other


def _straight_runs(boundary: Sequence[Segment]) -> list[Segment]:
    """The segments of the boundary. Consecutive segments on one line are joined."""
    leaving = {}
    for start, end in boundary:
        leaving.setdefault(start, []).append(end)

    def next_straight(start: Point, end: Point) -> Point | None:
        along = end - start
        for further in leaving[end]:
            if along.cross(further - end).sign == 0 and along.dot(further - end).sign > 0:
                return further
        return None

    continued = {(end, further) for start, end in boundary if (further := next_straight(start, end))}
    runs = []
    for start, end in boundary:
        if (start, end) in continued:
            continue
        last, tip = start, end
        while further := next_straight(last, tip):
            last, tip = tip, further
        runs.append((start, tip))
    return runs


def _whole_numbers(placed: Iterable[Placed]) -> tuple[list[tuple[Point, ...]], int]:
    """Corners scaled so that every a and b is an integer (exact and much faster), and the scale."""
    shapes = [piece.corners for piece in placed]
    parts = [n for shape in shapes for p in shape for n in (p.x.a, p.x.b, p.y.a, p.y.b)]
    scale = lcm(*(Fraction(n).denominator for n in parts))

    def whole(n: Root2) -> Root2:
        return Root2(int(n.a * scale), int(n.b * scale))

    return [tuple(Point(whole(p.x), whole(p.y)) for p in shape) for shape in shapes], scale


def _edges(shape: Sequence[Point]) -> list[Segment]:
    return list(pairwise((*shape, shape[0])))


def _overlap(one: Sequence[Point], other: Sequence[Point]) -> bool:
    """Separating axis test: convex shapes overlap unless an edge of one has the whole other shape outside."""
    for shape, against in ((one, other), (other, one)):
        for start, end in _edges(shape):
            along = end - start
            if all(along.cross(corner - start).sign <= 0 for corner in against):
                return False
    return True


def _inside_segment(point: Point, segment: Segment) -> bool:
    """Whether a point lies strictly between the ends."""
    start, end = segment
    x, y, u, v = start.x, start.y, end.x, end.y
    xa, xb, ya, yb = u.a - x.a, u.b - x.b, v.a - y.a, v.b - y.b
    u, v = point.x, point.y
    ua, ub, va, vb = u.a - x.a, u.b - x.b, v.a - y.a, v.b - y.b
    # `Point.cross`, written out: most points are beside the line
    if xa * va - ya * ua + 2 * (xb * vb - yb * ub) or xa * vb + xb * va - ya * ub - yb * ua:
        return False
    along = end - start
    reach = along.dot(point - start)
    return reach.sign > 0 and reach < along.dot(along)


def _share_edge(one: Sequence[Point], other: Sequence[Point]) -> bool:
    """Whether two shapes that do not overlap share a part of an edge with positive length."""
    for start, end in _edges(one):
        along = end - start
        for first, second in _edges(other):
            if along.cross(first - start).sign or along.cross(second - start).sign:
                continue
            reach = (along.dot(first - start), along.dot(second - start))
            near, far = sorted(reach, key=cmp_to_key(_compare))
            if near < along.dot(along) and far.sign > 0:
                return True
    return False


def _compare(one: Root2, other: Root2) -> int:
    return (one - other).sign


def _touch(one: Sequence[Point], other: Sequence[Point]) -> bool:
    if set(one) & set(other):
        return True
    return any(
        _inside_segment(corner, edge)
        for corners, shape in ((one, other), (other, one))
        for corner in corners
        for edge in _edges(shape)
    )


def _split(shapes: Sequence[Sequence[Point]]) -> list[Segment]:
    """The edges of all shapes, split at every corner of any shape that lies on them."""
    corners = {corner for shape in shapes for corner in shape}
    segments = []
    for start, end in (edge for shape in shapes for edge in _edges(shape)):
        along = end - start
        cuts = [corner for corner in corners if _inside_segment(corner, (start, end))]
        cuts.sort(key=cmp_to_key(lambda p, q, d=along: d.dot(p - q).sign))
        segments += pairwise((start, *cuts, end))
    return segments


def _count_parts(count: int, links: Iterable[tuple[int, int]]) -> int:
    label = list(range(count))
    for i, j in links:
        old, new = label[i], label[j]
        label = [new if x == old else x for x in label]
    return len(set(label))

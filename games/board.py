"""The speaker's picture of a game: figures, targets, selection, turn and outcome.

It shows neither the listener's letters nor any figure's name, because players would use both in utterances.
"""

import io
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from PIL import Image, ImageColor, ImageDraw, ImageOps

from games.board_words import ALT_LENGTH, alt_text, headline, legend
from games.core import Board, Deal, Outcome
from games.figures.images import Polygon, fit
from games.figures.outline import outline
from games.fonts import AnyFont, font_for

if TYPE_CHECKING:
    from games.figures import ImageSet

WIDTH = 1000
"""Pixels. Discord scales it down to about 360 on a phone."""
SCALE = 2  # the picture is drawn at twice its size and then reduced, for smooth edges
MARGIN, GAP, HEADER, FOOTER = 30, 20, 104, 84
ONE_ROW, TWO_ROWS = 5, 10
"""The largest numbers of figures that are shown in one row and in two rows; more are shown in three."""
CARD_RADIUS, CELL_RADIUS, BADGE = 30, 20, 27

# The palette of Okabe and Ito, which colour-blind people can tell apart. Each state also has its own shape.
CARD, CELL_FILL, LINE, INK, QUIET = "#f3f1ec", "#ffffff", "#d8d4cb", "#22262e", "#5d626c"
TARGET, SELECTED, RIGHT, WRONG = "#e69f00", "#0072b2", "#007a58", "#c2352b"
SELECTED_FILL, RIGHT_FILL, WRONG_FILL, MISSED_FILL = "#d3e7f6", "#d3eee3", "#f9dcd7", "#fff3d6"
GROUNDS = CARD, CELL_FILL, SELECTED_FILL, RIGHT_FILL, WRONG_FILL, MISSED_FILL
"""What is drawn on."""
SHADES = 16
"""Steps at the edges of texts and from transparent to opaque at the corners of the card; other edges have four."""

Box = tuple[float, float, float, float]
Glyph = Callable[[ImageDraw.ImageDraw, float, float, float], None]


@dataclass(frozen=True)
class _Grid:
    """The layout of a board: rows of equal length, except that the last may be shorter and is then centred."""

    rows: tuple[int, ...]
    """Number of figures in each row."""

    @classmethod
    def of(cls, figures: int) -> "_Grid":
        count = 1 if figures <= ONE_ROW else 2 if figures <= TWO_ROWS else 3
        columns = math.ceil(figures / count)
        return cls(tuple(min(columns, figures - start) for start in range(0, figures, columns)))

    @property
    def cell(self) -> int:
        """Side of a cell in pixels."""
        return (WIDTH - 2 * MARGIN - (self.rows[0] - 1) * GAP) // self.rows[0]

    @property
    def height(self) -> int:
        """Height of all rows together in pixels."""
        return len(self.rows) * (self.cell + GAP) - GAP

    def places(self) -> Iterator[tuple[int, int]]:
        """(row, column) of each figure, from 0."""
        return ((row, column) for row, figures in enumerate(self.rows) for column in range(figures))

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """Left and top of a cell."""
        step = self.cell + GAP
        indent = (self.rows[0] - self.rows[row]) * step / 2
        return MARGIN + indent + column * step, HEADER + row * step


@dataclass(frozen=True)
class _Look:
    """How one cell is drawn."""

    fill: str = CELL_FILL
    frame: str = LINE
    width: int = 2
    dashed: bool = False
    badges: tuple[str, ...] = ()
    """Glyph names; a star is drawn in the top left corner, all others in the bottom right."""


def draw_board(
    deal: Deal,
    selected_ids: frozenset[str],
    turns: int,
    max_turns: int,
    outcome: Outcome,
    images: "ImageSet",
) -> Board:
    """Draw the board in the speaker's order after `turns` finished turns: a PNG `WIDTH` pixels wide, and alt text.

    The same position always gives the same bytes and is cached. Safe to call from several threads.
    Raises KeyError for a figure that is not in `images`, ValueError for a selection that is not on the board.
    """
    if stray := selected_ids - set(deal.speaker):
        raise ValueError(f"{sorted(stray)} are selected but not on this board")
    marks = tuple((figure in deal.targets, figure in selected_ids) for figure in deal.speaker)
    polygons = tuple(images[figure].polygons for figure in deal.speaker)
    return Board(
        png=_png(
            polygons,
            marks,
            turns,
            max_turns,
            outcome,
            headline(turns, max_turns, outcome),
            tuple(legend(marks, outcome is not Outcome.OPEN)),
        ),
        alt=alt_text(
            _Grid.of(len(marks)).rows, marks, [outline(each) for each in polygons], turns, max_turns, outcome
        ),
    )


def numbered(board: Board, number: int) -> Board:
    """A board that is one of several to choose from: with its number in the lower right corner, and in its alt text."""
    side = 2 * BADGE
    badge = Image.new("RGBA", (side * SCALE, side * SCALE))
    draw = ImageDraw.Draw(badge)
    _disc(draw, BADGE, BADGE, BADGE - 1, fill=INK)
    centre, text = (BADGE * SCALE, BADGE * SCALE), str(number)
    draw.text(centre, text, CELL_FILL, _font(text, 42), anchor="mm", stroke_width=SCALE)
    badge = badge.reduce(SCALE)
    picture = Image.open(io.BytesIO(board.png)).convert("RGBA").convert("RGB")
    middle = picture.height - FOOTER // 2
    picture.paste(badge, (WIDTH - MARGIN - side, middle - BADGE), badge)
    return Board(_saved(picture), f"{number}. {board.alt}"[:ALT_LENGTH])


def _look(target: bool, selected: bool, over: bool) -> _Look:
    if target and selected:
        if over:
            return _Look(RIGHT_FILL, TARGET, 9, badges=("star", "right"))
        return _Look(SELECTED_FILL, TARGET, 9, badges=("star", "check"))
    if target:
        if over:
            return _Look(MISSED_FILL, WRONG, 9, dashed=True, badges=("star", "missed"))
        return _Look(frame=TARGET, width=9, badges=("star",))
    if selected:
        if over:
            return _Look(WRONG_FILL, WRONG, 9, badges=("cross",))
        return _Look(SELECTED_FILL, SELECTED, 7, badges=("check",))
    return _Look()


@lru_cache(maxsize=256)
def _png(
    polygons: tuple[tuple[Polygon, ...], ...],
    marks: tuple[tuple[bool, bool], ...],
    turns: int,
    max_turns: int,
    outcome: Outcome,
    headline: str,
    entries: tuple[tuple[str, str], ...],
) -> bytes:
    """The picture with a headline, and with entries of a legend: (glyph, text)."""
    grid = _Grid.of(len(polygons))
    height = HEADER + grid.height + FOOTER
    canvas = Image.new("RGB", (WIDTH * SCALE, height * SCALE), CARD)
    draw = ImageDraw.Draw(canvas)
    _draw_header(draw, turns, max_turns, outcome, headline)
    over = outcome is not Outcome.OPEN
    for place, figure, (target, selected) in zip(grid.places(), polygons, marks, strict=True):
        _draw_cell(draw, *grid.corner(*place), grid.cell, figure, _look(target, selected, over))
    _draw_legend(draw, height - FOOTER / 2, entries)
    return _saved(canvas.reduce(SCALE))


def _draw_header(draw: ImageDraw.ImageDraw, turns: int, max_turns: int, outcome: Outcome, text: str) -> None:
    middle = HEADER / 2
    colour = {Outcome.OPEN: INK, Outcome.WON: RIGHT}.get(outcome, WRONG)
    left = MARGIN
    if outcome is not Outcome.OPEN:
        GLYPHS["right" if outcome is Outcome.WON else "cross"](draw, left + BADGE, middle, BADGE)
        left += 2 * BADGE + 14
    radius, step = 11, 32
    first = WIDTH - MARGIN - radius - step * (max_turns - 1)
    font = _font(text, 48, first - left - step)
    draw.text((left * SCALE, middle * SCALE), text, colour, font, anchor="lm", stroke_width=SCALE)
    for i in range(max_turns):
        centre = first + i * step
        if i < turns:
            _disc(draw, centre, middle, radius, fill=colour)
        elif i == turns and outcome is Outcome.OPEN:
            _disc(draw, centre, middle, radius + 3, fill=CELL_FILL, outline=INK, width=5)
        else:
            _disc(draw, centre, middle, radius, fill=LINE)


def _draw_cell(
    draw: ImageDraw.ImageDraw, left: float, top: float, side: int, figure: Sequence[Polygon], look: _Look
) -> None:
    box = (left, top, left + side, top + side)
    if look.dashed:
        _rounded(draw, box, look.fill)
        _dashed_frame(draw, box, look.frame, look.width)
    else:
        _rounded(draw, box, look.fill, look.frame, look.width)
    for polygon in fit(figure, side * SCALE, margin=0.15):
        corners = [(left * SCALE + x, top * SCALE + y) for x, y in polygon]
        draw.polygon(corners, fill=INK, outline=INK, width=SCALE)
    inset = 12
    for badge in look.badges:
        if badge == "star":
            GLYPHS[badge](draw, left + inset, top + inset, BADGE)
        else:
            GLYPHS[badge](draw, left + side - inset, top + side - inset, BADGE)


def _draw_legend(draw: ImageDraw.ImageDraw, middle: float, entries: Iterable[tuple[str, str]]) -> None:
    left = MARGIN
    for glyph, text in entries:
        GLYPHS[glyph](draw, left + 21, middle, 21)
        left += 2 * 21 + 12
        font = _font(text, 35)
        draw.text((left * SCALE, middle * SCALE), text, QUIET, font, anchor="lm")
        left += font.getlength(text) / SCALE + 36


def _star(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float) -> None:
    _disc(draw, x, y, radius, fill=TARGET, outline=CARD, width=3)
    corners = []
    for i in range(10):
        reach = radius * (0.72 if i % 2 == 0 else 0.31)
        angle = math.pi * (i / 5 - 0.5)
        corners.append(((x + reach * math.cos(angle)) * SCALE, (y + reach * math.sin(angle)) * SCALE))
    draw.polygon(corners, fill=INK)


def _tick(colour: str) -> Glyph:
    def glyph(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float) -> None:
        _disc(draw, x, y, radius, fill=colour, outline=CARD, width=3)
        _stroke(draw, x, y, radius, ((-0.42, 0.02), (-0.12, 0.34), (0.44, -0.32)))

    return glyph


def _cross(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float) -> None:
    side = radius * 0.92
    _rounded(draw, (x - side, y - side, x + side, y + side), WRONG, CARD, 3, radius=radius * 0.3)
    _stroke(draw, x, y, radius, ((-0.36, -0.36), (0.36, 0.36)))
    _stroke(draw, x, y, radius, ((-0.36, 0.36), (0.36, -0.36)))


def _ring(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float) -> None:
    """The mark of a missed target: an empty circle."""
    _disc(draw, x, y, radius, fill=CELL_FILL, outline=CARD, width=3)
    _disc(draw, x, y, radius - 3, fill=CELL_FILL, outline=WRONG, width=6)


GLYPHS: dict[str, Glyph] = {
    "star": _star,
    "check": _tick(SELECTED),
    "right": _tick(RIGHT),
    "cross": _cross,
    "missed": _ring,
}


def _stroke(
    draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, path: Sequence[tuple[float, float]]
) -> None:
    """A white line with round ends; `path` is relative to the centre in radii."""
    points = [((x + dx * radius) * SCALE, (y + dy * radius) * SCALE) for dx, dy in path]
    width = radius * 0.24 * SCALE
    draw.line(points, fill=CELL_FILL, width=round(width), joint="curve")
    for px, py in (points[0], points[-1]):
        draw.circle((px, py), width / 2, fill=CELL_FILL)


def _disc(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    radius: float,
    fill: str,
    outline: str | None = None,
    width: int = 1,
) -> None:
    draw.circle((x * SCALE, y * SCALE), radius * SCALE, fill=fill, outline=outline, width=width * SCALE)


def _rounded(
    draw: ImageDraw.ImageDraw,
    box: Box,
    fill: str,
    outline: str | None = None,
    width: int = 1,
    radius: float = CELL_RADIUS,
) -> None:
    scaled = tuple(edge * SCALE for edge in box)
    draw.rounded_rectangle(scaled, radius * SCALE, fill=fill, outline=outline, width=width * SCALE)


def _dashed_frame(draw: ImageDraw.ImageDraw, box: Box, colour: str, width: int) -> None:
    """Five dashes on each side. The box must be square."""
    left, top, right, bottom = box
    dash = (right - left) / 9
    for i in range(0, 9, 2):
        start, end = i * dash, (i + 1) * dash
        for edge in (
            (left + start, top, left + end, top + width),
            (left + start, bottom - width, left + end, bottom),
            (left, top + start, left + width, top + end),
            (right - width, top + start, right, top + end),
        ):
            draw.rectangle(tuple(side * SCALE for side in edge), fill=colour)


def _font(text: str, size: int, width: float = math.inf) -> AnyFont:
    """The font for a text of so many pixels in height, or of fewer if it would be wider than `width` otherwise."""
    font = font_for(text.isascii(), size * SCALE)
    return font if font.getlength(text) <= width * SCALE or size <= 20 else _font(text, size - 2, width)


def _saved(picture: Image.Image) -> bytes:
    """A PNG with a palette, smaller and written in a tenth of the time of one without. The corners of the card
    are round, and transparent outside, for dark and light pages."""
    palette, corner, opacities = _palette()
    indexed = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    right, bottom = picture.width - CARD_RADIUS, picture.height - CARD_RADIUS
    for left, top in ((0, 0), (right, 0), (0, bottom), (right, bottom)):
        turned = ImageOps.mirror(corner) if left else corner
        indexed.paste(ImageOps.flip(turned) if top else turned, (left, top))
    buffer = io.BytesIO()
    indexed.save(buffer, "PNG", compress_level=3, transparency=opacities)
    return buffer.getvalue()


@cache
def _palette() -> tuple[Image.Image, Image.Image, bytes]:
    """A picture that has the palette of boards, the upper left corner of a card in it, and the opacity of each colour:
    what is drawn on and what is drawn, what lies between them at edges, and the card's colour less and less opaque.
    """
    shades = [_between(CARD, ink, SHADES) for ink in (INK, QUIET, RIGHT, WRONG)]
    inks = INK, LINE, TARGET, SELECTED, RIGHT, WRONG
    shades += [_between(ground, ink, 4) for ground in (*GROUNDS, TARGET) for ink in inks]
    colours = list(dict.fromkeys([*map(ImageColor.getrgb, GROUNDS), *itertools.chain(*shades)]))
    opacities = [255] * len(colours) + [255 * level // SHADES for level in range(SHADES)]
    assert len(opacities) <= 256, "A palette has at most 256 colours"
    values = [*itertools.chain(*colours), *ImageColor.getrgb(CARD) * SHADES]
    palette = Image.new("P", (1, 1))
    palette.putpalette(values)
    large = Image.new("L", (CARD_RADIUS * 4, CARD_RADIUS * 4), 0)
    ImageDraw.Draw(large).circle((CARD_RADIUS * 4, CARD_RADIUS * 4), CARD_RADIUS * 4, fill=255)
    first, opaque = len(colours), colours.index(ImageColor.getrgb(CARD))
    indices = [first + min(SHADES - 1, round(alpha * SHADES / 255)) for alpha in range(255)]
    corner = large.reduce(4).point([*indices, opaque])
    corner.putpalette(values)
    return palette, corner, bytes(opacities)


def _between(ground: str, ink: str, steps: int) -> Iterator[tuple[int, ...]]:
    """Colours from the one's neighbour to the other."""
    ends = list(zip(ImageColor.getrgb(ground), ImageColor.getrgb(ink), strict=True))
    return (tuple(round(a + (b - a) * step / steps) for a, b in ends) for step in range(1, steps + 1))

"""An animated WebP of a finished game: its boards in order, each under the instruction that it answers."""

import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from anyascii import anyascii
from PIL import Image, ImageDraw, ImageFont

from games.board import CARD, INK, MARGIN
from games.fonts import dejavu

FONT_SIZE, LINE_HEIGHT, LONGEST_CAPTION = 38, 50, 3
"""Pixels of a caption on a board of full size, and its lines at most."""
STEP_MS, WORD_MS, END_MS = 1_500, 200, 5_000
"""How long a frame is shown, how much longer for each word of its caption, and how long the last frame is."""
WIDTHS = (800, 560, 400, 280)
"""Widths in pixels to try, until the file is small enough."""
QUALITY = 80


@dataclass(frozen=True)
class Frame:
    """One picture of a replay."""

    board: bytes
    """PNG of a board."""
    caption: str


def animate(frames: Sequence[Frame], limit: int) -> bytes:
    """An animated WebP of at most `limit` bytes, which repeats for ever.

    Where it would be larger, it is made smaller, then frames in the middle are left out. Raises ValueError if even one
    small frame has more bytes.
    """
    shown = list(zip(_draw(frames), _durations(frames), strict=True))
    while shown:
        for width in WIDTHS:
            data = _encode(shown, width)
            if len(data) <= limit:
                return data
        shown = [*shown[:-1:2], shown[-1]] if len(shown) > 2 else shown[1:]
    raise ValueError(f"even a single frame has more than {limit} bytes")


def _durations(frames: Sequence[Frame]) -> list[int]:
    shown = [STEP_MS + WORD_MS * min(40, len(frame.caption.split())) for frame in frames]
    return [*shown[:-1], max(END_MS, shown[-1])]


def _encode(shown: Sequence[tuple[Image.Image, int]], width: int) -> bytes:
    """`shown`: pictures and how many milliseconds each is shown."""
    full = shown[0][0]
    size = (width, round(full.height * width / full.width))
    scaled = [picture.resize(size, Image.Resampling.LANCZOS) for picture, _ in shown]
    buffer = io.BytesIO()
    scaled[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=scaled[1:],
        duration=[milliseconds for _, milliseconds in shown],
        loop=0,
        quality=QUALITY,
    )
    return buffer.getvalue()


def _draw(frames: Sequence[Frame]) -> list[Image.Image]:
    """The pictures, all of one size."""
    boards = [Image.open(io.BytesIO(frame.board)).convert("RGBA") for frame in frames]
    width = boards[0].width
    captions = [_lines(frame.caption, width - 2 * MARGIN) for frame in frames]
    band = MARGIN + max(map(len, captions)) * LINE_HEIGHT
    pictures = []
    for board, lines in zip(boards, captions, strict=True):
        picture = Image.new("RGB", (width, band + board.height), CARD)
        picture.paste(board, (0, band), board)
        draw = ImageDraw.Draw(picture)
        for number, line in enumerate(lines):
            middle = MARGIN + (number + 0.5) * LINE_HEIGHT
            draw.text((MARGIN, middle), line, INK, _font(), anchor="lm")
        pictures.append(picture)
    return pictures


def _lines(caption: str, width: float) -> list[str]:
    """A caption in lines of at most `width` pixels; what is longer than `LONGEST_CAPTION` lines is cut off."""
    lines: list[str] = []
    for word in _pieces(_drawable(caption), width):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _font().getlength(longer) <= width:
            lines[-1] = longer
        elif len(lines) == LONGEST_CAPTION:
            while _font().getlength(lines[-1] + "…") > width:
                lines[-1] = lines[-1][:-1]
            lines[-1] += "…"
            break
        else:
            lines.append(word)
    return lines or [""]


def _pieces(text: str, width: float) -> Iterator[str]:
    """The words of a text; those wider than `width` in pieces."""
    for word in text.split():
        piece = ""
        for letter in word:
            if _font().getlength(piece + letter) > width:
                yield piece
                piece = ""
            piece += letter
        yield piece


def _drawable(text: str) -> str:
    """A text without what the font lacks: such characters are written in Latin letters, emoji by their names."""
    text = unicodedata.normalize("NFC", text)
    return "".join(letter if ord(letter) in _letters() else anyascii(letter) for letter in text)


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(dejavu(), FONT_SIZE)


@cache
def _letters() -> frozenset[int]:
    """Code points of the font."""
    from matplotlib.ft2font import FT2Font

    return frozenset({*FT2Font(str(dejavu())).get_charmap(), *map(ord, " \t\n")})

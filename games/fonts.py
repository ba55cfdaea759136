"""The fonts of pictures."""

from functools import cache
from pathlib import Path

from PIL import ImageFont

AnyFont = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def font_for(ascii_only: bool, size: int) -> AnyFont:
    """A font of so many pixels: Pillow's own for ASCII, which is all that it has, else DejaVu Sans."""
    return ImageFont.load_default(size) if ascii_only else ImageFont.truetype(dejavu(), size)


@cache
def dejavu() -> Path:
    """DejaVu Sans, which comes with matplotlib and has Latin, Greek, Cyrillic and many symbols."""
    from matplotlib import get_data_path  # loaded only where it is needed

    return Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")

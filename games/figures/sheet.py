"""Contact sheets: many figures of an image set in one picture, each with its id."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from games.figures.images import ImageSet, draw_figure


def draw_sheet(
    images: ImageSet, ids: Sequence[str] | None = None, columns: int = 12, size: int = 120
) -> Image.Image:
    """RGB picture of the given figures, or of all, in rows of `columns` figures of `size` pixels.

    Raises KeyError for an id that the set does not hold, ValueError if there are no figures.
    """
    shown = [images[figure_id] for figure_id in (images.ids if ids is None else ids)]
    if not shown:
        raise ValueError("a contact sheet needs at least one figure")
    caption = max(12, size // 8)
    font = ImageFont.load_default(caption)
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    sheet = Image.new("RGB", (columns * size, rows * (size + caption + 8)), "white")
    draw = ImageDraw.Draw(sheet)
    for i, figure in enumerate(shown):
        left, top = i % columns * size, i // columns * (size + caption + 8)
        sheet.paste(draw_figure(figure.polygons, size, oversample=2), (left, top))
        draw.text((left + size / 2, top + size), figure.id, "#5d626c", font, anchor="mt")
    return sheet

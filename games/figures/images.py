"""Figures, image sets and the drawing of a figure."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

Polygon = tuple[tuple[float, float], ...]
"""Corners (x right, y down) in the set's own units."""


@dataclass(frozen=True)
class Annotation:
    """How one person named a figure and its pieces."""

    name: str
    description: str
    """The name with the parts: one of the figure's descriptions."""
    pieces: tuple[str, ...]
    """What each polygon was called, "" for one that was not."""


@dataclass(frozen=True)
class FigureData:
    """One figure: seven polygons and what people call it."""

    id: str
    polygons: tuple[Polygon, ...]
    names: tuple[str, ...]
    """Short names ("a kneeling man"), the commonest first."""
    descriptions: tuple[str, ...] = ()
    """Longer descriptions that may name parts. Names are not repeated here."""
    pieces: tuple[str, ...] = ()
    """Piece kinds of `polygons`, where known."""
    annotations: tuple[Annotation, ...] = ()
    """What people called the pieces, where known."""

    @property
    def words(self) -> tuple[str, ...]:
        """All names and descriptions, names first."""
        return self.names + self.descriptions


@dataclass(frozen=True)
class ImageSet:
    """A named collection of figures. `games.figures.catalogue.open_images(spec)` opens it again."""

    spec: str
    figures: tuple[FigureData, ...]
    licence: str = ""
    _rasters: dict[tuple[str, int], PillowImage.Image] = field(
        default_factory=dict, repr=False, compare=False
    )
    _greys: dict[tuple[str, int], np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _by_id(self) -> dict[str, FigureData]:
        return {figure.id: figure for figure in self.figures}

    @property
    def ids(self) -> tuple[str, ...]:
        """Every figure id, sorted."""
        return tuple(sorted(self._by_id))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of ids and polygons, 16 hex digits. Names do not change it."""
        shapes = [(figure_id, self[figure_id].polygons) for figure_id in self.ids]
        return hashlib.sha256(json.dumps(shapes).encode()).hexdigest()[:16]

    def __getitem__(self, figure_id: str) -> FigureData:
        """Raises KeyError, naming the set, for an id it does not hold."""
        try:
            return self._by_id[figure_id]
        except KeyError:
            raise KeyError(f"no figure {figure_id!r} in image set {self.spec!r}") from None

    def __contains__(self, figure_id: object) -> bool:
        return figure_id in self._by_id

    def descriptions(self, ids: Sequence[str] | None = None) -> dict[str, list[str]]:
        """figure id -> its names and descriptions, for the given ids or for all."""
        return {figure_id: list(self[figure_id].words) for figure_id in (ids or self.ids)}

    def raster(self, figure_id: str, size: int) -> PillowImage.Image:
        """The figure as the policy sees it: black on white, RGB, `size` x `size` pixels, cached."""
        key = (figure_id, size)
        if key not in self._rasters:
            self._rasters[key] = draw_figure(self[figure_id].polygons, size)
        return self._rasters[key]

    def grey(self, figure_id: str, size: int) -> np.ndarray:
        """[size * size] the same in grey, 0 (black) to 1, cached."""
        key = (figure_id, size)
        if key not in self._greys:
            raster = self.raster(figure_id, size).convert("L")
            grey = np.asarray(raster, dtype=np.float32).ravel() / 255
            grey.setflags(write=False)
            self._greys[key] = grey
        return self._greys[key]


def fit(polygons: Sequence[Polygon], size: float, margin: float = 0.08) -> list[Polygon]:
    """The polygons scaled and centred in a square of side `size`; `margin` is a share of that side."""
    xs = [x for polygon in polygons for x, _ in polygon]
    ys = [y for polygon in polygons for _, y in polygon]
    extent = max(max(xs) - min(xs), max(ys) - min(ys))
    scale = size * (1 - 2 * margin) / extent
    left = size / 2 - scale * (max(xs) + min(xs)) / 2
    top = size / 2 - scale * (max(ys) + min(ys)) / 2
    return [tuple((left + scale * x, top + scale * y) for x, y in polygon) for polygon in polygons]


def draw_figure(
    polygons: Sequence[Polygon],
    size: int,
    colour: str = "black",
    background: str = "white",
    oversample: int = 4,
) -> PillowImage.Image:
    """A silhouette, RGB, `size` x `size` pixels, anti-aliased by drawing at a larger size and reducing."""
    large = size * oversample
    picture = PillowImage.new("RGB", (large, large), background)
    draw = ImageDraw.Draw(picture)
    for polygon in fit(polygons, large):
        draw.polygon(polygon, fill=colour, outline=colour, width=oversample // 2)
    return picture.resize((size, size), PillowImage.Resampling.LANCZOS)

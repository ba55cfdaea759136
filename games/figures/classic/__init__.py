"""The image set that ships with the package: our own tangram figures and words for them (see LICENSE)."""

import json
from dataclasses import replace
from functools import cache
from importlib.resources import files

from games.figures.images import FigureData, ImageSet
from games.figures.pieces import Tangram, tangram_from_records


@cache
def load_classic() -> ImageSet:
    """All figures of `figures.json`, read once."""
    data = _data()
    tangrams = classic_tangrams()
    return ImageSet(
        spec="classic",
        figures=tuple(
            FigureData(
                id=entry["id"],
                polygons=tangrams[entry["id"]].polygons,
                names=tuple(entry["names"]),
                descriptions=tuple(entry["descriptions"]),
                pieces=tuple(placed.piece for placed in tangrams[entry["id"]].placed),
            )
            for entry in data["figures"]
        ),
        licence=data["licence"],
    )


@cache
def some_of_classic(count: int) -> ImageSet:
    """`count` of the figures, spread evenly over the sorted ids. Raises ValueError if there are fewer or for 0."""
    images = load_classic()
    if not 1 <= count <= len(images.ids):
        raise ValueError(f"{count} figures were asked for: 'classic' has 1 to {len(images.ids)}")
    chosen = [images.ids[i * len(images.ids) // count] for i in range(count)]
    return replace(
        images, spec=f"classic:{count}", figures=tuple(map(images.__getitem__, chosen)), _rasters={}
    )


@cache
def classic_tangrams() -> dict[str, Tangram]:
    """figure id -> its exact pieces."""
    return {entry["id"]: tangram_from_records(entry["pieces"]) for entry in _data()["figures"]}


@cache
def _data() -> dict:
    return json.loads(files(__name__).joinpath("figures.json").read_text(encoding="utf-8"))

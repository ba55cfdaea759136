"""Reads the KiloGram tangrams (Ji et al., 2022) from a folder. The data set does not ship with the package.

The folder holds `full.json`, `tangrams-svg/*.svg` and, optionally, `dense.json`. `full.json` lists the
figures; `dense.json` only adds more annotations of some of them.
"""

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from games.figures.images import Annotation, FigureData, ImageSet, Polygon

LICENCE = "KiloGram: research and education only, see https://github.com/lil-lab/kilogram"
_KINDS = {
    "1": "square",
    "2": "parallelogram",
    "3": "small",
    "4": "small",
    "5": "medium",
    "6": "large",
    "7": "large",
}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_TRANSFORM = re.compile(r"\s*(matrix|translate|scale|rotate)\s*\(([^)]*)\)\s*,?")

Matrix = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f) of SVG: x' = a·x + c·y + e, y' = b·x + d·y + f."""


def load_kilogram(folder: str | Path) -> ImageSet:
    """The image set in a KiloGram folder. Figure ids are the file names without `.svg`.

    Names are people's descriptions of the whole, the commonest first; descriptions add the parts they named.
    Raises ValueError, which says what to do, for a folder that is missing or incomplete.
    """
    folder = Path(folder).expanduser()
    annotations = _annotations(folder / "full.json", "the figures' descriptions")
    if (folder / "dense.json").exists():
        for figure_id, more in _annotations(folder / "dense.json", "further descriptions").items():
            if figure_id in annotations:
                annotations[figure_id] += _new(more, annotations[figure_id])
    pictures = folder / "tangrams-svg"
    missing = [figure_id for figure_id in annotations if not (pictures / f"{figure_id}.svg").is_file()]
    if missing:
        raise ValueError(
            f"{pictures} lacks {len(missing)} of {len(annotations)} pictures, such as {missing[0]}.svg: "
            "copy the whole tangrams-svg folder of KiloGram's dataset next to full.json"
        )
    return ImageSet(
        spec=f"kilogram:{folder}",
        figures=tuple(
            _figure(figure_id, pictures / f"{figure_id}.svg", annotations[figure_id])
            for figure_id in sorted(annotations)
        ),
        licence=LICENCE,
    )


def _annotations(path: Path, what: str) -> dict[str, list[dict[str, Any]]]:
    """figure id -> its annotations, each {"whole": {"wholeAnnotation": words}, "part": {piece: words}}."""
    if not path.is_file():
        raise ValueError(
            f"{path} is missing ({what}): give the folder of KiloGram's dataset that holds full.json and "
            "tangrams-svg, as in kilogram:DIR; it can be downloaded from https://github.com/lil-lab/kilogram"
        )
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {figure_id: list(entry["annotations"]) for figure_id, entry in entries.items()}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not KiloGram's {path.name} ({error}): download it again") from None


def _new(more: Sequence[dict[str, Any]], known: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Annotations of dense.json, without those that are also in full.json."""
    repeated = Counter(json.dumps(annotation, sort_keys=True) for annotation in known)
    new = []
    for annotation in more:
        fingerprint = json.dumps(annotation, sort_keys=True)
        if repeated[fingerprint]:
            repeated[fingerprint] -= 1
        else:
            new.append(annotation)
    return new


def _figure(figure_id: str, path: Path, annotations: Sequence[dict[str, Any]]) -> FigureData:
    counts: dict[str, int] = {}
    descriptions: dict[str, Annotation] = {}
    for annotation in annotations:
        try:
            name = _tidy(annotation["whole"]["wholeAnnotation"])
            pieces = {piece: _tidy(part) for piece, part in annotation.get("part", {}).items()}
            parts = list(dict.fromkeys(pieces.values()))
        except (KeyError, TypeError, AttributeError):
            raise ValueError(f"An annotation of {figure_id} has no words: download the file again") from None
        if name:
            counts[name] = counts.get(name, 0) + 1
            parts = [part for part in parts if part]
            if parts:
                said = f"{name} with {_listed(parts)}"
                called = tuple(pieces.get(str(number), "") for number in range(1, 8))
                descriptions[said] = Annotation(name, said, called)
    names = sorted(
        counts, key=lambda name: -counts[name]
    )  # stable sort: names of equal count keep their order
    kinds, polygons = _read_svg(path)
    return FigureData(
        figure_id, polygons, tuple(names), tuple(descriptions), kinds, tuple(descriptions.values())
    )


def _tidy(words: str) -> str:
    return " ".join(words.split())


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _read_svg(path: Path) -> tuple[tuple[str, ...], tuple[Polygon, ...]]:
    """(piece kinds, polygons with their transforms applied)."""
    kinds, polygons = [], []
    try:
        root = ElementTree.parse(path).getroot()
        for element in root.iter():
            if element.tag.rpartition("}")[2] != "polygon":
                continue
            numbers = [float(number) for number in _NUMBER.findall(element.get("points", ""))]
            if len(numbers) < 6 or len(numbers) % 2:
                raise ValueError("a polygon has no proper points")
            matrix = _matrix(element.get("transform", ""))
            corners = zip(numbers[::2], numbers[1::2], strict=True)
            polygons.append(tuple(_moved(matrix, x, y) for x, y in corners))
            kinds.append(_KINDS.get(element.get("id", ""), ""))
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a tangram ({error}): copy it again") from None
    if len(polygons) != 7:
        raise ValueError(f"{path} holds {len(polygons)} polygons, a tangram has seven: copy it again")
    return tuple(kinds), tuple(polygons)


def _matrix(transform: str) -> Matrix:
    """The product of an SVG transform list."""
    result: Matrix = (1, 0, 0, 1, 0, 0)
    end = 0
    for match in _TRANSFORM.finditer(transform):
        if match.start() != end:
            break
        end = match.end()
        result = _product(result, _single(match[1], [float(n) for n in _NUMBER.findall(match[2])]))
    if transform[end:].strip():
        raise ValueError(f"unknown transform {transform!r}")
    return result


def _single(kind: str, n: list[float]) -> Matrix:
    match kind, len(n):
        case "matrix", 6:
            return (n[0], n[1], n[2], n[3], n[4], n[5])
        case "translate", 1 | 2:
            return (1, 0, 0, 1, n[0], n[1] if len(n) == 2 else 0)
        case "scale", 1 | 2:
            return (n[0], 0, 0, n[-1], 0, 0)
        case "rotate", 1 | 3:
            cos, sin = math.cos(math.radians(n[0])), math.sin(math.radians(n[0]))
            x, y = (n[1], n[2]) if len(n) == 3 else (0, 0)
            return (cos, sin, -sin, cos, x - cos * x + sin * y, y - sin * x - cos * y)
    raise ValueError(f"transform {kind} with {len(n)} numbers")


def _product(m: Matrix, n: Matrix) -> Matrix:
    """The matrix that applies n first and then m."""
    a, b, c, d, e, f = m
    return (
        a * n[0] + c * n[1],
        b * n[0] + d * n[1],
        a * n[2] + c * n[3],
        b * n[2] + d * n[3],
        a * n[4] + c * n[5] + e,
        b * n[4] + d * n[5] + f,
    )


def _moved(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f

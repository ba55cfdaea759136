"""`respect figures`: image sets and their figures."""

import difflib
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image
from rich.table import Table
from rich.text import Text

from cli.console import fail, out, print_json
from games.figures import ImageSet, open_images
from games.figures.approximate import check_polygons
from games.figures.check import check as check_tangram
from games.figures.check import outline
from games.figures.classic import classic_tangrams
from games.figures.pieces import Tangram, tangram_from_records
from games.figures.sheet import draw_sheet

app = typer.Typer(no_args_is_help=True)

Images = Annotated[
    str, typer.Option("--images", metavar="SPEC", help="The image set: classic, classic:N or kilogram:DIR.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("list")
def list_figures(images: Images = "classic", as_json: Json = False) -> None:
    """List the figures of an image set and their names."""
    image_set = _open(images)
    figures = [image_set[figure_id] for figure_id in image_set.ids]
    if as_json:
        entries = [
            {"id": figure.id, "names": figure.names, "descriptions": figure.descriptions}
            for figure in figures
        ]
        print_json({"images": images, "licence": image_set.licence, "figures": entries})
        return
    table = Table("Figure", "Names", "Descriptions", box=None, pad_edge=False)
    for figure in figures:
        table.add_row(Text(figure.id), Text(", ".join(figure.names[:4])), Text(str(len(figure.descriptions))))
    out.print(table)
    out.print(f"{len(figures)} figures in {images}. Licence: {image_set.licence}", markup=False)


@app.command()
def show(
    figure_id: Annotated[str, typer.Argument(metavar="ID", help="The figure, as `list` names it.")],
    images: Images = "classic",
    file: Annotated[Path | None, typer.Option("--out", help="Also save the picture to this file.")] = None,
    size: Annotated[int, typer.Option(min=16, max=4096, help="Pixels of the saved picture.")] = 512,
    as_json: Json = False,
) -> None:
    """Show one figure: its silhouette, names and descriptions."""
    image_set = _open(images)
    if figure_id not in image_set:
        close = difflib.get_close_matches(figure_id, image_set.ids, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "`respect figures list` names them all."
        fail(f"There is no figure {figure_id!r} in {images}: {hint}")
    figure = image_set[figure_id]
    if file:
        _save(image_set.raster(figure_id, size), file)
    if as_json:
        print_json(
            {
                "images": images,
                "id": figure.id,
                "names": figure.names,
                "descriptions": figure.descriptions,
                "pieces": figure.pieces,
                "polygons": figure.polygons,
                "saved": str(file) if file else None,
            }
        )
        return
    out.print(_silhouette(image_set.raster(figure_id, 40)))
    out.print(Text(figure.id, "bold"))
    for words in figure.words:
        out.print(f"  {words}", markup=False, highlight=False)
    if file:
        out.print(f"Saved to {file}.", markup=False)


@app.command()
def check(
    spec: Annotated[
        str,
        typer.Argument(
            help="classic, classic:N, kilogram:DIR, or a JSON file in the format of figures.json."
        ),
    ] = "classic",
    images: Annotated[str, typer.Option("--images", metavar="SPEC", help="The same as SPEC.")] = "",
    as_json: Json = False,
) -> None:
    """Check that every figure is a true tangram: right pieces, no overlap, one silhouette, no duplicate.

    Exit code 1 if one is not. Our own figures are checked exactly, downloaded ones within a tolerance.
    """
    spec = images or spec
    notes: dict[str, list[str]] = {}
    if spec == "classic":
        found = {figure_id: [] for figure_id in _open(spec).ids}
        twins = _check_exactly(classic_tangrams(), found, notes)
    elif spec.endswith(".json"):
        tangrams, found = _read(Path(spec))
        twins = _check_exactly(tangrams, found, notes)
    elif spec.partition(":")[0] not in ("classic", "kilogram"):
        fail(
            f"{spec!r} cannot be checked: expected 'classic', 'classic:N', 'kilogram:DIR', or a JSON file of figures, "
            "whose name ends in .json"
        )
    else:
        image_set = _open(spec)
        found = {id_: list(check_polygons(image_set[id_].polygons)) for id_ in image_set.ids}
        twins = []
    bad = {figure_id: problems for figure_id, problems in sorted(found.items()) if problems}
    ok = not bad and not twins and bool(found)
    if as_json:
        print_json(
            {
                "images": spec,
                "figures": len(found),
                "bad": bad,
                "duplicates": twins,
                "notes": notes,
                "ok": ok,
            }
        )
    else:
        for figure_id, problems in bad.items():
            out.print(f"{figure_id}: {'; '.join(problems)}.", style="red", markup=False, highlight=False)
        for group in twins:
            out.print(f"{' and '.join(group)} look the same.", style="red", markup=False, highlight=False)
        for figure_id, remarks in notes.items():
            out.print(f"{figure_id}: {'; '.join(remarks)}.", style="dim", markup=False, highlight=False)
        if ok:
            out.print(f"All {len(found)} figures of {spec} are true tangrams.", markup=False)
        elif not found:
            out.print(f"{spec} has no figures.", style="red", markup=False)
        else:
            wrong = set(bad) | {figure_id for group in twins for figure_id in group}
            out.print(f"{len(wrong)} of {len(found)} figures of {spec} are not right.", markup=False)
    raise typer.Exit(0 if ok else 1)


@app.command()
def sheet(
    file: Annotated[Path, typer.Option("--out", help="The picture to write, such as sheet.png.")],
    images: Images = "classic",
    columns: Annotated[int, typer.Option(min=1, max=100, help="Figures in a row.")] = 12,
    size: Annotated[int, typer.Option(min=32, max=512, help="Pixels of each figure.")] = 120,
) -> None:
    """Draw every figure of an image set into one contact sheet."""
    image_set = _open(images)
    _save(draw_sheet(image_set, columns=columns, size=size), file)
    out.print(f"{len(image_set.ids)} figures drawn to {file}.", markup=False)


def _open(spec: str) -> ImageSet:
    try:
        return open_images(spec)
    except (ValueError, OSError) as error:
        fail(str(error))


def _save(picture: Image.Image, file: Path) -> None:
    try:
        picture.save(file)
    except (OSError, ValueError) as error:
        fail(f"{file} could not be written ({error}): choose a folder that exists and a name like figure.png")


def _read(path: Path) -> tuple[dict[str, Tangram], dict[str, list[str]]]:
    """(readable tangrams by id, problems by id) of a file in the format of `games/figures/classic/figures.json`."""
    tangrams: dict[str, Tangram] = {}
    problems: dict[str, list[str]] = {}
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["figures"]
        ids = [str(entry["id"]) for entry in entries]
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}")
    except (ValueError, KeyError, TypeError):
        fail(
            f'{path} is not a file of figures: expected {{"figures": [{{"id": ..., "pieces": [...]}}, ...]}}'
        )
    for figure_id, entry in zip(ids, entries, strict=True):
        repeated = figure_id in problems
        problems.setdefault(figure_id, [])
        if repeated:
            problems[figure_id].append("its id is used more than once")
        try:
            tangrams[figure_id] = tangram_from_records(entry["pieces"])
        except (ValueError, KeyError, TypeError) as error:
            problems[figure_id].append(
                str(error) if isinstance(error, ValueError) else "it has no list of pieces"
            )
    return tangrams, problems


def _check_exactly(
    tangrams: dict[str, Tangram], problems: dict[str, list[str]], notes: dict[str, list[str]]
) -> list[list[str]]:
    """Adds to `problems` and `notes` by figure id, and gives the groups of figures that look the same."""
    groups: dict[object, list[str]] = {}
    for figure_id, tangram in tangrams.items():
        report = check_tangram(tangram)
        problems[figure_id] += report.problems
        remarks = ["some parts touch only at a corner"] if report.point_joined else []
        remarks += [f"it has {report.holes} holes"] if report.holes else []
        if remarks:
            notes[figure_id] = remarks
        if report.ok:
            groups.setdefault(outline(tangram), []).append(figure_id)
    return [group for group in groups.values() if len(group) > 1]


def _silhouette(raster: Image.Image) -> Text:
    """The figure as half-height blocks for a terminal, two rows of pixels per line."""
    width, dark = raster.width, [level < 128 for level in raster.convert("L").tobytes()]
    lines = []
    for start in range(0, len(dark) - width, 2 * width):
        upper, lower = dark[start : start + width], dark[start + width : start + 2 * width]
        lines.append("".join(" ▄▀█"[2 * above + below] for above, below in zip(upper, lower, strict=True)))
    return Text("\n".join(line.rstrip() for line in lines if line.strip()))

"""Writes a report: figures as PNG and SVG, their numbers as CSV, and one page with everything."""

import base64
import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment

from research.report.estimate import Estimate
from research.report.figures import CELLS, DRAWINGS, Drawing, render
from research.report.measures import (
    BY_NAME,
    MEASURES,
    Deployment,
    Difference,
    differences,
    measure_deployment,
)
from research.report.played import PlayedGame
from store.folder import new_folder
from store.models import now
from store.version import code_version

PAGE = "report.html"
SUMMARY = (
    *("success", "turns", "click_accuracy", "right_turns", "positive_feedback"),
    *("exact_match", "similarity"),
)
"""Measures of the page's first table, where they have a value."""

COUNTS = {"language": "vocabulary", "judged": "judgements"}
"""Figure -> attribute of a round that its numbers begin with."""


@dataclass(frozen=True)
class Shown:
    """One figure on the page."""

    name: str
    title: str
    caption: str
    alt: str
    light: str
    dark: str
    """Data URIs of SVG."""
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]


def write_report(
    folder: Path,
    sources: Sequence[tuple[str, Sequence[PlayedGame]]],
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Deployment]:
    """Write a report of one source of games, or of two side by side, to a new folder.

    `sources` are (name, games) with at least one game each. Raises `store.folder.FolderError`.
    """
    deployments = [measure_deployment(name, games, seed) for seed, (name, games) in enumerate(sources)]
    found = differences(deployments[0], deployments[1]) if len(deployments) == 2 else []
    with new_folder(folder) as partial_folder:
        shown = []
        for done, drawing in enumerate(DRAWINGS):
            on_progress(done, len(DRAWINGS))
            if drawing.is_drawn(deployments):
                shown.append(_figure(partial_folder, drawing, deployments))
        if found:
            _write_csv(partial_folder / "differences.csv", *_difference_rows(found))
        page = _page(deployments, shown, found)
        (partial_folder / PAGE).write_text(page, encoding="utf-8")
        on_progress(len(DRAWINGS), len(DRAWINGS))
    return deployments


def _figure(folder: Path, drawing: Drawing, deployments: Sequence[Deployment]) -> Shown:
    header, rows = _numbers(drawing, deployments)
    rendered = render(drawing, deployments)
    (folder / f"{drawing.name}.svg").write_bytes(rendered.light)
    (folder / f"{drawing.name}.png").write_bytes(rendered.png)
    _write_csv(folder / f"{drawing.name}.csv", header, rows)
    return Shown(
        drawing.name,
        drawing.title,
        drawing.caption,
        f"{drawing.title}. The numbers are in the table below.",
        _uri(rendered.light),
        _uri(rendered.dark),
        header,
        rows,
    )


def _numbers(drawing: Drawing, deployments: Sequence[Deployment]) -> tuple[list[str], list[list[Any]]]:
    if drawing.name == "message_length":
        return ["deployment", "player", "messages", "mean_words", "median_words"], [
            [deployment.name, row.player, row.messages, row.mean, row.median]
            for deployment in deployments
            for row in deployment.players
        ]
    if drawing.name == "confusion":
        header = ["deployment", "round", *CELLS.values()]
        return header, [
            [deployment.name, row.number, *(row.confusion[cell] for cell in CELLS)]
            for deployment in deployments
            for row in deployment.rounds
        ]
    header = ["deployment", "round", "interactions", "interactions_so_far"]
    if counted := COUNTS.get(drawing.name):
        header.append(counted)
    for name in drawing.measures:
        header += [name, f"{name}_low", f"{name}_high"]
    rows = []
    for deployment in deployments:
        for row in deployment.rounds:
            values: list[Any] = [deployment.name, row.number, row.interactions, row.cumulative]
            if counted:
                values.append(getattr(row, counted))
            for name in drawing.measures:
                estimate = row.estimates[name]
                values += [estimate.value, estimate.low, estimate.high]
            rows.append(values)
    return header, rows


def _difference_rows(found: Sequence[Difference]) -> tuple[list[str], list[list[Any]]]:
    header = ["measure", "round", "difference", "low", "high"]
    return header, [[row.measure, row.round, row.value, row.low, row.high] for row in found]


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _uri(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _page(deployments: Sequence[Deployment], shown: Sequence[Shown], found: Sequence[Difference]) -> str:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cell"] = _cell
    template = environment.from_string(
        resources.files("research.report").joinpath("report.html.jinja").read_text(encoding="utf-8")
    )
    return template.render(
        deployments=deployments,
        figures=shown,
        left_out=[drawing.without for drawing in DRAWINGS if not drawing.is_drawn(deployments)],
        measures=[BY_NAME[name] for name in SUMMARY if any(each.has(name) for each in deployments)],
        differences=[
            (BY_NAME[row.measure], row, partial(_shown, unit=BY_NAME[row.measure].unit)) for row in found
        ],
        interval=_interval,
        made=f"{now():%Y-%m-%d %H:%M} UTC",
        version=code_version(),
        words={measure.name: measure.title for measure in MEASURES},
    )


def _shown(value: float, unit: str, sign: bool = False) -> str:
    scaled, ending = (100 * value, " points" if sign else "%") if unit == "share" else (value, "")
    return f"{scaled:{'+' if sign else ''}.1f}{ending}"


def _interval(estimate: Estimate, unit: str) -> str:
    """ "31.0% (26.2% to 35.8%)"."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "none"
    return f"{_shown(estimate.value, unit)} ({_shown(estimate.low, unit)} to {_shown(estimate.high, unit)})"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)

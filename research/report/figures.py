"""Draws a report's figures: light ones as PNG and SVG, dark ones as SVG for the page."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import PercentFormatter

from research.report.curve import COLOURS, INK, PAPER, STYLE, draw_curve, label_axes
from research.report.measures import BY_NAME, Deployment

DARK = {INK: "#e6edf3", PAPER: "#0d1117", COLOURS[0]: "#58a6ff", COLOURS[1]: "#f0883e"}
"""Colour of a light figure -> of the dark one."""
SVG_COLOUR = re.compile(r"((?:fill|stroke): )(#[0-9a-f]{6})")
CELLS = {
    (1, 1): "positive, all right",
    (0, 1): "positive, some right",
    (-1, 1): "positive, none right",
    (1, -1): "negative, all right",
    (0, -1): "negative, some right",
    (-1, -1): "negative, none right",
}
"""(reference, decoded) -> legend text."""
CELL_COLOURS = ("#1a7f37", "#7fbf7b", "#d9f0d3", "#f1c6a8", "#e08214", "#8c510a")

Draw = Callable[[Sequence[Deployment], Sequence[Axes]], None]


@dataclass(frozen=True)
class Drawing:
    """One figure of a report."""

    name: str
    """Name of its files, without extension."""
    title: str
    caption: str
    panels: int
    draw: Draw
    measures: tuple[str, ...] = ()
    """Names of the measures that it shows."""
    without: str = ""
    """What is said in its place where none of its measures has a value; "": it is drawn all the same."""

    def is_drawn(self, deployments: Sequence[Deployment]) -> bool:
        """Whether there is anything to draw."""
        return not self.without or any(each.has(name) for each in deployments for name in self.measures)


@dataclass(frozen=True)
class Rendered:
    """The files of one figure."""

    light: bytes
    """SVG."""
    dark: bytes
    """SVG."""
    png: bytes


def render(drawing: Drawing, deployments: Sequence[Deployment]) -> Rendered:
    """A figure's files. The same numbers give the same SVG."""
    columns = min(drawing.panels, 2)
    lines = -(-drawing.panels // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.3 * lines))
        axes = list(figure.subplots(lines, columns, squeeze=False).flat)
        drawing.draw(deployments, axes)
        ConstrainedLayoutEngine().execute(figure)  # takes most of the time: once for both files
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None})
        figure.savefig(png, format="png", dpi=150)
    light = svg.getvalue().decode()
    dark = SVG_COLOUR.sub(lambda found: found[1] + DARK.get(found[2], found[2]), light)
    return Rendered(light.encode(), dark.encode(), png.getvalue())


def _curve(axes: Axes, deployments: Sequence[Deployment], name: str, by: str) -> None:
    measure = BY_NAME[name]
    for deployment, colour in zip(deployments, COLOURS, strict=False):
        rows = [row for row in deployment.rounds if row.estimates[name].value is not None]
        if not rows:
            continue
        xs = [row.number if by == "round" else row.cumulative for row in rows]
        draw_curve(axes, xs, [row.estimates[name] for row in rows], colour, deployment.name)
    _label(axes, by, measure.title, measure.unit)
    if len(deployments) > 1 and axes.lines:
        axes.legend(loc="best")


def _label(axes: Axes, by: str, title: str, unit: str) -> None:
    label_axes(axes, title, "round" if by == "round" else "interactions so far", unit)


def _two_ways(name: str) -> Draw:
    def draw(deployments: Sequence[Deployment], axes: Sequence[Axes]) -> None:
        _curve(axes[0], deployments, name, "round")
        _curve(axes[1], deployments, name, "interactions")

    return draw


def _by_round(*names: str) -> Draw:
    def draw(deployments: Sequence[Deployment], axes: Sequence[Axes]) -> None:
        for each, name in zip(axes, names, strict=True):
            _curve(each, deployments, name, "round")

    return draw


def _language(deployments: Sequence[Deployment], axes: Sequence[Axes]) -> None:
    for deployment, colour in zip(deployments, COLOURS, strict=False):
        axes[0].plot(
            [row.number for row in deployment.rounds],
            [row.vocabulary for row in deployment.rounds],
            marker="o",
            color=colour,
            label=deployment.name,
        )
    _label(axes[0], "round", "Different words", "number")
    if len(deployments) > 1:
        axes[0].legend(loc="best")
    for each, name in zip(axes[1:], ("utterance_length", "resets", "try_again"), strict=True):
        _curve(each, deployments, name, "round")


def _confusion(deployments: Sequence[Deployment], axes: Sequence[Axes]) -> None:
    width = 0.8 / len(deployments)
    for index, deployment in enumerate(deployments):
        for row in deployment.rounds:
            total, bottom = sum(row.confusion.values()), 0.0
            for cell, colour in zip(CELLS, CELL_COLOURS, strict=True):
                share = row.confusion[cell] / total if total else 0.0
                axes[0].bar(
                    row.number + (index - (len(deployments) - 1) / 2) * width,
                    share,
                    width * 0.92,
                    bottom=bottom,
                    color=colour,
                    label=CELLS[cell] if index == 0 and row is deployment.rounds[0] else None,
                )
                bottom += share
    _label(axes[0], "round", "Decoded feedback and clicks", "share")
    if len(deployments) > 1:
        axes[0].set_xlabel(f"round (left {deployments[0].name}, right {deployments[1].name})")
    axes[0].set_ylim(0, 1)
    axes[0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, reverse=True)


def _lengths(deployments: Sequence[Deployment], axes: Sequence[Axes]) -> None:
    lengths = [[player.mean for player in deployment.players] for deployment in deployments]
    edges = np.histogram_bin_edges(np.concatenate(lengths), bins=25).tolist()
    for deployment, means, colour in zip(deployments, lengths, COLOURS, strict=False):
        shares = np.full(len(means), 1 / max(1, len(means)))
        axes[0].hist(means, edges, weights=shares, color=colour, alpha=0.6, label=deployment.name)
    axes[0].set_title("Message length of each player")
    axes[0].set_xlabel("mean words per message")
    axes[0].set_ylabel("share of players")
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    if len(deployments) > 1:
        axes[0].legend(loc="best")


JUDGED = ("exact_match", "similarity", "correct", "partly_correct", "incorrect", "satisfied")
DRAWINGS = (
    *(
        Drawing(name, BY_NAME[name].title, caption, 2, _two_ways(name), (name,))
        for name, caption in (
            ("success", "Share of interactions in which the selection came to be the targets."),
            ("turns", "Mean number of turns of an interaction, won or not."),
            ("click_accuracy", "Share of clicks that select a target or deselect a figure that is none."),
        )
    ),
    Drawing(
        "feedback",
        "Feedback",
        "Share of turns with every click right, and share of all turns whose decoded feedback is positive.",
        2,
        _by_round("right_turns", "positive_feedback"),
        ("right_turns", "positive_feedback"),
    ),
    Drawing(
        "judged",
        "Turns judged by people",
        "Clicks compared with those that people think right (similarity: clicks in both, as a share of those in "
        "either), and what people say of the action and of the next words.",
        len(JUDGED),
        _by_round(*JUDGED),
        JUDGED,
        "No turn has been judged by a person, so exact match, similarity and correctness are not drawn.",
    ),
    Drawing(
        "language",
        "Language",
        "The number of different words grows with that of interactions: compare rounds of similar size.",
        4,
        _language,
        ("utterance_length", "resets", "try_again"),
    ),
    Drawing(
        "confusion",
        "Feedback decoder",
        "Decoded turns by decoded label and by how many of their clicks were right. Green is positive, brown negative.",
        1,
        _confusion,
    ),
    Drawing(
        "decoder_and_people",
        "Feedback decoder and people",
        "Decoded turns whose next words were judged by people: share with the same answer, and share of those decoded "
        "as positive whose next words show satisfaction, as people say.",
        2,
        _by_round("decoder_agreement", "decoder_precision"),
        ("decoder_agreement", "decoder_precision"),
        "No turn has both decoded feedback and a person's judgement of it, so the two are not compared.",
    ),
    Drawing(
        "message_length",
        "Message length",
        "Players by the mean length of their messages.",
        1,
        _lengths,
    ),
)

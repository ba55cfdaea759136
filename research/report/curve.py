"""Draws a measure with its 95% intervals as a curve: for a report's figures, and alone as a small picture."""

import io
import threading
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, PercentFormatter

from research.report.estimate import Estimate

INK, PAPER = "#1f2328", "#ffffff"
COLOURS = ("#0969da", "#bc4c00")
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "respect",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "grid.color": INK,
}
"""Matplotlib's settings for every figure."""
_drawing = threading.Lock()
"""Matplotlib's settings are those of the whole process, so one picture is drawn at a time."""
TICKS = 8
"""Labels on the x axis of a picture; where there are more points, only some are labelled."""


def draw_curve(
    axes: Axes, xs: Sequence[float], estimates: Sequence[Estimate], colour: str, label: str | None = None
) -> None:
    """A line through the estimates, whose values must not be None, with a band for their intervals."""
    values: list[Any] = list(estimates)
    axes.plot(xs, [value.value for value in values], marker="o", color=colour, label=label)
    low, high = [value.low for value in values], [value.high for value in values]
    axes.fill_between(xs, low, high, color=colour, alpha=0.2, linewidth=0)
    if len(xs) == 1:  # a band needs two points
        axes.vlines(xs, low, high, color=colour)


def label_axes(axes: Axes, title: str, x_label: str, unit: str) -> None:
    """Title, label of the x axis, and a y axis from 0, in percent if `unit` is "share"."""
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axes.set_ylim(bottom=0)
    if unit == "share":
        axes.yaxis.set_major_formatter(PercentFormatter(1))


def curve_png(
    title: str, x_label: str, points: Sequence[tuple[str, Estimate]], y_label: str = "share"
) -> bytes:
    """A PNG, 1,080 x 600 pixels, of shares with their intervals. `points`: (label on the x axis, share), in order."""
    style: dict[Any, Any] = {**STYLE, "font.size": 11}
    with _drawing, rc_context(style):
        figure = Figure(figsize=(7.2, 4.0), layout="constrained")
        axes = figure.subplots()
        xs = range(len(points))
        draw_curve(axes, xs, [estimate for _, estimate in points], COLOURS[0])
        label_axes(axes, title, x_label, y_label)
        axes.set_ylim(0, 1.04)
        axes.set_xlim(-0.5, max(0.5, len(points) - 0.5))
        shown = range(0, len(points), -(-len(points) // TICKS))
        axes.xaxis.set_major_locator(FixedLocator(list(shown)))
        axes.set_xticklabels([points[at][0] for at in shown])
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=150)
    return png.getvalue()

"""A curve of shares with their intervals as the geometry of an SVG, which the template draws."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 80, 14, 14, 50
"""Margins."""
LABELS = 16
"""Labels on the x axis at most."""
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Share:
    """A share with its 95% interval."""

    label: str
    """Under the x axis."""
    about: str
    """The whole point in words."""
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Mark:
    """A share on the chart, in pixels."""

    share: Share
    x: float
    y: float
    y_low: float
    y_high: float
    labelled: bool


@dataclass(frozen=True)
class Chart:
    """The chart of one curve."""

    marks: tuple[Mark, ...]
    grid: tuple[tuple[float, str], ...]
    """(y, label) of each line."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM

    @property
    def line(self) -> str:
        """`points` of the line through the shares."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)

    @property
    def band(self) -> str:
        """`points` of the band of the intervals."""
        above = [f"{mark.x:.1f},{mark.y_high:.1f}" for mark in self.marks]
        below = [f"{mark.x:.1f},{mark.y_low:.1f}" for mark in reversed(self.marks)]
        return " ".join(above + below)


def chart_of(shares: Sequence[Share]) -> Chart:
    """The chart of shares in order, evenly spaced."""
    step = (WIDTH - LEFT - RIGHT) / max(1, len(shares))
    every = -(-len(shares) // LABELS)
    marks = tuple(
        Mark(
            share,
            LEFT + (number + 0.5) * step,
            _y(share.value),
            _y(share.low),
            _y(share.high),
            number % every == 0,
        )
        for number, share in enumerate(shares)
    )
    return Chart(marks, tuple((_y(value), f"{value:.0%}") for value in GRID))


def _y(value: float) -> float:
    return TOP + (1 - value) * (HEIGHT - TOP - BOTTOM)

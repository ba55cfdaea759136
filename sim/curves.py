"""The paper's curves from the JSON objects of deployments: success for each round, pooled over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.statistics import bootstrap_ci95

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class CurvePoint:
    """Success of one system's policies in one round, over all seeds."""

    round: int
    interactions: int
    success: float
    success_ci95: tuple[float, float]
    """Bootstrap interval over interactions."""
    turns: float
    click_accuracy: float
    """Mean over seeds."""


def label(run: dict[str, Any]) -> str:
    """The name of a run's curve: its system, and the attack if a share of the players attacks."""
    return f"{run['system']}, {run['attack']}" if "attack" in run else run["system"]


def curves(runs: Sequence[dict[str, Any]]) -> dict[str, list[CurvePoint]]:
    """Label -> its points in order of rounds, the interactions of all its seeds pooled."""
    found: dict[str, list[CurvePoint]] = {}
    for name in dict.fromkeys(map(label, runs)):
        rows = [row for run in runs if label(run) == name for row in run["rounds"]]
        found[name] = [
            _point([row for row in rows if row["round"] == number])
            for number in sorted({row["round"] for row in rows})
        ]
    return found


def _point(rows: Sequence[dict[str, Any]]) -> CurvePoint:
    wins = [round(row["success"] * row["interactions"]) for row in rows]
    played = [row["interactions"] for row in rows]
    successes = [1.0] * sum(wins) + [0.0] * (sum(played) - sum(wins))
    return CurvePoint(
        round=rows[0]["round"],
        interactions=len(successes),
        success=sum(wins) / len(successes),
        success_ci95=bootstrap_ci95(successes),
        turns=sum(row["turns"] * count for row, count in zip(rows, played, strict=True)) / sum(played),
        click_accuracy=sum(row["click_accuracy"] for row in rows) / len(rows),
    )


def plot(runs: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw success by round to a picture file (PNG, SVG, PDF).

    Raises ValueError for an unknown file format, OSError if the file cannot be written.
    """
    draw(runs).savefig(path)


def draw(runs: Sequence[dict[str, Any]]) -> "Figure":
    """Success by round: a line for each system, with the 95% intervals of its points."""
    from matplotlib.figure import Figure  # takes half a second to import
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    seeds = len({run["seed"] for run in runs})
    sets = ", ".join(dict.fromkeys(run["images"] for run in runs))
    figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
    axes = figure.subplots()
    for system, points in curves(runs).items():
        rounds = [point.round for point in points]
        (line,) = axes.plot(rounds, [point.success for point in points], marker="o", label=system)
        low, high = zip(*(point.success_ci95 for point in points), strict=True)
        axes.fill_between(rounds, low, high, color=line.get_color(), alpha=0.18, linewidth=0)
        if len(rounds) == 1:  # a band needs two rounds
            axes.vlines(rounds, low, high, color=line.get_color())
    axes.set_xlabel("round")
    axes.set_ylabel("success")
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(alpha=0.3)
    axes.legend(loc="best")
    axes.set_title(f"{sets}: {seeds} {'seed' if seeds == 1 else 'seeds'}, 95% intervals over interactions")
    return figure

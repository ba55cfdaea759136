"""`respect bench`: measurements, each compared with an alternative in the same run."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.table import Table

from cli.console import fail, out, print_json
from store.export import Format

app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def bench() -> None:
    """Measure speed and memory, compared with an alternative in the same run."""


@app.command()
def training(
    games: Annotated[int, typer.Option(min=8, help="Games whose turns are trained on.")] = 80,
    repeats: Annotated[
        int, typer.Option(min=1, help="Measurements of each loop; the median is reported.")
    ] = 3,
    policy: Annotated[str, typer.Option(help="Base model: tiny, a folder, or a model id.")] = "tiny",
    as_json: AsJson = False,
) -> None:
    """Training turns per second, compared with a plain loop: one prompt a turn, images encoded each time."""
    from learner.policy.loading import PolicyLoadError  # torch is loaded only when a model is
    from sim.bench.training import bench_training

    try:
        measured = asdict(bench_training(games, repeats, policy))
    except (ValueError, PolicyLoadError) as error:
        fail(str(error))
    _show("training", measured, as_json)


@app.command()
def serving(
    policy: Annotated[str, typer.Option(help="Base model: tiny, a folder, or a model id.")] = "tiny",
    quick: Annotated[
        bool, typer.Option("--quick", help="One minute instead of ten, with rough results.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Serving: latency against a naive loop, concurrent games, adapter swaps, memory, kills under load."""
    from learner.policy.loading import PolicyLoadError  # torch is loaded only when a model is
    from learner.protocol import PolicyError
    from sim.bench.serving import QUICK, Sizes, bench_serving

    try:
        measured = asdict(bench_serving(QUICK if quick else Sizes(), policy))
    except ValidationError:
        raise  # of settings: the program says what is wrong
    except (ValueError, PolicyLoadError, PolicyError) as error:
        fail(str(error))
    _show("serving", measured, as_json)


@app.command()
def store(
    turns: Annotated[int, typer.Option(min=1, help="Turns in the generated database.")] = 100_000,
    kind: Annotated[Format, typer.Option("--format", help="File format of the export.")] = Format.PARQUET,
    as_json: AsJson = False,
) -> None:
    """Generate a database of many turns and export it: seconds and peak memory of the export."""
    from sim.bench.store import bench_store

    _show("store", asdict(bench_store(turns, kind)), as_json)


def _show(title: str, measured: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(measured)
        return
    table = Table(title=title, show_header=False)
    for name, value in measured.items():
        table.add_row(name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value))
    out.print(table)

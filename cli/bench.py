"""`respect bench`: measurements, each compared with an alternative in the same run."""

import asyncio
import math
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.table import Table

from cli.console import fail, out, print_json
from store.export import Format

if TYPE_CHECKING:
    from local_discord.request_log import RequestRecord

app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
OpenApiFile = Annotated[
    Path | None, typer.Option(help="File of Discord's API description, to check each request of the bot.")
]


@app.callback()
def bench() -> None:
    """Measure speed and memory, compared with an alternative in the same run."""


@app.command()
def training(
    games: Annotated[int, typer.Option(min=8, help="Games whose turns are trained on.")] = 80,
    repeats: Annotated[
        int, typer.Option(min=1, help="Measurements of each loop; the median is reported.")
    ] = 3,
    policy: Annotated[str, typer.Option(help="Base model: tiny, novice, a folder, or a model id.")] = "tiny",
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
    policy: Annotated[str, typer.Option(help="Base model: tiny, novice, a folder, or a model id.")] = "tiny",
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
    turns: Annotated[
        str, typer.Option(help="Turns of each generated database, separated by commas.")
    ] = "10000,100000",
    kind: Annotated[Format, typer.Option("--format", help="File format of the export.")] = Format.PARQUET,
    as_json: AsJson = False,
) -> None:
    """Generate databases, and measure what the bot and a round ask of them: seconds and peak memory."""
    from sim.bench.store import bench_store

    sizes = [int(size) for size in turns.split(",") if size.strip().isdecimal()]
    if len(sizes) < len(turns.split(",")) or min(sizes) < 1:
        fail(f"--turns {turns!r}: expected numbers from 1, separated by commas, as in 10000,100000")
    measured = [bench_store(size, kind) for size in sizes]
    if as_json:
        print_json({"databases": [asdict(one) for one in measured]})
        return
    table = Table("", *(f"{one.turns:,} turns" for one in measured), title="store")
    table.add_row("games", *(f"{one.games:,}" for one in measured))
    table.add_row("database", *(f"{one.megabytes:.0f} MB" for one in measured))
    table.add_row("generated in", *(f"{one.generate_seconds:.0f} s" for one in measured), end_section=True)
    for part in ("bot", "learner"):
        for name in getattr(measured[0], part):
            found = [getattr(one, part)[name] for one in measured]
            table.add_row(
                name,
                *(
                    f"{each.seconds:.3f} s (cpu {each.cpu_seconds:.3f}), {each.peak_memory_megabytes:.0f} MB"
                    for each in found
                ),
            )
        table.add_section()
    out.print(table)


@app.command()
def chaos(
    games: Annotated[int, typer.Option(min=1, help="Games that are played.")] = 500,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no more games after so many minutes.")
    ] = None,
    guilds: Annotated[int, typer.Option(min=1, help="Number of servers.")] = 20,
    players: Annotated[int, typer.Option(min=1, help="Players at a time.")] = 20,
    bot_kills: Annotated[int, typer.Option(min=0, help="Kills of the bot.")] = 5,
    service_kills: Annotated[int, typer.Option(min=0, help="Kills of the policy service.")] = 5,
    round_kills: Annotated[int, typer.Option(min=0, help="Kills of a round's process.")] = 2,
    worker_kills: Annotated[
        int, typer.Option(min=0, help="Kills of a worker with a round, which another one takes over.")
    ] = 1,
    disk_fills: Annotated[
        int, typer.Option(min=0, help="How often the disk is full for a while; only as root on Linux.")
    ] = 2,
    clock_back: Annotated[
        int, typer.Option(min=0, help="Seconds by which the bot's clock is set back.")
    ] = 3600,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    openapi: OpenApiFile = None,
    keep: Annotated[
        Path | None, typer.Option(help="A new folder for a copy of the bot's database and logs.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Games while Discord fails, processes are killed, the disk is full and the clock is set back.

    Fails if something that a player said is lost or played twice.
    """
    from sim.bench.chaos import ChaosOptions, bench_chaos
    from sim.demo import DemoError

    validator = _validator(openapi)

    with tempfile.TemporaryDirectory(prefix="respect-chaos-", ignore_cleanup_errors=True) as folder:
        options = ChaosOptions(
            Path(folder),
            games=games,
            minutes=math.inf if minutes is None else minutes,
            guilds=guilds,
            players=players,
            bot_kills=bot_kills,
            service_kills=service_kills,
            round_kills=round_kills,
            worker_kills=worker_kills,
            disk_fills=disk_fills,
            clock_back=clock_back,
            keep=keep,
            seed=seed,
        )
        try:
            report = asyncio.run(bench_chaos(options, validator))
        except DemoError as error:
            fail(str(error))
    _show("chaos", asdict(report) | {"sound": report.sound}, as_json)
    if not report.sound:
        raise typer.Exit(1)


@app.command()
def fuzz(
    messages: Annotated[
        int, typer.Option(min=1, help="Messages, forms, presses and commands that are sent.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    openapi: OpenApiFile = None,
    as_json: AsJson = False,
) -> None:
    """Hostile messages, names, ids and options. Fails if the bot breaks, pings or changes what nobody may change."""
    from sim.bench.fuzz import FuzzOptions, bench_fuzz
    from sim.demo import DemoError

    validator = _validator(openapi)
    with tempfile.TemporaryDirectory(prefix="respect-fuzz-", ignore_cleanup_errors=True) as folder:
        try:
            report = asyncio.run(bench_fuzz(FuzzOptions(Path(folder), messages, seed), validator))
        except DemoError as error:
            fail(str(error))
    _show("fuzz", asdict(report) | {"sound": report.sound}, as_json)
    if not report.sound:
        raise typer.Exit(1)


def _validator(openapi: Path | None) -> Callable[["RequestRecord"], list[str]] | None:
    """The check of `--openapi`."""
    from local_discord.openapi import OpenApi

    try:
        return OpenApi.read(openapi).problems if openapi is not None else None
    except (OSError, ValueError) as error:
        fail(
            f"--openapi {openapi}: it cannot be read ({error}). It is openapi.json of discord/discord-api-spec."
        )


def _show(title: str, measured: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(measured)
        return
    table = Table(title=title, show_header=False)
    for name, value in measured.items():
        table.add_row(name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value))
    out.print(table)

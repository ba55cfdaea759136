"""`respect demo`: the whole system on the local service, with the embedded policy."""

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bot.settings import BotSettings
from cli.console import err, fail, out
from research.study.file import StudyError, read_study
from sim.players import open_players
from store.models import Round, RoundStatus

if TYPE_CHECKING:
    from sim.demo import Demo, DemoOptions
    from store.statistics import RoundStatistics


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Run the rounds, print the table of results and exit.")
    ] = False,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of learning, with --once.")] = 2,
    games_per_round: Annotated[int, typer.Option(min=1, help="Games between two rounds.")] = 40,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 8080,
    players: Annotated[int, typer.Option(min=0, max=64, help="Simulated players at once.")] = 4,
    speakers: Annotated[
        str,
        typer.Option(help="Kind of players: people, fresh (never repeat words), patient, terse, poison."),
    ] = "people",
    seed: Annotated[int, typer.Option(help="Seed of the players and of training.")] = 0,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for games and adapters. Default: data/demo, or a new folder with --once."),
    ] = None,
) -> None:
    """Play in the browser together with simulated players, while the bot learns. Needs no account."""
    from sim.demo import DemoError, DemoOptions  # discord.py is loaded only when the demo runs

    settings = BotSettings()
    if data_dir is None:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        data_dir = settings.store.data_dir / (f"demo-once-{stamp}" if once else "demo")
    try:
        open_players(speakers)
        if settings.play.study is not None:
            _check_study(settings.play.study, simulated=once or players > 0)
    except ValueError as error:
        fail(str(error))
    options = DemoOptions(
        data_dir=data_dir,
        port=0 if once and port == 8080 else port,
        games_per_round=games_per_round,
        players=max(players, 8) if once else players,
        player_spec=speakers,
        seed=seed,
        settings=settings,
    )
    if settings.store.database_url is not None:
        err.print(
            f"The demo leaves the database of RESPECT_STORE__DATABASE_URL alone and keeps its games in {data_dir}.",
            highlight=False,
        )
    for number in (signal.SIGTERM, signal.SIGHUP):  # stop the bot too, as Ctrl+C does
        signal.signal(number, signal.default_int_handler)
    try:
        asyncio.run(_run_once(options, rounds) if once else _run(options))
    except KeyboardInterrupt:
        out.print("Stopped. Games and adapters are kept in", data_dir)
    except DemoError as error:
        fail(str(error))
    except TimeoutError:
        fail(f"The bot did not answer in time. Its log is {data_dir / 'bot.log'}.")
    except OSError as error:
        fail(f"{error.strerror or error}. If the port is taken, choose another with --port.")


def _check_study(file: Path, simulated: bool) -> None:
    """Raises ValueError for a study that is wrong, and with simulated players for one with a quiz."""
    try:
        study = read_study(file).study
    except StudyError as error:
        raise ValueError(f"RESPECT_PLAY__STUDY: {error}") from error
    if simulated and study.quiz:
        raise ValueError(
            f"{file} has a quiz, which simulated players do not answer: take it out, or play yourself, with "
            "--players 0 and without --once"
        )


async def _run(options: "DemoOptions") -> None:
    from sim.demo import running_demo

    out.print("Starting the local service, the bot and its policy …")
    async with running_demo(options) as demo:
        out.print(f"\n[bold]Open {demo.url}[/] and type [bold]/play[/]. Ctrl+C stops.\n")
        out.print(
            f"{options.players} simulated players play beside you; a round of learning starts after every "
            f"{options.games_per_round} games. Log: {options.data_dir / 'bot.log'}"
        )
        await asyncio.gather(demo.play_forever(), _tell_rounds(demo))


async def _tell_rounds(demo: "Demo") -> None:
    """Report the start and the result of each round on the terminal."""
    told: tuple[int, str] | None = None
    while True:
        await asyncio.sleep(2)
        games, row = await demo.counts()
        now = (row.number, row.stage) if row else None
        if row and now != told:
            out.print(f"Round {row.number}: {row.stage} ({games} games finished)")
        if told and not row:
            out.print(results_table(await asyncio.to_thread(demo.results)))
        told = now


async def _run_once(options: "DemoOptions", rounds: int) -> None:
    from sim.demo import running_demo

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        async with running_demo(options, once=True) as demo:
            for number in range(rounds + 1):
                games = progress.add_task(f"Round {number}: games", total=options.games_per_round)
                await demo.play_games(
                    options.games_per_round, lambda done, task=games: progress.update(task, completed=done)
                )
                if number < rounds:
                    learning = progress.add_task(f"Round {number + 1}: learning", total=None)

                    def show(row: Round, task=learning) -> None:  # pyright: ignore[reportMissingParameterType]
                        progress.update(
                            task,
                            description=f"Round {row.number}: {row.stage}",
                            completed=row.progress.get("done", 0),
                            total=row.progress.get("total") or None,
                        )

                    ended = await demo.run_round(show)
                    if ended.status == RoundStatus.FAILED:
                        fail(f"Round {ended.number} failed: {ended.error}")
            statistics = await asyncio.to_thread(demo.results)
    out.print(results_table(statistics))
    out.print(f"Everything is kept in {options.data_dir}.")


def results_table(rows: "list[RoundStatistics]") -> Table:
    """The table of results: one row for each round's policy."""
    table = Table(title="What each round's policy achieved")
    for name in (
        "round",
        "adapter",
        "interactions",
        "success",
        "95% interval",
        "turns",
        "click accuracy",
        "positive",
    ):
        table.add_column(name, justify="right")
    for row in rows:
        low, high = row.success_ci95
        table.add_row(
            str(row.round),
            row.adapter,
            str(row.interactions),
            f"{row.success:.1%}",
            f"{low:.0%} to {high:.0%}",
            f"{row.turns:.1f}",
            f"{row.click_accuracy:.1%}",
            "–" if row.positive_rate is None else f"{row.positive_rate:.1%}",
        )
    return table

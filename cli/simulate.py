"""`respect simulate`: a whole deployment without Discord."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from cli.console import err, fail, out, print_json
from learner.settings import System

if TYPE_CHECKING:
    from sim.deployment import DeploymentProgress, OnProgress


def simulate(
    images: Annotated[str, typer.Option(help="Image set: classic, or kilogram:DIR.")] = "classic",
    figures: Annotated[
        int | None,
        typer.Option(min=10, help="Play with N figures of the set only: those that `tiny build` held out."),
    ] = None,
    system: Annotated[System, typer.Option(help="Decoder scheme and objective.")] = "b-sup",
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of learning.")] = 6,
    games_per_round: Annotated[int, typer.Option(min=1, help="Games played with each policy.")] = 330,
    seed: Annotated[int, typer.Option(help="Seed of deals, players, actions and training.")] = 0,
    players: Annotated[
        str, typer.Option(help="Simulated players: people, patient, terse, poison, or file.py:factory.")
    ] = "people",
    policy: Annotated[str, typer.Option(help="Base model: tiny, a folder, or a model id.")] = "tiny",
    decoder: Annotated[str, typer.Option(help="Feedback decoder: rules or prompted.")] = "rules",
    hindsight: Annotated[
        str, typer.Option(help="Beyond the paper, comma-separated: win, correction, credit.")
    ] = "",
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep database and adapters in this empty folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Play, learn and play again with simulated players, and print what each round's policy achieved.

    Everything runs in this process, through the same game, policy, feedback and round code as the bot.
    """
    from learner.policy.loading import PolicyLoadError  # torch is loaded only when a model is
    from sim.deployment import DeploymentConfig, DeploymentError
    from sim.deployment import simulate as run_deployment

    config = DeploymentConfig(
        images=images,
        figures=figures,
        system=system,
        rounds=rounds,
        games_per_round=games_per_round,
        seed=seed,
        players=players,
        policy=policy,
        decoder=decoder,
        hindsight=_hindsight(hindsight),
    )
    try:
        with _folder(data_dir) as folder, _bar(rounds) as on_progress:
            result = run_deployment(config, folder, on_progress=on_progress)
    except (ValueError, DeploymentError, PolicyLoadError) as error:
        fail(str(error))
    if as_json:
        print_json(result)
    else:
        out.print(rounds_table(result))


def rounds_table(result: dict[str, Any]) -> Table:
    """What each round's policy achieved, in the paper's measures."""
    table = Table(title=f"{result['system']} on {result['images']}, seed {result['seed']}")
    for heading in ("round", "interactions", "success (95%)", "turns", "click accuracy", "exact match"):
        table.add_column(heading, justify="right")
    for heading in ("positive", "decoder P / R", "train turns", "train s", "play s"):
        table.add_column(heading, justify="right")
    for row in result["rounds"]:
        low, high = row["success_ci95"]
        table.add_row(
            str(row["round"]),
            str(row["interactions"]),
            f"{row['success']:.3f} ({low:.2f} to {high:.2f})",
            f"{row['turns']:.1f}",
            f"{row['click_accuracy']:.3f}",
            f"{row['exact_match']:.3f}",
            f"{row['positive_rate']:.3f}",
            f"{_share(row['decoder_precision'])} / {_share(row['decoder_recall'])}",
            str(row["train_turns"]),
            f"{row['train_seconds']:.0f}",
            f"{row['play_seconds']:.0f}",
        )
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _hindsight(spec: str) -> Any:
    from dataclasses import fields

    from learner.examples import Hindsight

    chosen = {name.strip() for name in spec.split(",") if name.strip()}
    known = {entry.name for entry in fields(Hindsight)}
    if unknown := chosen - known:
        fail(f"Unknown hindsight {', '.join(sorted(unknown))}: expected {', '.join(sorted(known))}")
    return Hindsight(**dict.fromkeys(chosen, True))


@contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None:
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="respect-simulate-") as folder:
        yield Path(folder)


@contextmanager
def _bar(rounds: int) -> "Iterator[OnProgress]":
    """A progress bar on standard error: one line for the round, one for its stage."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        whole = bar.add_task("rounds", total=rounds + 1, note="")
        stage = bar.add_task("", total=1, note="")
        shown = ""

        def on_progress(at: "DeploymentProgress") -> None:
            nonlocal shown
            name = f"round {at.round}: {at.stage}"
            if name != shown:
                shown = name
                bar.reset(stage, description=name)
            played = at.done / at.total if at.stage == "play" and at.total else 0.0
            note = "" if at.success is None else f"success {at.success:.2f}"
            bar.update(whole, completed=at.round + played)
            bar.update(stage, completed=at.done, total=max(at.total, 1), note=note)

        yield on_progress

"""`respect simulate`: whole deployments without Discord."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer
from pydantic import ValidationError
from rich.box import SIMPLE
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

from cli.console import err, fail, out, print_json
from cli.feedback import DecoderName
from cli.options import with_options
from games import DEFAULT_GAME, GAMES
from games.core import Difficulty
from learner.settings import (
    NOVICE,
    FeedbackConfig,
    LearnerSettings,
    PolicyConfig,
    RoundsConfig,
    Start,
    System,
    TrainingConfig,
)
from sim.players import ATTACKS, Attack, AttackName
from store.environment import help_of

if TYPE_CHECKING:
    from sim.comparison import OnRunProgress
    from sim.deployment import DeploymentProgress

    AttackOption = StrEnum
    SystemName = System
    StartName = Start
    GameName = str
else:  # Typer accepts a list of an enum, but not of a Literal
    AttackOption = StrEnum("AttackOption", [(name, name) for name in ATTACKS])
    SystemName = StrEnum("SystemName", [(name, name) for name in get_args(System)])
    StartName = StrEnum("StartName", [(name, name) for name in get_args(Start)])
    GameName = StrEnum("GameName", [(name, name) for name in GAMES])

DEFAULT_GAMES = [GameName(DEFAULT_GAME)]


@with_options(TrainingConfig, panel="Training", leave_out=["seed"])
def simulate(
    images: Annotated[str, typer.Option(help="Image set: classic, classic:N or kilogram:DIR.")] = "classic",
    figures: Annotated[
        int | None,
        typer.Option(
            min=1, help="Play only with the N figures of the set that `tiny build --holdout N` left out."
        ),
    ] = None,
    system: Annotated[
        list[SystemName],
        typer.Option(help=help_of(RoundsConfig, "system") + " Repeat the option for several."),
    ] = ["b-sup"],  # noqa: B006 - only read
    game: Annotated[
        list[GameName], typer.Option(help="The game; repeat the option to play several games in turn.")
    ] = DEFAULT_GAMES,
    difficulty: Annotated[
        Difficulty | None,
        typer.Option(
            help="Boards of figures that look alike (near) or different (far). Default: any figures."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of learning.")] = 6,
    games_per_round: Annotated[int, typer.Option(min=1, help="Games played in each round.")] = 330,
    seed: Annotated[int, typer.Option(help="Seed of boards, players, actions and training.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds to run, starting from --seed.")] = 1,
    jobs: Annotated[
        int, typer.Option(min=1, help="Runs at the same time, each in a process with one thread.")
    ] = 1,
    players: Annotated[
        str,
        typer.Option(
            help="Players: people, fresh (never the same words twice), patient, terse, poison, or file.py:factory."
        ),
    ] = "people",
    attack: Annotated[
        list[AttackOption],
        typer.Option(
            help="How a share of the players attacks: poison (they praise wrong picks and reject right ones), sybil "
            "(the same, each game with a new account), rename (they exchange the figures' descriptions), half (poison "
            "in half of the turns), target (they always praise one wrong figure), sleeper (honest at first). none "
            "with --share leaves their games out. Repeat the option for several."
        ),
    ] = [],  # noqa: B006 - only read
    share: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of the players who attack. Default: 0.2 with an attack, or 0."
        ),
    ] = None,
    attack_from: Annotated[
        int | None,
        typer.Option(min=0, help="The first round in which they do so. Default: 1 for sleeper, or 0."),
    ] = None,
    policy: Annotated[str, typer.Option(help=help_of(PolicyConfig, "model"))] = NOVICE,
    decoder: Annotated[
        DecoderName, typer.Option(help=help_of(FeedbackConfig, "decoder"))
    ] = DecoderName.RULES,
    hindsight: Annotated[
        str | None,
        typer.Option(help=help_of(RoundsConfig, "hindsight")),
    ] = None,
    start: Annotated[StartName | None, typer.Option(help=help_of(RoundsConfig, "start"))] = None,
    temperature: Annotated[
        float | None,
        typer.Option(min=0.01, max=10, help=help_of(PolicyConfig, "temperature")),
    ] = None,
    retention: Annotated[
        str | None,
        typer.Option(
            help="Image set on which the first and the last policy are compared, to measure forgetting."
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Keep the database and the adapters in this folder. A run that was killed goes on if it is started "
            "again with the same options; more --rounds continue a finished one."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the curves with 95% intervals, seeds pooled, to this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    section_values: Mapping[str, Any],
) -> None:
    """Run whole deployments with simulated players and print the results of each round's policy.

    The code of games, policy, feedback and rounds is the same as the bot's. With several systems or seeds,
    --json prints {"runs": [...]} with one object for each run.
    """
    from learner.examples.hindsight import Hindsight
    from learner.policy.loading import PolicyLoadError  # torch is loaded only when a model is
    from sim import curves
    from sim.comparison import run_name, simulate_all
    from sim.deployment import DeploymentConfig, DeploymentError

    try:
        learnt = None if hindsight is None else Hindsight.parse(hindsight)
    except ValueError as error:
        fail(str(error))
    try:
        attacks = _attacks([str(name) for name in attack], share, attack_from)
    except ValueError as error:
        fail(str(error))
    settings = LearnerSettings()
    try:
        training = settings.changed(training=section_values).training
    except ValidationError as error:
        fail(
            "\n".join(f"--{str(each['loc'][0]).replace('_', '-')}: {each['msg']}" for each in error.errors())
        )
    configs = [
        DeploymentConfig(
            images=images,
            games=tuple(dict.fromkeys(str(each) for each in game)),
            figures=figures,
            difficulty=difficulty,
            system=cast(System, str(each)),
            rounds=rounds,
            games_per_round=games_per_round,
            seed=number,
            players=players,
            attack=each_attack,
            policy=policy,
            decoder=str(decoder),
            hindsight=learnt,
            start=None if start is None else cast(Start, str(start)),
            temperature=temperature,
            retention=retention,
            training=replace(training, seed=number),
        )
        for each in dict.fromkeys(system)
        for each_attack in attacks
        for number in range(seed, seed + seeds)
    ]
    if plot is not None:
        _check_picture(plot)
    try:
        with _folder(data_dir) as folder, _bars([run_name(each) for each in configs], rounds) as on_progress:
            runs = simulate_all(configs, folder, jobs, on_progress)
        if plot is not None:
            curves.plot(runs, plot)
    except (ValueError, OSError, DeploymentError, PolicyLoadError) as error:
        fail(str(error))
    if as_json:
        print_json(runs[0] if len(runs) == 1 else {"runs": runs})
        return
    for run in runs:
        out.print(rounds_table(run))
        for line in refusals(run):
            out.print(line, markup=False, highlight=False)
        if (trust := run.get("trust")) and (trust[-1]["attackers"] or trust[-1]["honest_quarantined"]):
            out.print(_attack_table(trust))
        if kept := run.get("retention"):
            out.print(
                f"Success on {kept['images']}: {kept['first']:.3f} at first, {kept['last']:.3f} at last"
            )
    if len(runs) > 1:
        out.print(_curves_table(curves.curves(runs)))


def rounds_table(result: dict[str, Any]) -> Table:
    """A table of the results of each round's policy, in the paper's measures."""
    from sim.curves import label

    headings = ("round", "games", "success", "95%", "turns", "clicks", "exact", "praise", "P", "R")
    table = Table(
        *(Column(heading, justify="right", no_wrap=True) for heading in headings),
        title=f"{label(result)} on {result['images']}, seed {result['seed']}: {result['seconds']:.0f} s",
        caption="clicks: share right; exact: turns as intended; P, R: of positive feedback",
        box=SIMPLE,
        padding=(0, 0, 0, 1),
    )
    for row in result["rounds"]:
        low, high = row["success_ci95"]
        table.add_row(
            str(row["round"]),
            str(row["interactions"]),
            f"{row['success']:.3f}",
            f"{low:.2f}-{high:.2f}",
            f"{row['turns']:.1f}",
            f"{row['click_accuracy']:.3f}",
            f"{row['exact_match']:.3f}",
            f"{row['positive_rate']:.3f}",
            _share(row["decoder_precision"]),
            _share(row["decoder_recall"]),
        )
    return table


def refusals(result: dict[str, Any]) -> Iterator[str]:
    """Sentences on the rounds that made an adapter that was not put to use, and why."""
    for row in result["rounds"]:
        if row["promoted"] is False and row["train_turns"]:
            yield f"The adapter of round {row['round']} was not put to use: {row['reason']}"


def _attack_table(trust: list[dict[str, Any]]) -> Table:
    """A table of attacking players and honest ones: who is in quarantine, and the honest players' success."""
    kinds = ("attackers_quarantined", "attackers_doubted", "honest_quarantined", "honest_doubted")
    table = Table(
        *("round", "players", "attackers", "caught", "doubted", "honest caught", "honest doubted"),
        *("influence", "honest success"),
        caption="caught: in quarantine; doubted: of little weight; influence: the attackers' share of what was learnt",
        box=SIMPLE,
    )
    for at in trust:
        shares = (_share(at[name]) for name in ("attackers_influence", "success_of_others"))
        table.add_row(*(str(at[name]) for name in ("round", "players", "attackers", *kinds)), *shares)
    return table


def _attacks(names: Sequence[str], share: float | None, begins: int | None) -> list[Attack]:
    """The attacks to run, by default none. Raises ValueError."""
    if share is None:
        share = 0.2 if set(names) - {"none"} else 0.0
    return [Attack(cast(AttackName, name), share, begins) for name in dict.fromkeys(names or ["none"])]


def _curves_table(found: dict[str, Any]) -> Table:
    """A table of success by round, one column for each system, seeds pooled."""
    table = Table("round", *found, title="success (95%), seeds pooled", box=SIMPLE)
    for points in zip(*found.values(), strict=True):
        table.add_row(
            str(points[0].round),
            *(f"{at.success:.3f} ({at.success_ci95[0]:.2f} to {at.success_ci95[1]:.2f})" for at in points),
        )
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _check_picture(path: Path) -> None:
    """Check the file name of the plot before the runs, because they may take hours."""
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        fail(f"{path} is no picture that can be drawn: give a file that ends in .png, .svg or .pdf")
    if not path.absolute().parent.is_dir():
        fail(f"There is no folder {path.parent}: create it, or draw elsewhere")


@contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None:
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="respect-simulate-") as folder:
        yield Path(folder)


@contextmanager
def _bars(names: Sequence[str], rounds: int) -> "Iterator[OnRunProgress]":
    """Progress on standard error, one line for each run: rounds done and the progress of the current one."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        lines = [bar.add_task(name, total=rounds + 1, start=False, note="") for name in names]

        def on_progress(run: int, at: "DeploymentProgress") -> None:
            bar.start_task(lines[run])
            played = at.done / at.total if at.stage == "play" and at.total else 0.0
            note = f"{at.stage} {at.done}/{at.total}" if at.total else at.stage
            if at.success is not None:
                note += f", success {at.success:.2f}"
            bar.update(lines[run], completed=at.round + played, note=note)

        yield on_progress

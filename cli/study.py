"""`respect study`: checks a study file, plans its size, and compares its arms."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from cli.console import err, fail, out, print_json
from learner.registry import AdapterRegistry
from learner.settings import LearnerSettings
from research.report.estimate import Estimate
from research.study.adapters import arm_problems
from research.study.comparison import compare
from research.study.file import Study, StudyError, StudyFile, read_study
from research.study.power import Design
from store.database import Database
from store.migrations import refuse_newer
from store.studies import games_by_player

app = typer.Typer(no_args_is_help=True)

SOME_DIFFERENCES = (0.05, 0.1, 0.15, 0.2)
"""Differences in success for which the power analysis says how many games they need."""

FileArgument = Annotated[Path, typer.Argument(help="The study file (TOML); docs/research.md has an example.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def check(file: FileArgument, as_json: AsJson = False) -> None:
    """Say what is wrong with a study file, or summarise it with a power analysis.

    The exit code is 1 if something is wrong. Adapters are looked for in the data folder (RESPECT_STORE__DATA_DIR).
    """
    try:
        found, problems = read_study(file), []
    except StudyError as error:
        found, problems = None, list(error.problems)
    if found is not None:
        try:
            problems = [f"arm {arm!r}: {why}" for arm, why in unusable_arms(found.study).items()]
        except ArmsNotChecked as error:
            fail(str(error))
    if as_json:
        print_json(
            {
                "ok": not problems,
                "problems": problems,
                "hash": found and found.hash,
                "analysis": found and _analysis(found.study),
            }
        )
    else:
        if found is None:
            err.print(f"{escape(str(file))}:", soft_wrap=True, highlight=False)
        for problem in problems:
            err.print(f"[bold red]✗[/] {escape(problem)}", soft_wrap=True, highlight=False)
        if found is not None:
            _summary(found)
    raise typer.Exit(1 if problems else 0)


@app.command()
def power(
    baseline: Annotated[float, typer.Option(min=0.001, max=0.999, help="Success expected in one arm.")] = 0.5,
    difference: Annotated[
        float | None, typer.Option(min=0.001, max=0.999, help="Rise in success that is to be detected.")
    ] = None,
    games: Annotated[int | None, typer.Option(min=1, help="Games in each arm.")] = None,
    power: Annotated[float, typer.Option(min=0.001, max=0.999, help="Probability of detecting it.")] = 0.8,
    alpha: Annotated[float, typer.Option(min=0.0001, max=0.999, help="Level of the two-sided test.")] = 0.05,
    icc: Annotated[
        float, typer.Option(min=0, max=1, help="Intraclass correlation of the success of a player's games.")
    ] = 0.0,
    games_per_player: Annotated[int, typer.Option(min=1, help="Games of each player.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Games per arm that a difference in success needs, and the least difference that a number of games detects.

    Two-sided z test of two proportions, with equal arms.
    """
    design = Design(baseline, power, alpha, icc, games_per_player)
    if difference is not None and baseline + difference > 1:
        fail(f"Success cannot rise from {baseline:g} by {difference:g}: it ends at 1.")
    wanted = (difference,) if difference is not None else () if games else SOME_DIFFERENCES
    needed = {rise: design.games_per_arm(rise) for rise in wanted if baseline + rise <= 1}
    detectable = design.detectable(games) if games else None
    if as_json:
        print_json({"games_per_arm": {f"{rise:g}": number for rise, number in needed.items()}} | (
            {"games": games, "detectable": detectable} if games else {}
        ))  # fmt: skip
        return
    for rise, number in needed.items():
        out.print(f"{baseline:.0%} against {baseline + rise:.0%}: {number:,} games in each arm")
    if games:
        out.print(f"{games:,} games in each arm {_detects(design, games)}")


@app.command()
def report(file: FileArgument, as_json: AsJson = False) -> None:
    """Success of each arm with 95% intervals, and its difference to the first arm, from the database of the settings.

    All finished games are counted in the arm that they were assigned to. docs/research.md says how intervals are made.
    """
    try:
        study = read_study(file).study
    except StudyError as error:
        fail(str(error))
    database = Database.of(LearnerSettings().store, read_only=True)
    if database.missing:
        fail(f"{database.url.render_as_string()} could not be read: it is not there yet.")
    try:
        refuse_newer(database)
        with database.session() as session:
            results = compare(study.arm_names, games_by_player(session, study.name))
    except SQLAlchemyError as error:
        fail(database.not_read(error))
    finally:
        database.close()
    if as_json:
        print_json({"study": study.name, "arms": [asdict(result) for result in results]})
        return
    table = Table("arm", "games", "of", "players", "success", "95%", "difference", "95%", box=None)
    for result in results:
        table.add_row(
            result.arm,
            f"{result.games:,}",
            f"{study.games_per_arm:,}",
            f"{result.players:,}",
            *_shown(result.success),
            *_shown(result.difference, sign="+"),
        )
    out.print(table)
    if not any(result.games for result in results):
        out.print(f"No game of the study {study.name} is finished yet.")


class ArmsNotChecked(RuntimeError):
    """The database cannot be read; the message says why."""


def unusable_arms(study: Study) -> dict[str, str]:
    """Arm -> why its adapter, in the data folder of the settings, cannot be used. Raises `ArmsNotChecked`."""
    settings = LearnerSettings()
    registry, database = AdapterRegistry.of(settings), Database.of(settings.store, read_only=True)
    try:
        if database.is_blank:
            return arm_problems(study, registry, None)
        with database.session() as session:
            return arm_problems(study, registry, session)
    except SQLAlchemyError as error:
        raise ArmsNotChecked(database.not_read(error)) from error
    finally:
        database.close()


def _shown(estimate: Estimate | None, sign: str = "") -> tuple[str, str]:
    """A share and its interval, in per cent."""
    if estimate is None or estimate.value is None or estimate.low is None or estimate.high is None:
        return "", ""
    interval = f"{estimate.low:{sign}.1%} to {estimate.high:{sign}.1%}"
    return f"{estimate.value:{sign}.1%}", interval


def _analysis(study: Study) -> dict[str, Any]:
    design, games = study.design, study.games_per_arm
    return {
        "games_per_arm": games,
        "games_in_all": study.total_games,
        "baseline": design.baseline,
        "power": design.power,
        "alpha": design.alpha,
        "design_effect": design.design_effect,
        "detectable": design.detectable(games),
        "games_needed": {
            f"{rise:g}": design.games_per_arm(rise) for rise in SOME_DIFFERENCES if design.baseline + rise < 1
        },
    }


def _summary(found: StudyFile) -> None:
    study, design = found.study, found.study.design
    table = Table("arm", "adapter", "probability", box=None, header_style="bold")
    for arm in study.arms:
        table.add_row(arm.name, arm.adapter, f"{arm.probability:g}")
    limit, who = study.limits.games_per_player, study.eligibility
    before = f"{who.least_games_before} to {who.most_games_before}" if who.most_games_before is not None else (
        f"{who.least_games_before} or more"
    )  # fmt: skip
    out.print(f"[bold]{study.name}[/] ({found.hash[:12]}): {study.game} with {escape(study.images)}")
    out.print(table)
    lines = [
        f"assigned: each {study.unit}, seed {study.seed}",
        f"games of a player in the study: {limit if limit is not None else 'any number'}",
        f"servers: {', '.join(who.servers) or 'all'}; games before the study: {before}; "
        + (
            "on Discord only with the research opt-in"
            if who.research_consent
            else "research opt-in not asked for"
        ),
        f"survey: {len(study.survey.items) if study.survey else 0} items; quiz: {len(study.quiz)} questions",
        f"stops at {study.games_per_arm:,} finished games in every arm, about {study.total_games:,} in all",
        f"power analysis: success {design.baseline:.0%} in one arm, power {design.power:.0%}, two-sided alpha "
        f"{design.alpha:g}, design effect {design.design_effect:.2f}",
        f"  {study.games_per_arm:,} games in each arm {_detects(design, study.games_per_arm)}",
    ]
    lines += [
        f"  {design.baseline:.0%} against {design.baseline + rise:.0%} needs {design.games_per_arm(rise):,}"
        for rise in SOME_DIFFERENCES
        if design.baseline + rise < 1
    ]
    if len(study.arms) == 1:
        lines.append("  there is one arm, so there is nothing to compare it with")
    for line in lines:
        out.print(escape(line), highlight=False)


def _detects(design: Design, games: int) -> str:
    found = design.detectable(games)
    return "detect no difference" if found is None else f"detect a rise of {100 * found:.1f} points or more"

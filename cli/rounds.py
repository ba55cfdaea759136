"""`respect round`: runs, shows, promotes and rolls back rounds from a shell."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, select

from cli.console import err, fail, out, print_json
from learner.registry import AdapterError, AdapterRegistry
from learner.rounds.pipeline import STAGES, run_round
from learner.rounds.work import OnProgress, RoundError, RoundProgress
from learner.rounds.worker import RoundWorker
from learner.settings import LearnerSettings, RoundsConfig, System
from store.database import Database
from store.environment import help_of
from store.lineage import affected_adapters
from store.logs import configure_logging
from store.migrations import refuse_newer, revisions, upgrade
from store.models import Adapter, Round, RoundAction, RoundStatus
from store.rounds import (
    RoundTaken,
    active_round,
    latest_rounds,
    record_event,
    request_round,
    waits_for_worker,
)

app = typer.Typer(no_args_is_help=True)

SHELL = "shell"
"""Who did what is done here."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def run(
    system: Annotated[
        System | None,
        typer.Option(help=help_of(RoundsConfig, "system") + " Default: RESPECT_ROUNDS__SYSTEM."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a round now: decode, train, evaluate, and make the new adapter current if it passes the gate.

    A round that was killed is resumed. Exit code 1 if the round fails. With RESPECT_ROUNDS__ELSEWHERE, the round is
    only queued, for `respect round worker`.
    """
    with _opened() as (settings, database):
        with database.session() as session:
            row = active_round(session)
            if row is None:
                row = request_round(
                    session, system or settings.rounds.system, trigger="manual", requested_by=SHELL
                )
        assert row.id is not None
        if settings.rounds.elsewhere:
            if as_json:
                print_json(_round(row))
            else:
                out.print(f"Round {row.number} ({row.system}): {_outcome(row)}; a worker runs it")
            return
        try:
            with _bar(f"round {row.number}, {row.system}") as on_progress:
                done = run_round(database, settings, row.id, on_progress=on_progress)
        except (RoundError, RoundTaken) as error:
            fail(str(error))
        if as_json:
            print_json(_round(done))
        elif not done.error:
            out.print(f"Round {done.number} ({done.system}): {_outcome(done)}")
        if done.error:
            fail(f"Round {done.number} failed: {done.error}")


@app.command()
def worker(
    once: Annotated[bool, typer.Option(help="End after one round, with exit code 1 if it failed.")] = False,
) -> None:
    """Run the rounds that are queued, one after another, until it gets a signal to stop.

    It needs the database of the bot (RESPECT_STORE__DATABASE_URL) and its adapters (RESPECT_STORE__ADAPTERS_URL), and
    may be on another machine. Several may run: one of them runs a round, and when it dies another takes the round over.
    """
    with _opened() as (settings, database):
        configure_logging(settings.log.json)
        try:
            AdapterRegistry.of(settings).check_url()  # not after hours of training
        except AdapterError as error:
            fail(str(error))
        row = asyncio.run(RoundWorker(settings, database).run(once=once))
        if once and row is not None and row.error:
            fail(f"Round {row.number} failed: {row.error}")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the current adapter and the state of the latest round."""
    with _opened(read_only=True) as (settings, database), database.session() as session:
        current = AdapterRegistry.of(settings).current()
        rows, asked = latest_rounds(session, 1), settings.rounds
        affected = {name: str(why) for name, why in affected_adapters(session).items()}
        if as_json:
            print_json({"current": current, "round": _round(rows[0]) if rows else None, "affected": affected})
            return
        out.print(f"Current adapter: [bold]{current}[/]")
        out.print(
            f"Round {rows[0].number} ({rows[0].system}): {_outcome(rows[0])}" if rows else "No round yet."
        )
        if rows and waits_for_worker(rows[0], asked.lease, elsewhere=asked.elsewhere):
            out.print("It waits for a worker: no `respect round worker` seems to be running.")
        for name, why in sorted(affected.items()):
            out.print(f"{name} {why}: it cannot be promoted", highlight=False)
        if current in affected:
            out.print(
                "The next round starts without those turns, and takes the current adapter out of service."
            )


@app.command()
def history(
    limit: Annotated[int, typer.Option(min=1, help="Rounds to show, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List rounds and adapters, newest first."""
    with _opened(read_only=True) as (settings, database), database.session() as session:
        registry = AdapterRegistry.of(settings)
        rows, adapters = latest_rounds(session, limit), _adapters(session)
        if as_json:
            found = {
                "current": registry.current(),
                "previous": registry.previous(),
                "rounds": [_round(row) for row in rows],
                "adapters": [
                    {
                        "name": adapter.name,
                        "status": adapter.status.value,
                        "system": adapter.system,
                        "base_model": adapter.base_model,
                        "erased_turns": adapter.erased_turns,
                        "created_at": adapter.created_at.isoformat(),
                        "turns": adapter.card.get("turns"),
                    }
                    for adapter in adapters
                ],
            }
            print_json(found)
            return
        table = Table("round", "system", "status", "interactions", "adapter", "how it ended")
        names = {adapter.id: f"{adapter.name} ({adapter.status.value})" for adapter in adapters}
        for row in rows:
            adapter = names.get(row.adapter_id, "-")
            table.add_row(
                str(row.number), row.system, row.status.value, str(row.interactions), adapter, _outcome(row)
            )
        out.print(table)


@app.command()
def promote(
    name: Annotated[str, typer.Argument(help="Adapter, as `respect round history` lists them, or 'base'.")],
    as_json: AsJson = False,
) -> None:
    """Make an adapter current: new games use it, running games keep theirs."""
    with _opened() as (settings, database):
        registry = AdapterRegistry.of(settings)
        with database.session() as session:
            before = registry.promote(session, name)
            if name != before:
                record_event(session, RoundAction.PROMOTE, SHELL, adapter=name, before=before)
        if as_json:
            print_json({"current": name, "before": before})
        else:
            out.print(f"{name} is current; before it was {before}.")


@app.command()
def rollback(as_json: AsJson = False) -> None:
    """Go back to the adapter that was current before."""
    with _opened() as (settings, database):
        registry = AdapterRegistry.of(settings)
        before = registry.current()
        with database.session() as session:
            name = registry.rollback(session)
            record_event(session, RoundAction.ROLLBACK, SHELL, adapter=name, before=before)
        if as_json:
            print_json({"current": name, "before": before})
        else:
            out.print(f"{name} is current again; before it was {before}.")


@app.command()
def upload() -> None:
    """Copy the adapters of the data folder to RESPECT_STORE__ADAPTERS_URL, once, before other machines use it.

    It also records the hashes of adapters of earlier versions in the database, which others compare.
    """
    with _opened() as (settings, database):
        registry = AdapterRegistry.of(settings)
        with database.session() as session:
            registry.record_files(session)
        names = registry.upload_all()
        out.print(f"{len(names)} adapters copied.")


@contextmanager
def _opened(read_only: bool = False) -> Iterator[tuple[LearnerSettings, Database]]:
    """Settings and the migrated database. Ends the program with a sentence on errors that an operator can fix.

    `read_only` migrates nothing and creates no file: an empty database in memory stands for one that is missing.
    """
    settings = LearnerSettings()
    database = Database.of(settings.store, read_only=read_only)
    if empty := read_only and database.missing:
        database = Database("sqlite://")
    try:
        if read_only and not empty:
            refuse_newer(database)
            current, head = revisions(database)
            if current != head:
                fail(
                    f"The database {database.url.render_as_string()} is at revision {current}, the newest is {head}: "
                    "run `respect db upgrade`"
                )
        else:
            upgrade(database)
        yield settings, database
    except AdapterError as error:
        fail(str(error))
    except SQLAlchemyError as error:
        fail(f"The database {database.url.render_as_string()} cannot be used: {error.__cause__ or error}")
    finally:
        database.close()


def _adapters(session: Session) -> list[Adapter]:
    return sorted(session.exec(select(Adapter)), key=lambda adapter: adapter.created_at, reverse=True)


def _round(row: Round) -> dict[str, Any]:
    return row.model_dump(mode="json")


def _outcome(row: Round) -> str:
    """The state of a round in words."""
    if row.error:
        left = row.results.get("out_of_service")
        return f"failed: {row.error}" + (f"; {left['reason']}, so {left['to']} took over" if left else "")
    if row.status is RoundStatus.CANCELLED:
        return "cancelled"
    if row.ended_at is None:
        done, total = row.progress.get("done"), row.progress.get("total")
        at = f"{row.stage} {done}/{total}" if total else row.stage
        at += f" on {row.worker}" if row.worker else ""
        note = _note(row.progress.get("loss"), row.progress.get("seconds_left"))
        return f"{at}, {note}" if note else at
    results = row.results
    if results.get("promoted"):
        turns, games = results["train_turns"], results["train_games"]
        said = f"{results['adapter']} trained on {turns} turns of {games} games is current"
    else:
        said = f"no new adapter: {results.get('reason', 'nothing to learn')}"
    if quarantined := results.get("trust", {}).get("quarantined"):
        said += f"; in quarantine: {_players(quarantined)}"
    if left := results.get("out_of_service"):
        said += f"; {left['reason']}, so {left['to']} took over"
    if back := results.get("rolled_back"):
        said += f"; rolled back to {back['to']} first: {back['reason']}"
    if aside := results.get("set_aside"):
        said += f"; set aside: {', '.join(f'{count} games ({reason})' for reason, count in aside.items())}"
    return said


def _players(trust: dict[str, float]) -> str:
    """Players in quarantine with their trust, in words."""
    return ", ".join(f"player {player} (trust {value:.2f})" for player, value in trust.items())


def _note(loss: float | None, seconds_left: float | None) -> str:
    parts = [] if loss is None else [f"loss {loss:.3f}"]
    return ", ".join(parts if seconds_left is None else [*parts, f"{seconds_left:.0f} s left"])


@contextmanager
def _bar(title: str) -> Iterator[OnProgress]:
    """A progress bar on standard error: the stage, the number of stages and the progress of the stage."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        whole = bar.add_task(title, total=len(STAGES), note="")
        stage = bar.add_task("", total=1, note="")

        def on_progress(at: RoundProgress) -> None:
            note = _note(at.loss, at.seconds_left)
            bar.update(whole, completed=STAGES.index(at.stage))
            bar.update(stage, description=at.stage, completed=at.done, total=max(at.total, 1), note=note)

        yield on_progress

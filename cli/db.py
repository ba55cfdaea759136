"""`respect db`: migrations, copies and backups."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from cli.console import fail, out, print_json
from store.copying import CopyError
from store.copying import backup as run_backup
from store.copying import copy as run_copy
from store.database import Database
from store.encryption import check_key
from store.migrations import integrity, refuse_newer, revisions, schema_differences
from store.migrations import upgrade as run_upgrade
from store.settings import StoreSettings, database_url

app = typer.Typer(no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Migrate the database to the newest revision; create it if it does not exist."""
    database = _open()
    try:
        run_upgrade(database)
        revision, _ = revisions(database)
    except SQLAlchemyError as error:
        fail(f"{database.url.render_as_string()} could not be upgraded: {error.__cause__ or error}")
    finally:
        database.close()
    out.print(f"{database.url.render_as_string()} is at revision {revision}.")


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check that the database is intact, migrated and equal to the models. Exit code 1 if not."""
    database = _open(read_only=True)
    if database.missing:
        _, head = revisions(Database("sqlite://"))
        found = {"revision": None, "head": head, "broken": None, "differences": None, "ok": False}
        if as_json:
            print_json({"database": database.url.render_as_string(), **found})
        else:
            out.print(f"{database.url.render_as_string()} is not there yet: run `respect db upgrade`.")
        raise typer.Exit(1)
    try:
        refuse_newer(database)
        current, head = revisions(database)
        found = {
            "database": database.url.render_as_string(),
            "revision": current,
            "head": head,
            "broken": integrity(database),
            "differences": schema_differences(database) if current == head else None,
        }
        if current == head:
            check_key(database.engine)
    except SQLAlchemyError as error:
        fail(f"{database.url.render_as_string()} could not be read: {error.__cause__ or error}")
    finally:
        database.close()
    sound = current == head and not found["broken"] and not found["differences"]
    if as_json:
        print_json({**found, "ok": sound})
    elif sound:
        out.print(f"{found['database']} is sound, at revision {current}.")
    elif current != head:
        out.print(
            f"{found['database']} is at revision {current}, the newest is {head}: run `respect db upgrade`."
        )
    else:
        out.print(f"{found['database']} is not sound: {found['broken'] or found['differences']}")
    raise typer.Exit(0 if sound else 1)


@app.command()
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM-URL", help="URL of the database to copy.")],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TO-URL", help="URL of an empty database, such as postgresql://user@host/name."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Copy a database to an empty one, of SQLite or PostgreSQL, with all ids, and compare every row.

    Stop the bot first: what is written meanwhile is not copied. If anything fails, the target keeps no row.
    """
    urls = [_url("FROM-URL", source), _url("TO-URL", target)]
    original, copied = Database(urls[0], read_only=True), Database(urls[1])
    try:
        rows = run_copy(
            original, copied, lambda table, rows: None if as_json else out.print(f"{table}: {rows:,}")
        )
    except CopyError as error:
        fail(str(error))
    except (SQLAlchemyError, OSError) as error:
        fail(f"Nothing was copied: {str(error.__cause__ or error).strip()}")
    finally:
        original.close()
        copied.close()
    if as_json:
        print_json({"rows": rows})
    else:
        out.print(
            f"{sum(rows.values()):,} rows were copied and compared. Set RESPECT_STORE__DATABASE_URL to use them."
        )


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="File to create; it must not exist yet.")]) -> None:
    """Write a copy of the database to a file that only you may read, while everything runs.

    With PostgreSQL it is an archive for pg_restore, made by pg_dump.
    """
    database = Database(StoreSettings().store.url)  # no key is needed
    try:
        run_backup(database, file)
    except CopyError as error:
        fail(str(error))
    finally:
        database.close()
    out.print(f"{database.url.render_as_string()} was copied to {file}.")


def _url(name: str, text: str) -> str:
    try:
        return database_url(text)
    except ValueError as error:
        fail(f"{name}: {error}.")


def _open(read_only: bool = False) -> Database:
    return Database.of(StoreSettings().store, read_only=read_only)

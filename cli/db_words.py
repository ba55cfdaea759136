"""`respect db key|encryption|encrypt|forget-words`: what people said, in the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn
from sqlalchemy.exc import SQLAlchemyError

from cli.console import err, fail, out, print_json
from store.columns import now
from store.database import Database
from store.encryption import EncryptionError, add_key, encrypt_all, encryption, new_key
from store.migrations import refuse_newer
from store.retention import forget_words as forget
from store.settings import StoreSettings


def key(
    file: Annotated[Path | None, typer.Argument(help="File to put the key in, before those it has.")] = None,
) -> None:
    """Make a key for the encryption of what people say. Without a file, it is printed.

    Keep a copy of it elsewhere than the backups of the database: without it, nobody can read them.
    """
    if file is None:
        out.print(new_key())
        return
    try:
        number = add_key(file)
    except EncryptionError as error:
        fail(f"{file} was not changed: {error}.")
    except OSError as error:
        fail(f"{file} was not changed: {error.strerror or error}.")
    out.print(f"{file} has {number} {'key' if number == 1 else 'keys'}, the new one first.")


def show_encryption(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count the utterances and names that are encrypted with the newest key, with an older one, and not at all."""
    with _opened(read_only=True) as database, database.engine.connect() as connection:
        found, has_keys = encryption(connection), database.has_keys
    if as_json:
        print_json(asdict(found))
        return
    if not has_keys:
        out.print(f"{found.older} values are encrypted, but no key is set, and {found.plain} are plain.")
        return
    out.print(
        f"{found.current} values are encrypted with the newest key, {found.older} with another, "
        f"{found.plain} are plain."
    )


def encrypt(
    plain: Annotated[
        bool, typer.Option("--plain", help="Decrypt everything instead, before the keys are removed.")
    ] = False,
) -> None:
    """Encrypt all that people said and their names with the newest key, also what an older key or none encrypted.

    The bot may run meanwhile if it has the same keys. To change the key: `respect db key FILE`, start the bot again,
    `respect db encrypt`, and then remove the old key from the file.
    """
    progress = Progress(SpinnerColumn(), TextColumn("{task.completed} values"), console=err, transient=True)
    with _opened() as database:
        with progress:
            task = progress.add_task("", total=None)
            changed = encrypt_all(
                database.engine, plain=plain, on_progress=lambda seen: progress.update(task, completed=seen)
            )
        _remove_traces(database)
    out.print(f"{changed} values were {'decrypted' if plain else 'encrypted'}.")


def forget_words(
    days: Annotated[
        int | None,
        typer.Option(min=1, help="Days after a game's end; by default RESPECT_STORE__KEEP_WORDS_DAYS."),
    ] = None,
) -> None:
    """Delete what was said in games that ended long ago. Their clicks, outcomes and verdicts stay.

    A running bot does it every hour if RESPECT_STORE__KEEP_WORDS_DAYS is set.
    """
    days = days or StoreSettings().store.keep_words_days
    if days is None:
        fail("Say with --days, or in RESPECT_STORE__KEEP_WORDS_DAYS, how many days to keep what was said.")
    games = 0
    with _opened() as database:
        while True:
            with database.session() as session:
                done = forget(session, now() - timedelta(days=days))
            if not done:
                break
            games += done
        _remove_traces(database)
    out.print(f"What was said in {games} games was deleted.")


def _remove_traces(database: Database) -> None:
    if not database.scrub():
        fail(
            "It is done, but another process kept the old values in the database's log: run the command again when "
            "that has ended."
        )


@contextmanager
def _opened(read_only: bool = False) -> Iterator[Database]:
    database = Database.of(StoreSettings().store, read_only=read_only)
    shown = database.url.render_as_string()
    if database.missing:
        fail(f"{shown} is not there yet: run `respect db upgrade`.")
    try:
        refuse_newer(database)
        yield database
    except SQLAlchemyError as error:
        fail(f"{shown} cannot be used: {error.__cause__ or error}.")
    finally:
        database.close()

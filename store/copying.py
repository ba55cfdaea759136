"""Copies a whole database to another one, of the same kind or not, and backs one up."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from store.database import Database, storable_values
from store.encryption import EncryptedText
from store.folder import private_file
from store.migrations import refuse_newer, revisions, upgrade
from store.postgres import set_sequences

ROWS_AT_A_TIME = 2_000

OnTable = Callable[[str, int], None]
"""Called with (table, rows) after each table."""


class CopyError(RuntimeError):
    """A database cannot be copied or backed up; the message says why and how to fix it."""


def copy(
    source: Database, target: Database, on_table: OnTable = lambda _table, _rows: None
) -> dict[str, int]:
    """Copy every row with its id into an empty database, and compare all rows afterwards. Gives table -> rows.

    The source is read as it is when this begins; the target is migrated first. Everything is written in one
    transaction. Raises `CopyError` or sqlalchemy's errors, and then leaves no row.
    """
    if source.missing:
        raise CopyError(f"{source.url.render_as_string()} is not there")
    current, head = revisions(source)
    if current != head:
        refuse_newer(source)
        raise CopyError(
            f"{source.url.render_as_string()} is at revision {current}, the newest is {head}: run `respect db upgrade` "
            "on it first"
        )
    if source.url == target.url or (
        source.file and target.file and source.file.resolve() == target.file.resolve()
    ):
        raise CopyError("A database cannot be copied to itself")
    is_new = target.missing
    try:
        upgrade(target)
        with source.snapshot() as reading, target.engine.begin() as writing:
            found = {table.name: _copy_table(table, reading, writing, on_table) for table in _tables()}
            if target.on_postgres:
                set_sequences(writing, SQLModel.metadata.sorted_tables)
        return found
    except BaseException:
        target.close()
        if is_new and target.file is not None:
            for path in target.file.parent.glob(f"{target.file.name}*"):
                path.unlink()
        raise


def _tables() -> Sequence[sa.Table]:
    """Those that others refer to first. What is encrypted is copied as it is stored, which needs no key."""
    return [
        sa.Table(
            table.name,
            sa.MetaData(),
            *(sa.Column(each.name, _as_stored(each.type), primary_key=each.primary_key) for each in table.c),
        )
        for table in SQLModel.metadata.sorted_tables
    ]


def _as_stored(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    return sa.String() if isinstance(kind, EncryptedText) else kind


def _copy_table(table: sa.Table, reading: sa.Connection, writing: sa.Connection, on_table: OnTable) -> int:
    if writing.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
        raise CopyError(f"The target is not empty: its table {table.name} has rows. Give an empty database")
    sent = _Sum()
    for rows in _parts(table, reading):
        writing.execute(table.insert(), [dict(row._mapping) for row in rows])
        sent.add(rows)
    arrived = _Sum()
    for rows in _parts(table, writing):
        arrived.add(rows)
    if sent != arrived:
        raise CopyError(
            f"The table {table.name} differs after the copy ({sent.rows} rows were sent, {arrived.rows} arrived): "
            "report this as a fault"
        )
    on_table(table.name, sent.rows)
    return sent.rows


def _parts(table: sa.Table, connection: sa.Connection) -> Iterator[Sequence[sa.Row[Any]]]:
    """All rows of a table, some at a time."""
    query = sa.select(table).execution_options(yield_per=ROWS_AT_A_TIME)
    with connection.execute(query) as result:
        yield from result.partitions()


class _Sum:
    """The number of rows and the sum of their SHA-256, which does not depend on their order."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Sequence[sa.Row[Any]]) -> None:
        for row in rows:
            digest = hashlib.sha256(repr(storable_values(list(row))).encode()).digest()
            self._sum = (self._sum + int.from_bytes(digest)) % 2**256
        self.rows += len(rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sum) and (self.rows, self._sum) == (other.rows, other._sum)

    __hash__ = None  # pyright: ignore[reportAssignmentType]


def backup(database: Database, file: Path) -> None:
    """Write a copy of the database to a new file that only this user may read, while others go on using it.

    SQLite's is a database file, PostgreSQL's an archive of `pg_dump` for `pg_restore`. Raises `CopyError`, and then
    leaves no file.
    """
    if file.exists():
        raise CopyError(f"{file} exists already: give another name")
    if database.missing:
        raise CopyError(f"{database.url.render_as_string()} is not there")
    try:
        private_file(file)
    except OSError as error:
        raise CopyError(f"{file} cannot be written: {error.strerror}") from error
    try:
        if database.file is not None:
            with closing(sqlite3.connect(database.file)) as source, closing(sqlite3.connect(file)) as copied:
                source.backup(copied)
        else:
            _dump(database.url, file)
    except BaseException as error:
        file.unlink()
        if isinstance(error, sqlite3.Error):
            raise CopyError(f"{database.url.render_as_string()} could not be copied: {error}") from error
        raise


def _dump(url: sa.URL, file: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise CopyError(
            "pg_dump is not installed here: install PostgreSQL's client programs, of the server's version or newer, or "
            "back up the server by its own means"
        )
    where = url._replace(password=None).render_as_string()  # `set` would leave it
    password = {"PGPASSWORD": url.password} if isinstance(url.password, str) else {}
    command = [program, "--format=custom", f"--file={file}", f"--dbname={where}"]
    ended = subprocess.run(
        command,
        env={**os.environ, **password},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if ended.returncode:
        raise CopyError(f"pg_dump failed: {' '.join(ended.stderr.split())}")

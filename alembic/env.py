"""Alembic's entry point: migrates the given engine, or the database of the settings."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

import store.models  # noqa: F401 - defines the tables
from alembic import context
from store import postgres
from store.columns import UtcDateTime
from store.database import Database
from store.settings import StoreSettings


def render_item(kind: str, item: object, _context: object) -> str | bool:
    """Render SQL types instead of the models' types, so that migrations do not depend on later versions of the
    models."""
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()"
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, sa.Enum):
        return f"sa.String(length={item.length})"
    return False


def run() -> None:
    engine = context.config.attributes.get("engine") or context.config.attributes.get("connection")
    if engine is None:
        engine = Database.of(StoreSettings().store).engine
    with engine.connect() as connection, _tables_may_be_recreated(connection) as applied, connection.begin():
        context.configure(
            connection=connection,
            target_metadata=SQLModel.metadata,
            render_as_batch=True,
            compare_type=True,
            render_item=render_item,
            on_version_apply=lambda step, **_: applied.append(step),
        )
        if connection.dialect.name == "postgresql":
            # Two programs that start at once migrate one after the other.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(postgres.MIGRATION)))
        elif connection.dialect.name == "sqlite":
            # sqlite3 begins a transaction for rows only: without this, a full disk would leave half of the tables
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        with context.begin_transaction():
            context.run_migrations()


@contextmanager
def _tables_may_be_recreated(connection: sa.Connection) -> Iterator[list[object]]:
    """Disable foreign keys during a migration, outside of its transaction. SQLite alters a column by copying its
    table and dropping the old one; with foreign keys enforced, the drop would delete all rows that refer to it.

    Migrations that are applied are added to the list that it gives: without any, there is nothing to check, which
    would read all tables.
    """
    applied: list[object] = []
    if connection.dialect.name != "sqlite":
        yield applied
        return
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.commit()
    try:
        yield applied
        if applied and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
            raise RuntimeError(f"A migration left {len(broken)} rows without the row that they refer to")
    finally:
        connection.rollback()
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        connection.commit()


run()

"""Migrations go up, go down and agree with the models."""

import sqlalchemy as sa

from store.database import Database
from store.migrations import differences, downgrade, integrity, revisions, upgrade


def test_the_migrated_tables_are_those_of_the_models(database: Database):
    assert differences(database) is None
    current, head = revisions(database)
    assert current == head
    assert integrity(database) is None


def test_going_down_leaves_nothing_and_up_again_works(database: Database):
    downgrade(database, "base")
    assert set(sa.inspect(database.engine).get_table_names()) <= {"alembic_version"}
    upgrade(database)
    assert differences(database) is None


def test_a_missing_column_is_noticed(database: Database):
    with database.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE turn DROP COLUMN seconds"))
    found = differences(database)
    assert found is not None
    assert "seconds" in found


def test_sqlite_is_set_up_for_two_processes(database: Database):
    with database.engine.connect() as connection:
        pragmas = {
            name: connection.execute(sa.text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 10_000}

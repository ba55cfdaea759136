"""Migrations go up, go down and agree with the models."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from store.database import Database
from store.migrations import downgrade, integrity, revisions, schema_differences, upgrade
from tests.postgres import sqlite_only

pytestmark = pytest.mark.usefixtures("real_migrations")
AT = "2026-11-01 12:00:00+00:00"


def test_the_migrated_tables_are_those_of_the_models(database: Database):
    assert schema_differences(database) is None
    current, head = revisions(database)
    assert current == head
    assert integrity(database) is None


def test_going_down_leaves_nothing_and_up_again_works(database: Database):
    downgrade(database, "base")
    assert set(sa.inspect(database.engine).get_table_names()) <= {"alembic_version"}
    upgrade(database)
    assert schema_differences(database) is None


def test_a_missing_column_is_noticed(database: Database):
    with database.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE turn DROP COLUMN seconds"))
    found = schema_differences(database)
    assert found is not None
    assert "seconds" in found


@sqlite_only
def test_a_full_disk_leaves_no_half_of_the_tables(tmp_path: Path):
    def full(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA max_page_count=20")

    database = Database(f"sqlite:///{tmp_path / 'small.db'}")
    sa.event.listen(database.engine, "connect", full)
    with pytest.raises(sa.exc.OperationalError, match="full"):
        upgrade(database)
    sa.event.remove(database.engine, "connect", full)
    database.engine.dispose()
    assert sa.inspect(database.engine).get_table_names() == []
    upgrade(database)
    assert schema_differences(database) is None
    database.close()


@sqlite_only
def test_sqlite_is_set_up_for_two_processes(database: Database):
    with database.engine.connect() as connection:
        pragmas = {
            name: connection.execute(sa.text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 10_000}


def test_a_table_is_altered_without_losing_what_refers_to_it(database: Database):
    """SQLite copies the table of turns and drops the old one, which must not delete feedback and lineage."""
    downgrade(database, "0001")
    with database.engine.begin() as connection:
        for table, row in {
            "player": {
                "id": 1,
                "platform": "local",
                "external_id": "p",
                "name": "p",
                "locale": "en",
                "created_at": AT,
            },
            "game": {
                **{"id": "g", "game": "multiref", "images": "classic", "speaker": "[]", "listener": "[]"},
                **{
                    "targets": "[]",
                    "player_id": 1,
                    "origin": "local",
                    "result_shown": False,
                    "adapter": "base",
                },
                **{"base_model": "b", "round": 0, "outcome": "won", "started_at": AT},
            },
            "turn": {
                **{
                    "id": 1,
                    "game_id": "g",
                    "number": 1,
                    "utterance": "u",
                    "source": "message",
                    "state_before": "",
                },
                **{
                    "action": "select A",
                    "state_after": "A",
                    "logp": -0.5,
                    "adapter": "base",
                    "base_model": "b",
                },
                **{"seconds": 0, "asked_at": AT, "answered_at": AT},
            },
            "feedback": {
                **{"id": 1, "turn_id": 1, "decoder": "rules", "version": "1", "scheme": "binary", "label": 1},
                **{"confidence": 1, "decoded_at": AT},
            },
            "adapter": {
                **{
                    "id": 1,
                    "name": "a",
                    "base_model": "b",
                    "system": "b-sup",
                    "status": "current",
                    "card": "{}",
                },
                **{"erased_turns": 0, "created_at": AT},
            },
            "adapter_turn": {"adapter_id": 1, "turn_id": 1, "reward": 1, "weight": 1},
        }.items():
            names = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
    upgrade(database)
    with database.engine.connect() as connection:
        lineage = "SELECT player_id, adapter_id, turns, games FROM adapter_player"
        assert connection.execute(sa.text("SELECT logp FROM turn")).scalars().all() == [-0.5]
        assert connection.execute(sa.text("SELECT turn_id FROM feedback")).scalars().all() == [1]
        assert connection.execute(sa.text(lineage)).all() == [(1, 1, 1, 1)]
        if not database.on_postgres:
            assert connection.execute(sa.text("PRAGMA foreign_keys")).scalar_one() == 1
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE turn SET logp = NULL"))
        connection.execute(sa.text("UPDATE game SET origin = 'imported'"))
    downgrade(database, "0001")
    with database.engine.connect() as connection:
        for table in ("game", "turn", "feedback"):
            assert connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
        assert connection.execute(sa.text("SELECT count(*) FROM player")).scalar_one() == 1

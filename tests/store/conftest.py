"""A real database with the real migrations: an SQLite file, or one on a PostgreSQL server (`tests.postgres`)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.database import Database
from store.migrations import upgrade
from tests.postgres import database_url


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(database_url(tmp_path))
    upgrade(database)
    yield database
    await database.aclose()

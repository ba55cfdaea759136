"""A real SQLite file with the real migrations."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.database import Database
from store.migrations import upgrade


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'respect.db'}")
    upgrade(database)
    yield database
    await database.aclose()

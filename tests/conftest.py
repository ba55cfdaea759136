"""No log of the whole suite holds what anybody said, a name or a token.

Looked at are what each test wrote to standard error (its subprocesses' logs too) and every log and adapter card under
pytest's folder. What must not occur there is whatever any test put into a store, in this process or in another.
"""

import contextlib
import gc
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import pytest
import sqlalchemy as sa
import structlog
import typer.testing
from sqlalchemy import event

from sim.bench.private_words import SAID
from store.database import Database
from store.logs import configure_logging
from store.migrations import upgrade
from store.models import GameEvent, Instruction, Player, Turn

if "PYTEST_XDIST_WORKER" in os.environ:
    gc.disable()  # until all is imported
gc.set_threshold(100_000, 50, 100)  # a pass over all that a process of tests has imported takes 0.5 s

LOGS = ("*.log", "*.log.*", "card.json")
BROWSER = "chromium"
"""Begins the name of the browser's profile, whose databases have files that are called logs."""
_written: list[tuple[str, str]] = []
"""(test, what it wrote to standard error)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests begin first: the others are done meanwhile. pytest-xdist gives them to one process, whose fork server
    they share."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    gc.enable()
    gc.freeze()  # what was imported stays until the end


@event.listens_for(Turn, "before_insert")
def _turn(_mapper: Any, _connection: Any, row: Turn) -> None:
    SAID.add(row.utterance)


@event.listens_for(Instruction, "before_insert")
def _instruction(_mapper: Any, _connection: Any, row: Instruction) -> None:
    SAID.add(row.text)


@event.listens_for(GameEvent, "before_insert")
def _event(_mapper: Any, _connection: Any, row: GameEvent) -> None:
    if row.text:
        SAID.add(row.text)


@event.listens_for(Player, "before_insert")
def _player(_mapper: Any, _connection: Any, row: Player) -> None:
    SAID.add_name(row.name)


@pytest.fixture(autouse=True)
def logs_as_in_production() -> Iterator[None]:
    """Every test logs as the programs do."""
    before = structlog.get_config()
    configure_logging()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session", autouse=True)
def new_databases_are_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., None]]:
    """Alembic migrates one new database in this process and the others become copies of it, which is quicker.

    Tests of migrations ask for `real_migrations`.
    """
    template = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{template}")
    upgrade(database)
    database.scrub()
    database.close()
    migrate = alembic.command.upgrade

    def copy(config: alembic.config.Config, revision: str, **options: Any) -> None:
        engine = config.attributes["engine"]
        if revision != "head" or engine.dialect.name != "sqlite" or sa.inspect(engine).get_table_names():
            return migrate(config, revision, **options)
        with contextlib.closing(sqlite3.connect(template)) as migrated, engine.connect() as connection:
            migrated.backup(connection.connection.driver_connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alembic.command, "upgrade", copy)
        yield migrate


@pytest.fixture(scope="session", autouse=True)
def the_program_is_put_together_once() -> Iterator[None]:
    """`CliRunner` reads the signatures of all commands each time that it runs one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(typer.main.get_command))
        yield


@pytest.fixture
def real_migrations(new_databases_are_copies: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Alembic migrates every database of this test."""
    monkeypatch.setattr(alembic.command, "upgrade", new_databases_are_copies)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    for title, text in report.sections:
        if title.startswith("Captured stderr") and text:
            _written.append((report.nodeid, text))
    return report


@pytest.fixture(scope="session", autouse=True)
def nothing_private_in_any_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    yield
    folder = tmp_path_factory.getbasetemp()
    for utterance in _stored_in(folder.rglob("*.db")):
        SAID.add(utterance)
    found = (path for pattern in LOGS for path in folder.rglob(pattern) if path.is_file())
    files = [path for path in found if not path.relative_to(folder).parts[0].startswith(BROWSER)]
    logs = [*_written, *((str(path.relative_to(folder)), path.read_text(errors="replace")) for path in files)]
    leaks = {where: sorted(words) for where, text in logs if (words := set(SAID.found_in(text)))}
    assert not leaks, f"logs hold what people said, names or tokens: {leaks}"


def _stored_in(databases: Iterable[Path]) -> Iterator[str]:
    """Utterances of databases that other processes wrote."""
    for path in databases:
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection,
        ):
            yield from (row[0] for row in connection.execute("SELECT utterance FROM turn"))

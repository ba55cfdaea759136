"""The bot, rounds, export, erasure and copies with a real PostgreSQL server. `make test-postgres` runs much more."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from bot_house import House, ObedientPolicy, house_of
from sqlmodel import SQLModel, col, func, select
from typer.testing import CliRunner

from bot.errors import StartupError
from cli.main import app
from local_discord import LocalDiscord, Person
from sim.bench.generated import generate
from store.copying import CopyError, backup, copy
from store.database import Database
from store.encryption import Cipher, new_key
from store.export.export import export
from store.export.pseudonyms import Pseudonyms
from store.migrations import downgrade, schema_differences, upgrade
from store.models import Game, Player, Round, RoundStatus, Turn
from store.players import erase_player, export_player
from store.postgres import DriverMissing
from store.rounds import RoundEnded, RoundUnderWay, cancel, report, request_round
from store.study_tables import Assignment, KeptStudy
from store.training import usable_interactions
from tests.postgres import GUARDED, NOT_INSTALLED, VARIABLE, binaries, database_url, new_database, server
from web.pages.access import COOKIE, LOCAL_HOSTS, Access
from web.pages.app import make_pages
from web.pages.site import Site

pytestmark = pytest.mark.skipif(binaries() is None, reason=NOT_INSTALLED)
ODD = "the sw\0an \ud800 's left wing \U0001f986"


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    if given := os.environ.get(VARIABLE):
        yield given
    else:
        with server() as url:
            yield url


@pytest.fixture(autouse=True)
def on_postgres(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, server_url)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(database_url(tmp_path / "own"), busy_seconds=0.5)
    yield database
    database.close()


def test_migrations_up_and_down(server_url: str):
    database = Database(new_database(server_url, "up_and_down", None))
    upgrade(database)
    assert schema_differences(database) is None
    downgrade(database, "base")
    assert set(sa.inspect(database.engine).get_table_names()) == {"alembic_version"}
    upgrade(database)
    assert schema_differences(database) is None
    database.close()


async def test_a_game_and_what_becomes_of_it(house: House, ada: Person, tmp_path: Path):
    """Played by the bot, shown on the page, learnt from, exported, erased."""
    assert house.database.on_postgres
    thread = await house.play(ada)
    await house.turn(ada, thread, "The one that’s like a swan 🦆")
    await house.turn(ada, thread, await house.winning_words(thread))
    await house.settled(thread)
    await house.stop()

    with house.database.session() as session:
        (interaction,) = usable_interactions(session, None, local_games=True)
        (player,) = session.exec(select(Player))
        assert player.id is not None
        assert len(export_player(session, player.id)["games"][0]["turns"]) == 2
    assert interaction.won and interaction.steps[0].utterance == "The one that's like a swan 🦆"
    pseudonyms = Pseudonyms(b"s" * 32)
    with house.database.session() as session:
        game = session.exec(select(Game)).one()
        session.add(KeptStudy(hash="1" * 64, study="reading", text=""))
        session.add(
            Assignment(
                game_id=game.id,
                study="reading",
                study_hash="1" * 64,
                arm="one",
                adapter="base",
                probability=1.0,
                seed=1,
                eligible_arms=["one"],
            )
        )
    access = Access("t" * 16, LOCAL_HOSTS)
    async with TestClient(
        TestServer(make_pages(Site(house.database, pseudonyms), access, tmp_path)),
        cookies={COOKIE: access.begin_session()},
    ) as browser:
        filtered = "/games?outcome=won&study=reading&arm=one"
        for path in (
            "/",
            filtered,
            f"/games/{game.id}",
            "/policies",
            "/players",
            "/studies/reading",
            "/evaluate",
        ):
            async with browser.get(path, allow_redirects=False) as response:
                assert response.status == 200, path
    done = export(house.database, tmp_path / "out", pseudonyms)
    assert done.rows["turn"] == 2

    with house.database.session() as session:
        assert erase_player(session, player.id) == 1
    assert house.database.scrub()
    with house.database.session() as session:
        assert [session.exec(select(func.count()).select_from(kind)).one() for kind in (Game, Turn)] == [0, 0]


async def test_two_bots_cannot_use_one_database(
    house: House, discord_service: LocalDiscord, policy: ObedientPolicy, tmp_path: Path
):
    """Each has a data folder of its own, as on two machines."""
    async with house_of(discord_service, policy, tmp_path / "second") as second:
        second.with_settings(store={"database_url": house.settings.store.url})
        with pytest.raises(StartupError, match="Another bot is using the database postgresql://"):
            await second.start()
        await house.stop()
        await second.start()


async def test_the_bot_goes_on_after_it_lost_every_connection(house: House, ada: Person, server_url: str):
    thread = await house.play(ada)
    await house.turn(ada, thread, "select A")
    name = house.database.url.database
    with psycopg.connect(server_url.replace("/?", "/postgres?"), autocommit=True) as server:
        ended = server.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s", [name]
        ).fetchone()
    assert ended and ended[0] >= 2
    await house.turn(ada, thread, "select B")
    assert [turn.action for turn in await house.turns(thread)] == ["select A", "select B"]


async def test_a_server_that_is_away_is_a_sentence(stopped_house: House, tmp_path: Path):
    stopped_house.with_settings(store={"database_url": f"postgresql://respect@/x?host={tmp_path}"})
    with pytest.raises(StartupError, match=r"The database cannot be opened: .*No such file or directory"):
        await stopped_house.start()
    database = Database(stopped_house.settings.store.url)
    with pytest.raises(sa.exc.InterfaceError, match="the server cannot be reached"):
        async with database.async_session() as session:
            await session.exec(select(Game))
    await database.aclose()


def test_without_the_drivers_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", "postgres://me@here/respect")
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(tmp_path))
    for driver in ("psycopg", "asyncpg"):
        monkeypatch.setitem(sys.modules, driver, None)
    for command in ("db upgrade", "db check", "round status", "export --out out"):
        result = CliRunner().invoke(app, command.split())
        assert result.exit_code == 1 and "pip install 'respect[postgres]'" in result.output, result.output
    with pytest.raises(DriverMissing):
        _ = Database("postgresql://me@here/respect").async_engine


def test_one_round_at_a_time_and_one_that_was_cancelled_stays_so(database: Database):
    with database.session() as first, database.session() as second:
        row = request_round(first, "b-sup")
        first.commit()
        with pytest.raises(RoundUnderWay):
            request_round(second, "b-sup")
        assert row.id is not None
    with database.session() as session:
        report(session, row.id, "train", done=1)
        with database.session() as other, pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            cancel(other, row.id, "somebody")  # waits for the report
    with database.session() as session:
        cancel(session, row.id, "somebody")
    with database.session() as session, pytest.raises(RoundEnded):
        report(session, row.id, "train", done=2)
    with database.session() as session:
        assert session.get_one(Round, row.id).status is RoundStatus.CANCELLED


async def test_the_parameters_of_a_url_are_those_of_libpq(server_url: str, tmp_path: Path):
    url = f"{database_url(tmp_path)}&sslmode=prefer&channel_binding=prefer&connect_timeout=5&application_name=me"
    database = Database(url)
    asked = sa.text("SELECT current_setting('application_name')")
    async with database.async_session() as session:
        assert (await session.exec(asked)).scalar_one() == "me"  # pyright: ignore[reportCallIssue, reportArgumentType]
    with database.session() as session:
        assert session.execute(asked).scalar_one() == "me"
    await database.aclose()


async def test_no_text_is_refused(database: Database):
    """Neither NUL nor half a surrogate pair, which come from files and forms, fails a statement of either driver."""
    async with database.async_session() as session:
        session.add(Player(platform="local", external_id="1", name=ODD))  # pyright: ignore[reportArgumentType]
        await session.flush()
        assert (await session.exec(select(Player).where(Player.external_id == "1\0"))).one()
    with database.session() as session:
        assert session.exec(select(Player.name)).one() == "the swan ? 's left wing \U0001f986"
    await database.aclose()


# --- copies and backups -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with generated games."""
    file = tmp_path_factory.mktemp("filled") / "respect.db"
    database = Database(f"sqlite:///{file}")
    upgrade(database)
    generate(database, 400)
    database.scrub()
    database.close()
    return file


def all_rows(database: Database) -> dict[str, list[str]]:
    with database.engine.connect() as connection:
        return {
            name: sorted(str(row) for row in connection.execute(sa.select(table)))
            for name, table in SQLModel.metadata.tables.items()
        }


def test_there_and_back_every_row_is_the_same(filled: Path, server_url: str, tmp_path: Path):
    there, back = new_database(server_url, "there", None), f"sqlite:///{tmp_path / 'back.db'}"
    for source, target in ((f"sqlite:///{filled}", there), (there, back)):
        result = CliRunner().invoke(app, ["db", "copy", source, target, "--json"])
        assert result.exit_code == 0, result.output
    copied, original = Database(back), Database(f"sqlite:///{filled}")
    expected = all_rows(original)
    assert all_rows(copied) == expected
    assert json.loads(result.stdout)["rows"] == {name: len(rows) for name, rows in expected.items()}
    new = Database(there)
    with new.session() as session:  # ids go on after those that were copied
        newest = session.exec(select(func.max(Player.id))).one() or 0
        player = Player(platform="local", external_id="new", name="new")  # pyright: ignore[reportArgumentType]
        session.add(player)
        session.flush()
        assert player.id == newest + 1
    again = CliRunner().invoke(app, ["db", "copy", back, there])
    assert again.exit_code == 1 and "The target is not empty" in again.stderr
    for database in (copied, original, new):
        database.close()


def test_what_is_encrypted_is_copied_without_the_key(server_url: str, tmp_path: Path):
    cipher, there = Cipher([new_key()]), new_database(server_url, "encrypted", None)
    source = Database(f"sqlite:///{tmp_path / 'respect.db'}", cipher=cipher)
    upgrade(source)
    with source.session() as session:
        session.add(Player(platform="local", external_id="1", name="Ottoline Vance"))  # pyright: ignore[reportArgumentType]
    copy(Database(source.url.render_as_string()), Database(there))
    with psycopg.connect(there) as stored:
        assert "Ottoline" not in str(stored.execute("SELECT name FROM player").fetchall())
    copied = Database(there, cipher=cipher)
    with copied.session() as session:
        assert session.exec(select(Player.name)).one() == "Ottoline Vance"
    source.close()
    copied.close()


def test_a_copy_that_fails_leaves_nothing(filled: Path, server_url: str, tmp_path: Path):
    broken = shutil.copy(filled, tmp_path / "broken.db")
    source, target = Database(f"sqlite:///{broken}"), Database(new_database(server_url, "target", None))
    with source.engine.begin() as connection:  # SQLite does not mind what PostgreSQL does: no 32-bit number
        connection.execute(sa.update(Turn).where(col(Turn.number) == 2).values(seed=2**40))
    with pytest.raises(sa.exc.DataError):
        copy(source, target)
    assert not any(all_rows(target).values())
    downgrade(source, "0008")
    with pytest.raises(CopyError, match="is at revision 0008, the newest is"):
        copy(source, target)
    with pytest.raises(CopyError, match="to itself"):
        copy(target, Database(target.url.render_as_string()))
    source.close()
    target.close()


def test_a_backup_while_others_write(filled: Path, server_url: str, tmp_path: Path, monkeypatch):
    sqlite = Database(f"sqlite:///{shutil.copy(filled, tmp_path / 'respect.db')}")
    postgres = Database(new_database(server_url, "saved", None))
    copy(sqlite, postgres)
    with postgres.session() as session:
        session.execute(sa.text(f"CREATE ROLE {GUARDED} SUPERUSER LOGIN PASSWORD 'p@ss word'"))
    guarded = postgres.url.set(username=GUARDED, password="p@ss word")
    monkeypatch.setenv("PATH", f"{binaries()}{os.pathsep}{os.environ['PATH']}")
    for database, url, name in (
        (sqlite, sqlite.url, "backup.db"),
        (postgres, guarded, "backup.dump"),
    ):
        expected = all_rows(database)
        monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", url.render_as_string(hide_password=False))
        with database.session() as session:
            session.add(Player(platform="local", external_id="new", name="new"))  # pyright: ignore[reportArgumentType]
            session.flush()
            done = CliRunner().invoke(app, ["db", "backup", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        again = CliRunner().invoke(app, ["db", "backup", str(tmp_path / name)])
        assert again.exit_code == 1 and "exists already" in again.stderr
        if database is sqlite:
            restored = Database(f"sqlite:///{tmp_path / name}")
        else:
            restored = Database(new_database(server_url, "restored", None))
            where = restored.url.render_as_string()
            command = ["pg_restore", "--no-owner", f"--dbname={where}", str(tmp_path / name)]
            subprocess.run(command, check=True)
        assert all_rows(restored) == expected
        restored.close()
        database.close()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CopyError, match="pg_dump is not installed"):
        backup(postgres, tmp_path / "none")
    assert not (tmp_path / "none").exists()

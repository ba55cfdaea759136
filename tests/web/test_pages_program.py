"""`respect page`: starting, stopping, and what it refuses."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from cli.main import app
from store.database import Database
from tests.postgres import database_url
from tests.web.stored_games import TOKEN, Stored


async def test_the_program_serves_until_it_is_stopped(stored: Stored, tmp_path: Path):
    stored.database.scrub()
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from cli.main import app; app()", "page", "--port", "0"),
        *("--token-file", str(tmp_path / "token")),
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "RESPECT_STORE__DATA_DIR": str(tmp_path),
            "RESPECT_STORE__DATABASE_URL": database_url(tmp_path),
            "PYTHONPATH": str(Path.cwd()),
        },
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 120)).decode()
    url = next(word.rstrip(";") for word in line.split() if word.startswith("http"))
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        aiohttp.ClientSession(cookie_jar=jar) as http,
        http.post(f"{url}/login", data={"token": TOKEN}) as response,
    ):
        assert "Overview" in await response.text()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 60) == 0


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--host", "0.0.0.0"], "needs a token"),
        (["--host", "192.168.1.5"], "needs a token"),
        (["--host", "0.0.0.0", "--token", "x" * 20], "--allow-host"),
        (["--token", "short"], "shorter than 16"),
        (["--token-file", "/no/such/file"], "could not be read"),
    ],
)
def test_the_program_refuses_an_open_door(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], wrong: str
):
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["page", *arguments])
    assert result.exit_code == 1 and wrong in result.output


def test_the_program_says_what_to_do_about_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(tmp_path))
    missing = CliRunner().invoke(app, ["page"])
    assert missing.exit_code == 1 and "respect db upgrade" in missing.output
    old = Database(f"sqlite:///{tmp_path / 'respect.db'}")
    with old.session():
        pass
    (tmp_path / "respect.db").touch()
    blank = CliRunner().invoke(app, ["page"])
    assert blank.exit_code == 1 and "at revision None" in blank.output

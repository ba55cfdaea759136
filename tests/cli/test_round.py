"""`respect round`: errors are one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from sim.bench.generated import generate
from store.database import Database
from store.migrations import upgrade


def respect(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "RESPECT_STORE__DATA_DIR": str(folder),
        "RESPECT_STORE__DATABASE_URL": f"sqlite:///{folder / 'respect.db'}",
    }
    command = [sys.executable, "-c", "from cli.main import app; app()", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_round_without_games_fails_with_a_sentence_and_nothing_else(tmp_path: Path):
    ended = respect(tmp_path, "round", "run")
    assert ended.returncode == 1
    assert ended.stderr.strip() == "Error: Round 1 failed: There are no finished games to learn from yet"
    assert ended.stdout == ""


@pytest.mark.parametrize("command", ["run", "status"])
def test_a_broken_database_is_reported(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "respect.db").write_text("no database at all, and longer than any header of one would be" * 9)
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", f"sqlite:///{tmp_path / 'respect.db'}")
    ended = CliRunner().invoke(app, ["round", command], catch_exceptions=False)
    assert ended.exit_code == 1
    assert ended.stderr.startswith("Error: The database sqlite:///")
    assert "file is not a database" in ended.stderr and "Traceback" not in ended.stderr


def test_the_history_tells_what_each_round_learnt_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url = f"sqlite:///{tmp_path / 'respect.db'}"
    database = Database(url)
    upgrade(database)
    generate(database, 600, seed=0)
    database.close()
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", url)
    monkeypatch.setenv("COLUMNS", "200")
    ended = CliRunner().invoke(app, ["round", "history"], catch_exceptions=False)
    assert ended.exit_code == 0 and "is current" in ended.stdout and "turns of" in ended.stdout


LOGS_AN_ERROR = """
import sys
import structlog
from store.logs import configure_logging

configure_logging({json})
def fail(said):
    raise KeyError(said)
try:
    fail("words of a " + "player")
except KeyError:
    structlog.get_logger("test").exception("it failed")
"""


@pytest.mark.parametrize("json", [True, False])
def test_a_traceback_in_the_log_shows_no_local_variables(json: bool):
    """They hold what people said. Nor does it quote the value that an error is about."""
    script = LOGS_AN_ERROR.format(json=json)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "it failed" in ended.stderr and "KeyError" in ended.stderr and "in fail" in ended.stderr
    assert "words of a player" not in ended.stderr

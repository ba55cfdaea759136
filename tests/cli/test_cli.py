"""The `respect` program: its help, what its commands print, and errors that are one sentence."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli.main import app
from games.figures import open_images
from local_discord import LocalDiscord


def commands() -> Iterator[tuple[str, click.Command]]:
    """("round run", its command), for each command and group of the program."""

    def below(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield " ".join(path), command
        for name, inner in getattr(command, "commands", {}).items():
            yield from below((*path, name), inner)

    return below((), typer.main.get_command(app))


COMMANDS = dict(commands())


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder for this test, without `.env` and token."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("RESPECT_DISCORD__TOKEN", raising=False)
    return tmp_path


def respect(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def error(result: Result) -> str:
    """The printed error, after checking that nothing else was printed."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert not result.stdout
    said = " ".join(result.stderr.split())
    assert said.startswith("Error: ") and said.count("Error") == 1 and "Traceback" not in said
    return said


@pytest.mark.parametrize("path", COMMANDS)
def test_help_says_what_a_command_does_and_what_each_option_is_for(path: str):
    command = COMMANDS[path]
    result = respect(*path.split(), "--help")
    assert result.exit_code == 0
    said = " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stdout).split())
    words = (command.help or "").split("\n\n")[0]
    assert re.fullmatch(r"[A-Z].{10,}[.:]", " ".join(words.split())), f"help of {path!r}: {words!r}"
    for name in getattr(command, "commands", {}):
        assert f" {name} " in said
    for parameter in command.params:
        if parameter.name in ("install_completion", "show_completion", "help"):
            continue
        shown: Any = parameter
        assert len(shown.help or "") >= 10, f"{parameter.name}: {shown.help!r}"
        if isinstance(parameter, click.Option):
            assert max(parameter.opts, key=len) in said


def test_without_a_command_the_groups_are_listed():
    said = respect().output
    assert all(f" {name} " in said for name in COMMANDS if name and " " not in name)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("figures list --images modern", "expected 'classic'"),
        ("figures list --images kilogram:nowhere", "nowhere"),
        ("figures show nothing-like-this", "`respect figures list` names them all"),
        ("figures check nowhere.json", "nowhere.json"),
        ("feedback evaluate nowhere.jsonl", "nowhere.jsonl"),
        ("round promote round-9-b-sup", "round-9-b-sup"),
        ("round rollback", "no adapter has been promoted yet"),
        ("simulate --rounds 0 --games-per-round 1 --images modern", "expected 'classic'"),
        ("simulate --rounds 0 --games-per-round 1 --players nobody", "nobody"),
        ("simulate --rounds 0 --games-per-round 1 --policy ./nothing-here", "nothing-here"),
    ],
)
def test_an_error_is_one_sentence_and_exit_code_1(arguments: str, words: str):
    assert words in error(respect(*arguments.split()))


@pytest.mark.parametrize("command", ["db check", "db upgrade", "round status", "round history"])
def test_a_file_that_is_no_database_is_one_sentence(command: str, empty_folder: Path):
    (empty_folder / "data").mkdir()
    (empty_folder / "data" / "respect.db").write_text("not a database " * 100)
    assert "not a database" in error(respect(*command.split()))


def test_figures_are_listed_and_checked():
    images = open_images("classic")
    listed = respect("figures", "list").stdout
    assert f"{len(images.ids)} figures in classic. Licence: {images.licence}" in " ".join(listed.split())
    assert [line.split()[0] for line in listed.splitlines()[1:-1]] == list(images.ids)
    assert json.loads(respect("figures", "check", "--json").stdout) == {
        "images": "classic",
        "figures": len(images.ids),
        "bad": {},
        "duplicates": [],
        "notes": {},
        "ok": True,
    }


def test_a_database_is_created_checked_and_its_faults_found(empty_folder: Path):
    before = respect("db", "check", "--json")
    assert (before.exit_code, json.loads(before.stdout)["revision"]) == (1, None)
    assert "run `respect db upgrade`" in respect("db", "check").stdout
    assert respect("db", "upgrade").exit_code == 0
    after = respect("db", "check", "--json")
    found = json.loads(after.stdout)
    assert after.exit_code == 0
    assert found["ok"] and found["revision"] == found["head"] and not found["differences"]
    with sqlite3.connect(empty_folder / "data" / "respect.db") as connection:
        connection.execute("ALTER TABLE turn DROP COLUMN seconds")
    connection.close()
    worse = respect("db", "check")
    assert worse.exit_code == 1
    assert "is not sound" in worse.stdout and "seconds" in worse.stdout


def test_rounds_of_a_new_database():
    assert json.loads(respect("round", "status", "--json").stdout) == {"current": "base", "round": None}
    found = json.loads(respect("round", "history", "--json").stdout)
    assert found == {"current": "base", "previous": None, "rounds": [], "adapters": []}


def diagnosis(result: Result) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def test_the_doctor_says_what_is_missing_and_what_to_do():
    result = respect("doctor", "--json")
    assert result.exit_code == 1
    found = diagnosis(result)
    failed = {name for name, check in found.items() if check["status"] == "failed"}
    assert failed == {"database", "Discord token"}
    assert "respect db upgrade" in found["database"]["fix"]
    assert "RESPECT_DISCORD__TOKEN is not set" in found["Discord token"]["found"]
    shown = respect("doctor")
    assert shown.exit_code == 1
    assert "✗ Discord token: RESPECT_DISCORD__TOKEN is not set" in " ".join(shown.stdout.split())


async def test_the_doctor_finds_a_bot_that_can_run_healthy(monkeypatch: pytest.MonkeyPatch):
    async with LocalDiscord() as service:
        monkeypatch.setenv("RESPECT_DISCORD__API", service.rest_url)
        monkeypatch.setenv("RESPECT_DISCORD__GATEWAY", service.gateway_url)
        monkeypatch.setenv("RESPECT_DISCORD__TOKEN", service.token)
        assert (await asyncio.to_thread(respect, "db", "upgrade")).exit_code == 0
        result = await asyncio.to_thread(respect, "doctor", "--json")
        assert result.exit_code == 0, result.stdout
        assert {check["status"] for check in diagnosis(result).values()} == {"ok"}
        service.world.app.message_content = False
        result = await asyncio.to_thread(respect, "doctor", "--json")
        assert result.exit_code == 1
        assert "RESPECT_DISCORD__MESSAGE_CONTENT=false" in diagnosis(result)["message-content intent"]["fix"]


def test_a_setting_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_POLICY__THREADS", "many")
    result = respect("doctor", "--json")
    assert result.exit_code == 1
    assert "RESPECT_POLICY__THREADS" in diagnosis(result)["settings"]["found"]

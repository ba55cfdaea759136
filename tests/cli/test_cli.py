"""The `respect` program: its help, what its commands print, and errors that are one sentence."""

import asyncio
import contextlib
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
from tests.research.recorded_games import WON, write


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
    monkeypatch.setenv("RESPECT_WEB__PORT", "0")
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
        ("figures check /etc/passwd", "'classic', 'classic:N', 'kilogram:DIR', or a JSON file"),
        ("feedback evaluate nowhere.jsonl", "nowhere.jsonl"),
        ("round promote round-9-b-sup", "round-9-b-sup"),
        ("round rollback", "no adapter has been promoted yet"),
        ("simulate --rounds 0 --games-per-round 1 --images modern", "expected 'classic'"),
        ("simulate --rounds 0 --games-per-round 1 --players nobody", "nobody"),
        (
            "simulate --rounds 0 --games-per-round 1 --clip -1",
            "Error: --clip: Input should be greater than 0",
        ),
        ("simulate --rounds 0 --games-per-round 1 --policy ./nothing-here", "nothing-here"),
    ],
)
def test_an_error_is_one_sentence_and_exit_code_1(arguments: str, words: str):
    assert words in error(respect(*arguments.split()))


@pytest.mark.parametrize("policy", ["/nothing/here", "./nothing-here", "~/nothing-here", "no/thing/here"])
@pytest.mark.parametrize(
    "command",
    [
        "simulate --rounds 0 --games-per-round 1",
        "evaluate games.jsonl",
        "feedback evaluate games.jsonl --decoder prompted",
        "bench training",
        "bench serving --quick",
    ],
)
def test_a_policy_whose_folder_does_not_exist_is_said_to_have_none(
    command: str, policy: str, empty_folder: Path
):
    write(empty_folder / "games.jsonl", WON)
    said = error(respect(*command.split(), "--policy", policy))
    assert f"Cannot load the policy '{policy}': there is no such folder." in said


def test_the_doctor_says_that_the_folder_of_the_policy_does_not_exist(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_POLICY__MODEL", "/nothing/here")
    assert "there is no such folder" in diagnosis(respect("doctor", "--json"))["policy"]["found"]


@pytest.mark.parametrize("command", ["db check", "round status", "round run", "export --out out", "page"])
def test_a_database_url_that_is_none_is_one_sentence(command: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", "foo")
    assert "URL" in error(respect(*command.split()))


INVALID = {
    "RESPECT_STORE__DATABASE_TIMEOUT": "-1",
    "RESPECT_POLICY__TEMPERATURE": "hot",
    "RESPECT_TRAINING__RANK": "0",
    "RESPECT_WEB__PORT": "-1",
}
READ_SETTINGS = (
    *("demo --once", "simulate --rounds 0 --games-per-round 1", "bench serving --quick"),
    *("report --out out", "export --out out", "import games.jsonl", "evaluate games.jsonl --adapter round-1"),
    *(
        "bench chaos",
        "bench fuzz",
        "round run",
        "round worker",
        "round status",
        "round history",
        "round promote base",
        "round rollback",
        "round upload",
    ),
    *(
        "db upgrade",
        "db check",
        "db backup copy.db",
        "db encryption",
        "db encrypt",
        "db forget-words --days 1",
        "page",
        "study check study.toml",
        "study report study.toml",
    ),
)
SAY_IT_IN_THEIR_OWN_WAY = ("bot", "doctor")
READ_NONE = {
    *("settings", "feedback evaluate", "tiny build", "tiny language", "bench training", "bench store"),
    "llm build",
    *("figures list", "figures show", "figures check", "figures sheet", "study power", "db key", "db copy"),
}
STUDY = """
name = "s"
[[arms]]
name = "one"
adapter = "base"
probability = 1
[stop]
games_per_arm = 9
"""
QUIZ = """
[[quiz]]
name = "marks"
text = "Who sees the marks?"
choices = ["I", "The bot"]
answer = "I"
why = "They are yours."
"""


@pytest.mark.parametrize("command", [*READ_SETTINGS, *SAY_IT_IN_THEIR_OWN_WAY])
def test_a_setting_that_is_invalid_is_one_sentence_in_every_command(
    command: str, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    write(empty_folder / "games.jsonl", WON)
    (empty_folder / "study.toml").write_text(STUDY)
    for name, value in INVALID.items():
        monkeypatch.setenv(name, value)
    result = respect(*command.split())
    assert result.exit_code == 1 and "RESPECT_STORE__DATABASE_TIMEOUT: Input" in result.output
    assert "Traceback" not in result.output and isinstance(result.exception, SystemExit)
    if command not in SAY_IT_IN_THEIR_OWN_WAY:
        said = error(result)
        assert said.endswith("See .env.example for what each setting may be.") and "hot" not in said


def test_every_command_is_known_to_read_settings_or_none():
    leaves = {path for path, command in COMMANDS.items() if not hasattr(command, "commands")}
    reading = {path for path in leaves for line in READ_SETTINGS if f"{line} ".startswith(f"{path} ")}
    assert reading | set(SAY_IT_IN_THEIR_OWN_WAY) | READ_NONE == leaves
    assert not reading & READ_NONE


@pytest.mark.parametrize("command", ["db check", "db upgrade", "round status", "round history"])
def test_a_file_that_is_no_database_is_one_sentence(command: str, empty_folder: Path):
    (empty_folder / "data").mkdir()
    (empty_folder / "data" / "respect.db").write_text("not a database " * 100)
    assert "not a database" in error(respect(*command.split()))


def test_figures_are_listed_and_checked():
    """Every figure of classic is a true tangram, joined along edges, without holes, and unlike every other one."""
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
    assert json.loads(respect("round", "status", "--json").stdout) == {
        "current": "base",
        "round": None,
        "affected": {},
    }
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


def test_the_demo_does_not_begin_with_a_study_that_is_wrong_or_has_a_quiz(
    monkeypatch: pytest.MonkeyPatch, empty_folder: Path
):
    study = empty_folder / "study.toml"
    monkeypatch.setenv("RESPECT_PLAY__STUDY", "study.toml")
    for text, said in (
        (STUDY.replace("s", "S", 1), "RESPECT_PLAY__STUDY: study.toml: name"),
        (f"{STUDY}{QUIZ}", "study.toml has a quiz, which simulated players do not answer"),
    ):
        study.write_text(text)
        assert said in error(respect("demo", "--once"))
        assert said in error(respect("demo"))


def test_the_doctor_says_whether_adapters_can_be_written_to_the_url(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    for url, status, found in (
        (f"file://{tmp_path}/share", "ok", "0 at RESPECT_STORE__ADAPTERS_URL, which can be written"),
        ("file:///proc/respect", "warning", "0 at RESPECT_STORE__ADAPTERS_URL. The adapters at"),
    ):
        monkeypatch.setenv("RESPECT_STORE__ADAPTERS_URL", url)
        check = diagnosis(respect("doctor", "--json"))["adapters"]
        assert check["status"] == status and check["found"].startswith(found)


def test_the_doctor_says_what_is_wrong_with_a_study(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    study = tmp_path / "study.toml"
    monkeypatch.setenv("RESPECT_PLAY__STUDY", str(study))
    for old, new, said in (
        ("games_per_arm = 9", "", "stop: give either games_per_arm"),
        ('"base"', '"round-0004-b-sup"', "arm 'one': There is no adapter 'round-0004-b-sup'"),
    ):
        study.write_text(STUDY.replace(old, new))
        found = diagnosis(respect("doctor", "--json"))["study"]
        assert found["status"] == "failed" and said in found["found"]
    study.write_text(STUDY)
    assert diagnosis(respect("doctor", "--json"))["study"]["found"] == "s, arms: one, assigned by player"


def test_a_setting_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_POLICY__THREADS", "many")
    result = respect("doctor", "--json")
    assert result.exit_code == 1
    assert "RESPECT_POLICY__THREADS" in diagnosis(result)["settings"]["found"]


READ_ONLY = ("db check", "round status", "round history", "doctor", "db check --json", "round status --json")


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file and folder below, with what is in it and when it was changed."""
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    "command",
    [*READ_ONLY, "report --out out", "report --out out --file sqlite:///other.db", "export --out out"],
)
def test_commands_that_only_look_write_nothing(command: str, empty_folder: Path):
    respect(*command.split())
    assert not list(empty_folder.iterdir())


@pytest.mark.parametrize("command", ["report", "export"])
def test_without_a_finished_game_nothing_is_written(command: str, empty_folder: Path):
    make_database(empty_folder)
    before = {name: data for name, (data, _) in contents(empty_folder).items() if "respect.db" not in name}
    assert "has no finished game yet" in error(respect(command, "--out", "out"))
    after = {name: data for name, (data, _) in contents(empty_folder).items() if "respect.db" not in name}
    assert after == before


def make_database(folder: Path, revision: str | None = None) -> Path:
    """A database at a revision, the newest or one of another version's."""
    assert respect("db", "upgrade").exit_code == 0
    path = folder / "data" / "respect.db"
    if revision is not None:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
    return path


@pytest.mark.parametrize("command", READ_ONLY)
@pytest.mark.parametrize("in_use", [True, False])
def test_commands_that_only_look_change_no_database(command: str, in_use: bool, empty_folder: Path):
    path = make_database(empty_folder, "0002")
    with contextlib.closing(sqlite3.connect(path)) as bot:
        if in_use:
            bot.execute("CREATE TABLE by_the_bot (x)")
            bot.execute("PRAGMA journal_mode")
        before = {name: data for name, (data, _) in contents(empty_folder).items() if "shm" not in name}
        result = respect(*command.split())
        assert result.exit_code == 1 and "Traceback" not in result.output
        assert "db upgrade" in result.output or '"ok": false' in result.output
        after = {name: data for name, (data, _) in contents(empty_folder).items() if "shm" not in name}
        assert after == before


@pytest.mark.parametrize(
    "command",
    [
        *READ_ONLY,
        *(
            "db upgrade",
            "db encryption",
            "db encrypt",
            "db forget-words --days 1",
            "round run",
            "round rollback",
        ),
        *("export --out games", "report --out report", "study report study.toml", "bot"),
    ],
)
def test_a_database_of_a_newer_version_is_said_and_left(
    command: str, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    path = make_database(empty_folder, "9999")
    (empty_folder / "study.toml").write_text(STUDY)
    monkeypatch.setenv("RESPECT_DISCORD__TOKEN", "any.token.atall")
    before = path.read_bytes()
    result = respect(*command.split())
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "revision 9999, which a newer version than this respect" in said
    assert "Traceback" not in said and "db upgrade" not in said
    assert path.read_bytes() == before


def test_what_is_stored_is_for_its_owner_alone(empty_folder: Path):
    path = make_database(empty_folder)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_version_is_said():
    assert re.fullmatch(r"respect \d+\.\d+\.\d+\S*\n", respect("--version").stdout)


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("RESPECT_ROUNDS__SCHEDULE", "every day", "rounds"),
        ("RESPECT_ROUNDS__HINDSIGHT", "luck", "rounds"),
        ("RESPECT_ROUNDS__SEED_GAMES", "nowhere.jsonl", "rounds"),
        ("RESPECT_FEEDBACK__MODEL", "nowhere/of.gguf", "rounds"),
        ("RESPECT_FEEDBACK__MODEL", "/nowhere/at/all", "rounds"),
        ("RESPECT_WEB__HOST", "203.0.113.7", "web page"),
        ("RESPECT_WEB__HOST", "a..b", "web page"),
        ("RESPECT_SERVICE__HOST", "0.0.0.0", "policy service"),
    ],
)
def test_the_doctor_finds_what_the_bot_or_a_round_would_refuse(
    name: str, value: str, check: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("RESPECT_POLICY__MODEL", "/nowhere")  # quicker than to load one
    found = diagnosis(respect("doctor", "--json"))[check]
    assert found["status"] == "failed"
    assert name in found["found"] + found["fix"]


def test_what_people_say_is_encrypted_and_deleted(empty_folder: Path, monkeypatch: pytest.MonkeyPatch):
    write(empty_folder / "games.jsonl", WON)
    assert respect("import", "games.jsonl", "--images", "classic").exit_code == 0
    assert error(respect("db", "encrypt")).endswith(
        "there is no key: set RESPECT_STORE__ENCRYPTION_KEY or RESPECT_STORE__ENCRYPTION_KEY_FILE."
    )
    assert respect("db", "key", "keys").stdout == "keys has 1 key, the new one first.\n"
    monkeypatch.setenv("RESPECT_STORE__ENCRYPTION_KEY_FILE", "keys")
    before = json.loads(respect("db", "encryption", "--json").stdout)
    assert before["plain"] > 2 and before["current"] == before["older"] == 0
    assert respect("db", "encrypt").stdout == f"{before['plain']} values were encrypted.\n"
    after = json.loads(respect("db", "encryption", "--json").stdout)
    assert after == {"current": before["plain"], "older": 0, "plain": 0}
    assert respect("db", "check").exit_code == 0

    monkeypatch.delenv("RESPECT_STORE__ENCRYPTION_KEY_FILE")
    assert json.loads(respect("db", "encryption", "--json").stdout)["older"] == before["plain"]
    assert "is encrypted: set RESPECT_STORE__ENCRYPTION_KEY" in error(respect("db", "check"))
    with contextlib.closing(sqlite3.connect("data/respect.db")) as database, database:
        database.execute("UPDATE game SET round = 0")  # reports leave imported games out
    assert "is encrypted: set RESPECT_STORE__ENCRYPTION_KEY" in error(respect("report", "--out", "report"))
    monkeypatch.setenv("RESPECT_STORE__ENCRYPTION_KEY", "hunter2")
    for command in ("db check", "db encrypt", "round history", "export --out out", "page"):
        said = error(respect(*command.split()))
        assert "is not a key: each line is one that `respect db key` made" in said and "hunter2" not in said

    monkeypatch.setenv("RESPECT_STORE__ENCRYPTION_KEY", (empty_folder / "keys").read_text())
    assert "Say with --days" in error(respect("db", "forget-words"))
    assert respect("db", "forget-words", "--days", "1").stdout.startswith("What was said in ")
    assert (empty_folder / "keys").read_text().count("\n") == 1
    monkeypatch.delenv("RESPECT_STORE__ENCRYPTION_KEY")
    assert "but no key is set" in respect("db", "encryption").stdout
    said = error(respect("db", "copy", "sqlite:///a.db", "postgresql://ada:se@kret/x@127.0.0.1:1/b"))
    assert "TO-URL: write %40 in place of an @" in said and "kret" not in said
    (empty_folder / "keys").write_text("hunter2\n")
    assert "keys was not changed: " in error(respect("db", "key", "keys"))
    assert "No such file" in error(respect("db", "key", "no/such/folder"))

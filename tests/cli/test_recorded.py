"""`respect evaluate` and `respect import` from the shell: one JSON object, or one sentence."""

import json
from pathlib import Path

import pytest
from sqlmodel import func, select
from typer.testing import CliRunner, Result

from cli.main import app
from learner.policy import Policy
from store.database import Database
from store.models import Game
from tests.research.recorded_games import BOARD, MIXED, WON, named_games, write


def respect(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("games") / "games.jsonl", *named_games(3), MIXED)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter in a folder, as `Policy.save_adapter` writes it."""
    policy = Policy.load("tiny", device="cpu")
    policy.new_adapter("mine", rank=2)
    for parameter in policy.trainable():
        parameter.data += 0.3
    folder = tmp_path_factory.mktemp("adapter")
    policy.save_adapter("mine", folder)
    return folder


def test_evaluate_prints_one_object(games: Path):
    result = respect("evaluate", games, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    shares = ("exact", "clicks", "their_clicks", "all_right", "their_all_right")
    assert set(found) == {"games", "turns", *shares, *(f"{share}_ci95" for share in shares)}
    assert (found["games"], found["turns"]) == (4, 15)
    assert found["their_all_right"] == (3 * 3 + 1) / 15
    for share in shares:
        low, high = found[f"{share}_ci95"]
        assert 0 <= low <= found[share] <= high <= 1


def test_evaluate_prints_a_table(games: Path):
    result = respect("evaluate", games)
    assert result.exit_code == 0, result.stderr
    assert "turns all right" in result.stdout and "15 turns of 4 games" in result.stdout
    assert "0.667" in result.stdout  # the logged listener's


def test_an_adapter_is_taken_from_a_folder(games: Path, adapter: Path):
    plain, adapted = (
        respect("evaluate", games, "--json"),
        respect("evaluate", games, "--json", "--adapter", adapter),
    )
    assert adapted.exit_code == 0, adapted.stderr
    ours, theirs = json.loads(plain.stdout), json.loads(adapted.stdout)
    assert ours["their_clicks"] == theirs["their_clicks"]
    assert ours["clicks"] != theirs["clicks"]


def complaint(result: Result) -> str:
    """The error message: one sentence, with nothing on standard output."""
    assert result.exit_code == 1
    assert not result.stdout
    assert "Traceback" not in result.stderr and result.stderr.strip().count("\n") == 0
    return result.stderr


def test_what_evaluate_cannot_use_is_named(games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(tmp_path))
    strange = write(tmp_path / "strange.jsonl", WON, WON | {"context": [*BOARD[:9], "page1-2.png"]})
    broken = write(tmp_path / "broken.jsonl", WON, "", "{")
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, said in (
        ((strange,), "Line 2: the image set classic has no figure 'page1-2.png'"),
        ((broken,), "Line 3 is not JSON"),
        ((tmp_path / "missing.jsonl",), "cannot be read"),
        ((games, "--images", "mine"), "Unknown image set 'mine'"),
        ((games, "--adapter", "round-0009-b-sup"), "There is no adapter 'round-0009-b-sup'"),
        ((games, "--adapter", empty), "empty"),
        ((games, "--policy", tmp_path / "nowhere"), "Cannot load the policy"),
    ):
        assert said in complaint(respect("evaluate", *arguments, "--json"))


def count(folder: Path) -> int:
    database = Database(f"sqlite:///{folder / 'respect.db'}")
    with database.session() as session:
        found = session.exec(select(func.count()).select_from(Game)).one()
    database.close()
    return found


def test_import_adds_a_file_once(games: Path, tmp_path: Path):
    first = respect("import", games, "--data-dir", tmp_path, "--json")
    assert first.exit_code == 0, first.stderr
    assert json.loads(first.stdout) == {
        "games": 4,
        "turns": 15,
        "players": 4,
        "known": 0,
        "without_clicks": 0,
        "judgements": 0,
        "known_judgements": 0,
        "judgements_without_turn": 0,
    }
    again = respect("import", games, "--data-dir", tmp_path)
    assert again.exit_code == 0, again.stderr
    assert "there already: 4" in again.stdout
    assert count(tmp_path) == 4


def test_a_bad_line_imports_nothing(games: Path, tmp_path: Path):
    respect("import", games, "--data-dir", tmp_path)
    bad = write(tmp_path / "bad.jsonl", WON, WON | {"chat": ["one"]})
    assert "Line 2: 1 utterances in `chat`" in complaint(respect("import", bad, "--data-dir", tmp_path))
    assert count(tmp_path) == 4


def test_a_deployment_that_cannot_be_written_is_named(games: Path, tmp_path: Path):
    (tmp_path / "respect.db").write_text("this is no database, however long it is read " * 100)
    assert "Nothing was imported" in complaint(respect("import", games, "--data-dir", tmp_path))

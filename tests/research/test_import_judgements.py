"""People's judgements of recorded turns: imported with their games, once, and the same in reports as where they were
made."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlmodel import select
from typer.testing import CliRunner, Result

from cli.main import app
from research.recorded import import_games, read_games
from research.report.measures import measure_deployment
from research.report.played import ReportError, open_source
from store.database import Database
from store.export import Format
from store.export.export import export
from store.export.pseudonyms import Pseudonyms
from store.human_eval import Judgement, judge
from store.migrations import upgrade
from store.models import Correctness, Feedback, Game, HumanEval, Origin, Satisfaction, Turn
from tests.postgres import database_url
from tests.research.recorded_games import BOARD, IMAGES, MIXED, WON, line, write

JUDGED = ("exact_match", "similarity", "correct", "partly_correct", "incorrect", "satisfied")
PAUSES = line(
    [[], [0], [0], [0, 1]],
    ["hello?", "the first", "are you there", "and the second", "well"],
    game_id="pauses",
)
"""Nothing is clicked in turns 0 and 2, counted from 0: their words are joined to those of turns 1 and 3."""


def judgement(turn: int, game_id: str = "pauses", **more: Any) -> dict[str, Any]:
    """A row of `human_eval` of a game in which each turn selects a figure: of turns 1 and 3, those of `PAUSES`."""
    return {
        "game_id": game_id,
        "turn_id": turn,
        "correctness": "correct",
        "feedback": "yes",
        "delta_clicks": [BOARD[0]],
        "selected": [BOARD[turn // 2]],
        "deselected": [],
        **more,
    }


def folder_of(path: Path, games: list[Any], judgements: list[Any]) -> Path:
    (path / "data").mkdir(parents=True, exist_ok=True)
    write(path / "data" / "interaction.jsonl", *games)
    write(path / "data" / "human_eval.jsonl", *judgements)
    return path


def respect(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a deployment whose store is empty."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", database_url(home))
    return home


def add(folder: Path) -> dict[str, int]:
    """Import into the store of the settings."""
    result = respect("import", folder, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def stored() -> list[tuple[Any, ...]]:
    """(words of the turn, rater, correctness, feedback, right clicks) of every judgement."""
    database = Database(os.environ["RESPECT_STORE__DATABASE_URL"])
    with database.session() as session:
        rows = session.exec(select(HumanEval, Turn.utterance).join(Turn).order_by("id")).all()
        found = [
            (said, row.rater, str(row.correctness), row.feedback and str(row.feedback), row.right_clicks)
            for row, said in rows
        ]
    database.close()
    return found


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of games of rounds 0 and 2, of which turns are judged and decoded, and its exports."""
    folder = tmp_path_factory.mktemp("played")
    database = Database(database_url(folder))
    upgrade(database)
    with database.session() as session:
        import_games(session, read_games(write(folder / "games.jsonl", WON, MIXED), IMAGES), IMAGES)
        for game in session.exec(select(Game)).all():  # as if they had been played here
            game.origin, game.recorded_round = Origin.LOCAL, None
            game.round = 0 if game.outcome == "won" else 2
        turns = {turn.utterance: turn.id for turn in session.exec(select(Turn)) if turn.id is not None}
        yes, no = Satisfaction.YES, Satisfaction.NO
        for said, rater, correctness, satisfied, right in (
            ("the first", "Ada", Correctness.CORRECT, yes, [0]),
            ("the first", "Bea", Correctness.PARTLY, Satisfaction.PARTLY, [0, 1]),
            ("good. the third", "Ada", Correctness.CORRECT, None, [2]),
            ("one", "Ada", Correctness.INCORRECT, no, [7]),
            ("no, two", "Bea", Correctness.CORRECT, yes, [0, 5]),
        ):
            figures = [BOARD[place] for place in right]
            judge(session, turns[said], Judgement(rater, correctness, satisfied, figures))
        for said in ("the first", "one", "no, two"):
            verdict = {"decoder": "theirs", "version": "1", "scheme": "binary", "label": 1, "confidence": 1}
            session.add(Feedback(turn_id=turns[said], **verdict))
    for kind in Format:
        export(database, folder / kind, Pseudonyms(b"0" * 64), kind)
    database.close()
    return folder


@pytest.mark.parametrize("kind", Format)
def test_reports_say_the_same_of_judgements_that_were_exported_and_imported(
    kind: Format, played: Path, home: Path
):
    counts = add(played / kind)
    assert (counts["games"], counts["judgements"], counts["judgements_without_turn"]) == (2, 5, 0)
    here, there = (
        [
            (row.number, row.interactions, row.judgements, [row.estimates[name] for name in JUDGED])
            for row in measure_deployment("x", games).rounds
        ]
        for games in (open_source(database_url(played)), open_source(database_url(home), imported=True))
    )
    assert there == here
    assert [row[:3] for row in there] == [(0, 1, 3), (2, 1, 2)]
    assert [estimate.value for estimate in there[1][3]] == [1 / 2, 1 / 2, 1 / 2, 0, 1 / 2, 1 / 2]
    database = Database(database_url(home))
    with database.session() as session:
        assert {game.round for game in session.exec(select(Game))} == {-1}
        assert session.exec(select(Feedback)).all() == []
    database.close()


def test_turns_are_found_where_others_were_joined_to_them(home: Path, tmp_path: Path):
    rows = [judgement(3, feedback=None), judgement(1), judgement(0), judgement(4), judgement(1, "another")]
    result = respect("import", folder_of(tmp_path / "games", [PAUSES, WON], rows))
    assert result.exit_code == 0, result.stderr
    assert " ".join(result.stdout.split()).endswith(
        "Judgements of turns (table human_eval): 2 imported, 0 there already. Judgements left out: 3. "
        "Their turn is not in the folder's games, or nothing was clicked in it."
    )
    assert stored() == [
        ("hello? the first", "imported", "correct", "yes", [BOARD[0]]),
        ("are you there. and the second", "imported", "correct", None, [BOARD[0]]),
    ]


def test_a_judgement_is_imported_once_and_those_of_several_people_are_told_apart(home: Path, tmp_path: Path):
    rows = [judgement(1), judgement(1), judgement(1, correctness="incorrect")]
    folder = folder_of(tmp_path / "games", [PAUSES], rows)
    assert add(folder)["judgements"] == 3
    before = stored()
    assert [row[1:3] for row in before] == [
        ("imported", "correct"), ("imported 2", "correct"), ("imported 3", "incorrect")
    ]  # fmt: skip
    again = add(folder)
    assert (again["games"], again["known"], again["judgements"], again["known_judgements"]) == (0, 1, 0, 3)
    assert stored() == before
    more = [judgement(1, feedback="no"), *rows[1:], judgement(3)]
    assert add(folder_of(tmp_path / "more", [PAUSES], more))["judgements"] == 2
    assert [row[:4] for row in stored()[3:]] == [
        ("hello? the first", "imported 4", "correct", "no"),
        ("are you there. and the second", "imported", "correct", "yes"),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (judgement(1, correctness="wrong"), "Line 2: `correctness`: Input should be 'correct', 'partially_"),
        (judgement(1, feedback="maybe"), "Line 2: `feedback`: Input should be 'yes', 'no', 'incorrect_"),
        (judgement(1, turn_id="first"), "Line 2: `turn_id`: Input should be a valid integer"),
        (judgement(1, delta_clicks=["page1-0.png"]), "Line 2: the image set classic has no figure 'page1-0"),
        (judgement(1, delta_clicks=[IMAGES.ids[10]]), "which is not on the game's board"),
        (
            judgement(3, turn_id=1),
            "Line 2: `selected` and `deselected` are not what was clicked in turn 1 of",
        ),
        (judgement(1, "g"), "Line 2: 2 different games have the id 'g'"),
        ("{", "Line 2 is not JSON"),
    ],
)
def test_a_judgement_that_cannot_be_used_is_named_and_nothing_is_imported(
    row: Any, says: str, home: Path, tmp_path: Path
):
    games = [PAUSES, WON, MIXED | {"game_id": "g"}]
    folder = folder_of(tmp_path / "games", games, [judgement(1), row])
    result = respect("import", folder)
    said = result.stderr.replace("\n", "")
    assert result.exit_code == 1 and not result.stdout and "Traceback" not in said
    assert f"{folder}/data/human_eval.jsonl: " in said and says in said
    upgrade(database := Database(database_url(home)))
    with database.session() as session:
        assert session.exec(select(Game)).all() == []
    database.close()


def test_a_folder_laid_out_as_the_published_one(home: Path, tmp_path: Path):
    """A folder for each table, figures named by their files, and "no" for an action that was not correct."""

    def published(figures: list[str]) -> list[str]:
        return [f"{figure}.png" for figure in figures]

    clicks = [published(selection) for selection in PAUSES["clicks"]]
    board, targets = published(BOARD), published(PAUSES["targets"])
    game = PAUSES | {"context": board, "targets": targets, "clicks": clicks, "round": 4}
    row = judgement(1, selected=[board[0]], delta_clicks=[board[2], board[1]], correctness="no")
    for table, content in (("interaction", game), ("human_eval", row)):
        (tmp_path / table).mkdir()
        pq.write_table(pa.Table.from_pylist([content]), tmp_path / table / "train-00000-of-00001.parquet")
    assert add(tmp_path)["judgements"] == 1
    assert stored() == [("hello? the first", "imported", "incorrect", "yes", [BOARD[1], BOARD[2]])]
    for games in (open_source(database_url(home), imported=True), open_source(str(tmp_path))):
        (found,) = games
        assert found.round == 4
        assert [one.similarity for turn in found.turns for one in turn.judged] == [0]


def test_a_report_of_imported_games_is_asked_for(home: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    upgrade(empty := Database(database_url(other)))
    empty.close()
    add(folder_of(tmp_path / "games", [PAUSES], [judgement(1)]))
    for arguments, says in (
        ((), "(those that were imported do not count; --imported has them)"),
        (("--imported", "--compare", database_url(other)), f"{empty.url} has no finished game yet"),
        (("--imported", "--file", tmp_path / "games"), "give neither --file nor --study"),
    ):
        result = respect("report", "--out", tmp_path / "out", *arguments)
        said = " ".join(result.stderr.split())
        assert result.exit_code == 1 and says.replace(" ", "") in said.replace(" ", ""), said
    with pytest.raises(ReportError, match="has no imported game: import some"):
        open_source(database_url(other), imported=True)


@pytest.mark.parametrize("damage", ["long", "escape", "cut"])
def test_damaged_files_are_refused_in_a_short_sentence(home: Path, tmp_path: Path, damage: str):
    folder = folder_of(tmp_path / "games", [PAUSES], [judgement(1)])
    table = next((folder / "data").glob("human_eval.*"))
    match damage:
        case "long":
            table.unlink()
            (folder / "data" / "human_eval.csv").write_text(
                f"game_id,turn_id,correctness\n{'a' * 200_000},1,yes\n"
            )
        case "escape":
            table.write_text(table.read_text().replace(BOARD[0], "\\u001b[2J" + "x" * 5_000))
        case "cut":
            table.unlink()
            (folder / "data" / "human_eval.parquet").write_bytes(b"PAR1" + bytes(200) + b"PAR1")
    result = respect("import", folder)
    assert result.exit_code == 1
    assert "Error:" in result.stderr and "human_eval" in result.stderr and "Traceback" not in result.stderr
    assert len(result.stderr) < 1_500 and "\x1b[2J" not in result.stderr and "None" not in result.stderr

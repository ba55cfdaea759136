"""Evaluation of decoders: numbers counted by hand, games of people if available, and bad files."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.feedback import app
from learner.feedback import open_decoder
from learner.feedback.evaluate import evaluate, labelled_exchanges, read_interactions

HUMAN_GAMES = Path(
    os.environ.get(
        "RESPECT_TEST_INTERACTIONS",
        Path(__file__).parents[4] / "shared/data/respect/interactions-dev.jsonl",
    )
)

BOARD = [f"figure-{i}" for i in range(10)]
GAME = {
    "game_id": "g",
    "turn": 6,
    "end": "successful",
    "speaker": "s",
    "targets": BOARD[:3],
    "context": BOARD,
    "clicks": [
        BOARD[:1],  # +1: a target; then praised
        [BOARD[0], BOARD[5]],  # -1: no target; then rejected
        [BOARD[0], BOARD[6]],  # 0: deselects the wrong one, selects another wrong one; then rejected
        [BOARD[0]],  # +1: deselects the wrong one; then no feedback, which is read as acceptance
        [BOARD[0]],  # no click: not counted
        [BOARD[0], BOARD[1]],  # +1: a target; then rejected by mistake
        BOARD[:3],  # no next utterance: not counted
    ],
    "chat": ["the duck", "yes, the boat", "no, the ship", "no, undo that", "the boat", "boat", "no, the hat"],
}


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines))
    return path


def test_references_follow_the_clicks(tmp_path: Path):
    (game,) = read_interactions(write(tmp_path / "games.jsonl", GAME))
    labelled = list(labelled_exchanges(game))
    assert [reference for reference, _ in labelled] == [1, -1, 0, 1, 1]
    assert [exchange.action for _, exchange in labelled] == [
        "select A",
        "select F",
        "deselect F select G",
        "deselect G",
        "select B",
    ]
    assert labelled[1][1].change.after == {BOARD[0], BOARD[5]}
    assert labelled[4][1].previous_action == ""


@pytest.mark.parametrize(("scheme", "negative_precision", "accuracy"), [("binary", 2 / 3, 4 / 5)])
def test_figures_are_those_counted_by_hand(
    tmp_path: Path, scheme: str, negative_precision: float, accuracy: float
):
    scores = evaluate(read_interactions(write(tmp_path / "g.jsonl", GAME)), open_decoder("rules", scheme))
    assert scores.turns == 5
    assert (scores.positive_precision, scores.positive_recall) == (1.0, pytest.approx(2 / 3))
    assert (scores.negative_precision, scores.negative_recall) == (pytest.approx(negative_precision), 1.0)
    assert scores.accuracy == pytest.approx(accuracy)
    assert scores.confusion == {
        "positive": {"positive": 2, "negative": 1},
        "neutral": {"positive": 0, "negative": 1},
        "negative": {"positive": 0, "negative": 1},
    }


def test_ternary_figures_take_neutral_for_itself(tmp_path: Path):
    scores = evaluate(read_interactions(write(tmp_path / "g.jsonl", GAME)), open_decoder("rules", "ternary"))
    assert scores.negative_precision == pytest.approx(1 / 3)
    assert scores.accuracy == pytest.approx(3 / 5)
    assert scores.confusion["neutral"] == {"positive": 0, "neutral": 0, "negative": 1}


def test_a_share_of_nothing_is_null(tmp_path: Path):
    one_turn = GAME | {"clicks": GAME["clicks"][:1], "chat": ["the duck"]}
    result = CliRunner().invoke(app, ["evaluate", str(write(tmp_path / "g.jsonl", one_turn)), "--json"])
    assert json.loads(result.stdout)["positive_precision"] is None


def test_json_is_one_object_on_standard_output(tmp_path: Path):
    path = write(tmp_path / "g.jsonl", GAME, "", GAME | {"chat": [*GAME["chat"], "thanks"]})
    result = CliRunner().invoke(app, ["evaluate", str(path), "--json"])
    assert result.exit_code == 0
    assert set(json.loads(result.stdout)) == {
        "turns",
        "positive_precision",
        "positive_recall",
        "negative_precision",
        "negative_recall",
        "accuracy",
        "confusion",
    }
    assert json.loads(result.stdout)["turns"] == 11


def test_people_get_a_table(tmp_path: Path):
    result = CliRunner().invoke(app, ["evaluate", str(write(tmp_path / "g.jsonl", GAME))])
    assert result.exit_code == 0
    assert "positive precision" in result.stdout and "1.000" in result.stdout


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "Line 2 is not JSON"),
        ("[1]", "Line 2 is no JSON object"),
        ({"chat": []}, "Line 2: `context`: Field required"),
        (GAME | {"chat": [1] * 7}, "Line 2: `chat.0`"),
        (GAME | {"chat": ["a"]}, "Line 2: 1 utterances in `chat` for 7 turns"),
        (GAME | {"targets": ["nowhere"]}, "`targets` names 'nowhere', which is not in `context`"),
        (GAME | {"context": BOARD[:9]}, "Line 2: `context` must name 10 different figures"),
        ("[" * 100_000, "Line 2 is not JSON"),
    ],
)
def test_a_bad_line_is_named_with_what_to_fix(tmp_path: Path, line: object, complaint: str):
    result = CliRunner().invoke(app, ["evaluate", str(write(tmp_path / "g.jsonl", GAME, line)), "--json"])
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert not result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("figures", "targets", "game"), [(6, 1, "pick"), (10, 1, "pick"), (10, 3, "multiref")]
)
def test_the_game_of_a_published_row_is_told_by_its_shape(
    tmp_path: Path, figures: int, targets: int, game: str
):
    row = {"context": BOARD[:figures], "targets": BOARD[:targets], "clicks": [BOARD[:1]], "chat": ["a boat"]}
    (found,) = read_interactions(write(tmp_path / "games.jsonl", row))
    assert found.game == game


def test_files_that_cannot_be_used_are_named(tmp_path: Path):
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, complaint in [
        (tmp_path / "missing.jsonl", "cannot be read"),
        (tmp_path, "has no table interaction"),
        (write(tmp_path / "empty.jsonl"), "holds no interaction"),
        (write(tmp_path / "lines.parquet", GAME), "not Parquet"),
        (write(tmp_path / "lines.csv", "chat,clicks", "a boat,[]"), "Line 1: a list is not JSON"),
        (binary, "not UTF-8"),
    ]:
        result = CliRunner().invoke(app, ["evaluate", str(path)])
        assert result.exit_code == 1
        assert complaint in result.stderr


@pytest.mark.skipif(
    not HUMAN_GAMES.is_file(), reason="no human games here: set RESPECT_TEST_INTERACTIONS to a file of them"
)
@pytest.mark.parametrize("scheme", ["binary", "ternary"])
def test_positives_are_right_in_human_games(scheme: str):
    scores = evaluate(read_interactions(HUMAN_GAMES), open_decoder("rules", scheme))
    assert scores.positive_precision is not None and scores.positive_precision >= 0.985
    assert scores.positive_recall is not None and scores.positive_recall >= 0.95

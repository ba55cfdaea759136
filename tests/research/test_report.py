"""Reports: numbers computed by hand, equal results from every source, and a page that escapes all text."""

import csv
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from cli.main import app
from games.figures import open_images
from research.recorded import read_games
from research.report.curve import label_axes
from research.report.measures import RESET, differences, measure_deployment, words
from research.report.played import ReportError, open_source
from sim.bench.store import generate
from store.database import Database
from store.export import Format
from store.export.export import export
from store.export.pseudonyms import Pseudonyms
from store.migrations import upgrade
from store.models import Origin
from tests.postgres import database_url
from tests.research.recorded_games import WON, write

GAMES = Path(
    os.environ.get(
        "RESPECT_TEST_INTERACTIONS",
        Path(__file__).parents[3] / "shared/data/respect/interactions-dev.jsonl",
    )
)
needs_games = pytest.mark.skipif(not GAMES.is_file(), reason="the 111 games of people are not here")

BOARD = [f"f{i}" for i in range(10)]


def line(clicks: list[list[str]], chat: list[str], **others: object) -> str:
    return json.dumps({"context": BOARD, "targets": BOARD[:3], "clicks": clicks, "chat": chat, **others})


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Three games in two rounds."""
    path = tmp_path / "small.jsonl"
    path.write_text(
        "\n".join(
            [
                # round 0: two turns, 3 of 4 clicks right, then won
                line(
                    [["f0", "f9"], ["f0", "f1", "f2"]],
                    ["a swan and a boat", "no, try again"],
                    round=0,
                    speaker="a",
                    end="successful",
                ),
                # round 0: one turn of one wrong click, lost
                line([["f9"]], ["Start over: a boat!"], round=0, speaker="b", end="unsuccessful"),
                # round 1: won at once
                line([["f0", "f1", "f2"]], ["a swan"], round=1, speaker="a"),
            ]
        )
    )
    return path


def test_the_numbers_of_three_games_by_hand(small: Path):
    deployment = measure_deployment("small", open_source(str(small)))
    first, second = deployment.rounds
    assert (first.interactions, first.cumulative, second.interactions, second.cumulative) == (2, 2, 1, 3)
    value = {name: estimate.value for name, estimate in first.estimates.items() if estimate.value is not None}
    assert value == pytest.approx(
        {
            "success": 1 / 2,
            "turns": 3 / 2,
            "click_accuracy": 4 / 6,  # f0 | -f9 +f1 +f2 of 5 clicks, and none of 1
            "right_turns": 1 / 3,
            "positive_feedback": 0,  # "no, try again" is the only one that was followed by words
            "utterance_length": (5 + 3 + 4) / 3,
            "resets": 1 / 3,
            "try_again": 1 / 3,
        }
    )
    assert second.estimates["positive_feedback"].value is None  # nothing was decoded
    assert first.vocabulary == len({"a", "swan", "and", "boat", "no", "try", "again", "start", "over"})
    assert {cell: count for cell, count in first.confusion.items() if count} == {(0, -1): 1}
    assert [(row.player, row.messages, row.mean) for row in deployment.players] == [
        (1, 3, pytest.approx(10 / 3)),
        (2, 1, 4),
    ]


@needs_games
def test_the_numbers_of_111_games_of_people_by_hand():
    won = turns = right = clicks = said = 0
    vocabulary: set[str] = set()
    rows = [json.loads(text) for text in GAMES.read_text().splitlines()]
    for row in rows:
        won += row["end"] == "successful"
        turns += row["turn"]
        before: set[str] = set()
        for board, utterance in zip(row["clicks"], row["chat"], strict=False):
            after = set(board)
            for figure in after ^ before:
                clicks += 1
                right += (figure in after) == (figure in row["targets"])
            before = after
            tokens = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", utterance.lower())
            said += len(tokens)
            vocabulary |= set(tokens)
    deployment = measure_deployment("people", open_source(str(GAMES)))
    (only,) = deployment.rounds
    assert only.interactions == len(rows) == 111
    assert only.estimates["success"].value == won / 111
    assert only.estimates["turns"].value == turns / 111
    assert only.estimates["click_accuracy"].value == right / clicks
    assert only.estimates["utterance_length"].value == said / turns
    assert only.vocabulary == len(vocabulary)
    assert len(deployment.players) == len({row["speaker"] for row in rows})
    low, high = only.estimates["success"].low, only.estimates["success"].high
    spread = 1.96 * np.sqrt(won / 111 * (1 - won / 111) / 111)
    assert low == pytest.approx(won / 111 - spread, abs=0.02)
    assert high == pytest.approx(won / 111 + spread, abs=0.02)


def test_a_ratio_is_resampled_by_games_not_by_turns(tmp_path: Path):
    """Intervals resample games, not turns: with two games the interval reaches both extremes."""
    path = tmp_path / "two.jsonl"
    path.write_text(line([["f0"]], ["x"]) + "\n" + line([["f9"], ["f9", "f8"]], ["x", "y"]) + "\n")
    estimate = measure_deployment("two", open_source(str(path))).rounds[0].estimates["click_accuracy"]
    assert (estimate.value, estimate.low, estimate.high) == (pytest.approx(1 / 3), 0.0, 1.0)


def test_the_same_games_from_database_export_and_file(tmp_path: Path):
    database = Database(database_url(tmp_path))
    upgrade(database)
    generate(database, 600, origins={Origin.SIMULATED: 1.0})
    for kind in Format:
        export(database, tmp_path / kind, Pseudonyms(b"0" * 64), kind)
    database.close()
    kinds = ["success", "turns", "click_accuracy", "right_turns", "utterance_length", "try_again"]
    wanted = None
    for source in (
        database_url(tmp_path),
        *(tmp_path / kind for kind in Format),
        tmp_path / "jsonl/data/interaction.jsonl",
    ):
        found = [
            (row.interactions, row.vocabulary, *(row.estimates[name].value for name in kinds))
            for row in measure_deployment("x", open_source(str(source))).rounds
        ]
        wanted = wanted or found
        assert len(found) == len(wanted)
        for ours, theirs in zip(found, wanted, strict=True):
            assert ours == pytest.approx(theirs), source
    assert wanted is not None and sum(row[0] for row in wanted) > 50
    imported, *others = (read_games(tmp_path / kind, open_images("classic")) for kind in Format)
    assert len(imported) == sum(row[0] for row in wanted) and all(other == imported for other in others)


def test_verdicts_are_those_of_the_folder(tmp_path: Path):
    """The rules decoder takes all three answers for praise; the folder has other verdicts."""
    folder = tmp_path / "games"
    (folder / "data").mkdir(parents=True)
    write(folder / "data" / "interaction.jsonl", WON)

    def positive() -> float | None:
        return (
            measure_deployment("x", open_source(str(folder))).rounds[0].estimates["positive_feedback"].value
        )

    assert positive() == 1.0
    rows = [{"game_turn_id": "g_0", "predictions": -1}, {"game_turn_id": "g_1", "predictions": 1}]
    write(folder / "data" / "feedback_decoder_binary.jsonl", *rows)
    assert positive() == pytest.approx(1 / 3)
    assert [turn.decoded for turn in open_source(str(folder))[0].turns] == [-1, 1, None]
    (folder / "data" / "feedback_decoder_binary.jsonl").unlink()
    (folder / "data" / "feedback_decoder_binary.csv").write_text("game_turn_id,predictions\ng_0,-1\n")
    assert positive() == 0.0
    (folder / "data" / "feedback_decoder_binary.csv").write_text("game_turn_id,predictions\ng_0,maybe\n")
    with pytest.raises(ReportError, match="Line 1: `predictions`"):
        positive()


def test_the_difference_of_two_deployments_has_an_interval(small: Path, tmp_path: Path):
    lost = tmp_path / "lost.jsonl"
    lost.write_text("\n".join([line([["f9"]], ["a boat"], round=0)] * 2))
    ours, theirs = (
        measure_deployment(str(seed), open_source(str(path)), seed) for seed, path in enumerate((small, lost))
    )
    found = {row.measure: row for row in differences(ours, theirs)}
    assert {row.round for row in found.values()} == {0}  # the only round that both have
    success = found["success"]
    assert (success.value, success.low, success.high) == (-0.5, -1.0, 0.0)
    assert "positive_feedback" not in found


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_folder_holds_figures_numbers_and_a_page_of_its_own(small: Path, tmp_path: Path):
    hostile = tmp_path / "<img src=x onerror=alert(1)>.jsonl"
    hostile.write_text(small.read_text())
    result = CliRunner().invoke(
        app,
        ["report", "--out", str(tmp_path / "out"), "--file", str(hostile), "--json"],
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[hostile.stem][0]["success"] == 0.5
    files = {path.name for path in (tmp_path / "out").iterdir()}
    for name in ("success", "turns", "click_accuracy", "feedback", "language", "confusion", "message_length"):
        assert {f"{name}.png", f"{name}.svg", f"{name}.csv"} <= files
    assert not files & {"judged.csv", "judged.png", "decoder_and_people.csv"}
    text = (tmp_path / "out" / "report.html").read_text()
    assert (
        "No turn has been judged by a person, so exact match, similarity and correctness are not drawn."
        in text
    )
    page = _Page()
    page.feed(text)
    assert "onerror=alert(1)&gt;" in text
    assert not [attributes for _, attributes in page.tags if "onerror" in attributes]
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe")]
    pictures = [attributes for tag, attributes in page.tags if tag in ("img", "source")]
    for attributes in pictures:
        address = attributes.get("src") or attributes["srcset"]
        assert address and address.startswith("data:image/svg+xml;base64,")
    assert all(attributes["alt"] for tag, attributes in page.tags if tag == "img")
    with (tmp_path / "out" / "success.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["round"], first["interactions"], first["success"]) == ("0", "2", "0.5")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("nowhere.jsonl", "is no source of games"),
        ("sqlite:///{folder}/new/none.db", "could not be read"),
        ("mysql://ada:secret@127.0.0.1:1/games", "^mysql://…: this is no URL of a database"),
        ("https://example.org/games.jsonl", "this is no URL of a database"),
    ],
)
def test_a_source_that_cannot_be_used_is_explained(tmp_path: Path, source: str, says: str):
    with pytest.raises(ReportError, match=says):
        open_source(source.format(folder=tmp_path))


def test_a_database_without_finished_games_says_so(tmp_path: Path):
    database = Database(database_url(tmp_path))
    upgrade(database)
    database.close()
    with pytest.raises(
        ReportError, match=r"no finished game yet \(those that were imported do not count; --imp"
    ):
        open_source(database_url(tmp_path))


@pytest.mark.parametrize(
    ("said", "is_reset"),
    [
        ("Start over please", True),
        ("deselect all of them", True),
        ("unselect everything", True),
        ("clear the board", True),
        ("deselect the boat", False),
        ("all of them look like birds", False),
    ],
)
def test_what_counts_as_a_reset(said: str, is_reset: bool):
    assert bool(RESET.search(said)) == is_reset


def test_words_are_those_of_people():
    assert words("We can't see HIS tail -- no_go, café!") == [
        "we",
        "can't",
        "see",
        "his",
        "tail",
        "no",
        "go",
        "café",
    ]


@pytest.mark.parametrize("rounds", [[0], [0, 1], [0, 1, 2]])
def test_rounds_are_whole_numbers_on_the_axis_however_few_there_are(rounds: list[int]):
    axes = Figure().subplots()
    axes.plot(rounds, [0.5] * len(rounds), "o")
    label_axes(axes, "Success", "round", "share")
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == rounds

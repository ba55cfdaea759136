"""Reports of turns that people judged, and of the arms of a study side by side: numbers computed by hand, equal from a
database and from its export."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from games.core import Outcome
from research.report.measures import differences, measure_deployment
from research.report.played import Arm, ReportError, open_source
from store.database import Database
from store.export import Format
from store.export.export import export
from store.export.pseudonyms import Pseudonyms
from store.human_eval import Judgement, judge
from store.migrations import upgrade
from store.models import Correctness, Feedback, Game, Origin, Player, Satisfaction, Turn
from store.study_tables import Assignment
from tests.postgres import database_url

BOARD = [f"f{i}" for i in range(10)]
ARMS = ["--study", "newest-or-base", "--arm", "newest", "--arm", "control"]
NO, GREAT = "no, not the boat", "great, and now the cat and the hat"


def add_game(database: Database, game_id: str, second: str, arm: str | None, outcome: Outcome) -> None:
    """A game of two turns: f0 and f3 are selected; then f3 is deselected and f1 and f2 are selected, the targets."""
    with database.session() as session:
        session.add(
            Game(
                id=game_id, game="multiref", images="classic", speaker=BOARD, listener=BOARD, targets=BOARD[:3],
                player_id=1, origin=Origin.LOCAL, adapter="base", base_model="b", outcome=outcome,
            )
        )  # fmt: skip
        session.flush()
        for number, said, before, action, after in (
            (1, "a swan and a boat", "", "select A D", "A D"),
            (2, second, "A D", "deselect D select B C", "A B C"),
        ):
            session.add(
                Turn(
                    game_id=game_id, number=number, utterance=said, state_before=before, action=action,
                    state_after=after, adapter="base", base_model="b", seconds=0.1,
                )
            )  # fmt: skip
        if arm:
            session.add(
                Assignment(
                    game_id=game_id, study="newest-or-base", study_hash="h", arm=arm, adapter="base",
                    probability=0.5, seed=1, eligible_arms=["control", "newest"],
                )
            )  # fmt: skip


def turn_of(database: Database, game_id: str, number: int) -> int:
    with database.session() as session:
        found = session.query(Turn).filter_by(game_id=game_id, number=number).one()
        assert found.id is not None
        return found.id


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database and its exports. Two games of the arm newest and one of control are judged."""
    folder = tmp_path_factory.mktemp("study")
    database = Database(database_url(folder))
    upgrade(database)
    with database.session() as session:
        session.add(Player(id=1, platform=Origin.LOCAL, external_id="1", name="Ada"))
    won, lost = Outcome.WON, Outcome.GIVEN_UP
    for game in (
        ("new_1", NO, "newest", won), ("new-2", GREAT, "newest", lost), ("old-1", NO, "control", lost),
        ("old-2", NO, "control", Outcome.OPEN), ("usual", GREAT, None, won),
    ):  # fmt: skip
        add_game(database, *game)
    with database.session() as session:
        for game_id, label in (("new_1", -1), ("new-2", 1)):
            turn_id = turn_of(database, game_id, 1)
            session.add(
                Feedback(
                    turn_id=turn_id, decoder="rules", version="1", scheme="binary", label=label, confidence=1
                )
            )
        for game_id, number, rater, correctness, satisfied, right in (
            ("new_1", 1, "x", Correctness.PARTLY, Satisfaction.NO, ["f0"]),
            ("new_1", 1, "y", Correctness.CORRECT, Satisfaction.PARTLY, ["f0", "f3"]),
            ("new_1", 2, "x", Correctness.CORRECT, None, ["f1", "f2", "f3"]),
            ("new-2", 1, "x", Correctness.INCORRECT, Satisfaction.NO, ["f5"]),
            ("old-1", 2, "x", Correctness.PARTLY, None, ["f1", "f2", "f4", "f5"]),
        ):
            judge(
                session, turn_of(database, game_id, number), Judgement(rater, correctness, satisfied, right)
            )
    for kind in Format:
        export(database, folder / kind, Pseudonyms(b"0" * 64), kind)
    database.close()
    return folder


def sources(study: Path) -> list[str]:
    return [database_url(study), *(str(study / kind) for kind in Format)]


def test_judged_turns_of_two_arms_by_hand_from_every_source(study: Path):
    wanted = {
        "success": 1 / 2,
        "exact_match": 2 / 4,
        "similarity": (1 / 2 + 1 + 1 + 0) / 4,
        "correct": 2 / 4,
        "partly_correct": 1 / 4,
        "incorrect": 1 / 4,
        "satisfied": 1 / 3,  # of the first turns' three
        "decoder_agreement": 1 / 3,  # y is satisfied after a "no", and x not after a "great"
        "decoder_precision": 0,
    }
    for source in sources(study):
        newest, control = (
            measure_deployment(name, open_source(source, Arm("newest-or-base", name)), seed)
            for seed, name in enumerate(("newest", "control"))
        )
        games = (newest.interactions, control.interactions)  # neither the open one nor the usual one
        assert games == (2, 1), source
        found = newest.rounds[0].estimates
        assert {name: found[name].value for name in wanted} == pytest.approx(wanted), source
        # Two games are resampled: with new_1 alone 2 of 3 match, with new-2 alone none does.
        assert (found["exact_match"].low, found["exact_match"].high) == pytest.approx((0, 2 / 3)), source
        assert control.rounds[0].estimates["similarity"].value == 2 / 5  # f1 and f2 of f1 to f5
        assert not control.has("satisfied") and not control.has("decoder_agreement")
        rise = {row.measure: row for row in differences(newest, control)}["exact_match"]
        assert (rise.value, rise.low, rise.high) == pytest.approx((-1 / 2, -2 / 3, 0)), source


def report(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments], env={"COLUMNS": "300", **environment})


def test_two_arms_are_side_by_side_in_every_figure(study: Path, tmp_path: Path):
    out = tmp_path / "out"
    result = report("--out", str(out), *ARMS, "--json", RESPECT_STORE__DATABASE_URL=database_url(study))
    assert result.exit_code == 0, result.output
    assert [rounds[0]["exact_match"] for rounds in json.loads(result.stdout).values()] == [1 / 2, 0]
    tables = {path.stem: list(csv.DictReader(path.open(newline=""))) for path in out.glob("*.csv")}
    assert (
        {"judged", "decoder_and_people"}
        < {path.stem for path in out.glob("*.svg")}
        == tables.keys() - {"differences"}
    )
    for name in tables.keys() - {"differences"}:
        assert {row["deployment"] for row in tables[name]} == {"newest", "control"}, name
    shown = ("judgements", "similarity", "satisfied_high")
    assert [[row[name] for name in shown] for row in tables["judged"]] == [
        ["4", "0.625", "0.5"],
        ["1", "0.4", ""],
    ]
    exact = next(row for row in tables["differences"] if row["measure"] == "exact_match")
    assert (exact["round"], exact["difference"]) == ("0", "-0.5")
    page = (out / "report.html").read_text()
    assert "control minus newest" in page and "Turns judged by people" in page and "No turn has" not in page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--study", "other", "--arm", "newest"],
            "has no game of the study other; its studies are newest-or-base",
        ),
        (["--study", "newest-or-base", "--arm", "new"], "are control, newest: name them with --arm"),
        (["--study", "newest-or-base"], "--study and --arm go together"),
        (["--arm", "newest"], "--study and --arm go together"),
        (
            [*["--study", "newest-or-base"], *["--arm", "newest"] * 3],
            "A report shows two sources side by side",
        ),
        ([*ARMS, "--compare", "other.jsonl"], "A report shows two sources side by side"),
        ([*ARMS[:4], "--compare", "other.jsonl"], "other.jsonl is no source of games"),
    ],
)
def test_wrong_arms_are_explained(study: Path, tmp_path: Path, arguments: list[str], says: str):
    for source in (["--file", str(study / "csv")], []):
        url = database_url(study)
        result = report("--out", str(tmp_path / "out"), *source, *arguments, RESPECT_STORE__DATABASE_URL=url)
        assert result.exit_code == 1 and says in result.stderr.replace("\n", " "), result.output


def test_a_file_of_interactions_has_no_arms_and_a_damaged_table_is_named(study: Path, tmp_path: Path):
    arm = Arm("newest-or-base", "newest")
    with pytest.raises(ReportError, match="does not say which arm a game is in: give an exported folder"):
        open_source(str(study / "jsonl/data/interaction.jsonl"), arm)
    (tmp_path / "data").mkdir()
    for name in ("MANIFEST.json", "data/interaction.jsonl", "data/human_eval.jsonl"):
        text = (study / "jsonl" / name).read_text()
        (tmp_path / name).write_text(text.replace('"incorrect"', '"wrong"'))
    with pytest.raises(
        ReportError, match="data/human_eval: Line 1: `correctness`: Input should be 'correct'"
    ):
        open_source(str(tmp_path))
    with pytest.raises(ReportError, match="The folder has no table assignment in data/"):
        open_source(str(tmp_path), arm)

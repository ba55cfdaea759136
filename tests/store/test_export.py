"""Exports of a real SQLite file: published columns, counts, consent, pseudonyms, and atomicity."""

import csv
import hashlib
import json
import stat
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlmodel import select
from typer.testing import CliRunner

from cli.main import app
from games.core import Difficulty, Outcome
from sim.bench.generated import generate
from store import games, players
from store.database import Database
from store.export import Format
from store.export import export as export_module
from store.export.export import ExportError, export
from store.export.pseudonyms import Pseudonyms, SecretError
from store.export.rows import game_turn_id, public_id
from store.export.tables import PUBLISHED, TABLES
from store.folder import FolderError
from store.models import (
    Adapter,
    AdapterTurn,
    ConsentKind,
    Feedback,
    Game,
    GameEvent,
    GameEventKind,
    Origin,
    PlayerTrust,
    Round,
    Turn,
    now,
)
from store.study_tables import Assignment, KeptStudy, QuizAnswer, SurveyAnswer
from tests.postgres import database_url

FIGURES = [f"figure-{i}" for i in range(10)]
SECRET = Pseudonyms(b"0" * 64)

PUBLISHED_COLUMNS = {
    "interaction": "game_id turn end|s comments|speaker len clicks context targets chat dataset_alias policy_name "
    "date round",
    "turn": "chats clicks targets game_id end context turn_id currently_selected deselected selected chat_feedback "
    "game_turn_id prob_action dataset_alias policy_name date round",
    "human_eval": "correctness feedback delta_clicks game_id turn_id round policy_name targets selected deselected "
    "context end currently_selected",
    "feedback_decoder_binary": "predictions labels game_turn_id text",
    "feedback_decoder_ternary": "predictions labels game_turn_id text",
}
"""The paper's data set, as its card lists it."""


async def played(
    database: Database,
    origin: Origin = Origin.LOCAL,
    who: str = "7",
    game_id: str = "g_1",
    ended: bool = True,
) -> Game:
    """A game of two turns, won unless it goes on."""
    async with database.async_session() as session:
        player = await players.player_of(session, origin, who, "Zoraida Quist")
        assert player.id is not None
        game = Game(
            id=game_id,
            game="multiref",
            images="classic",
            speaker=FIGURES[::-1],
            listener=FIGURES,
            targets=FIGURES[:3],
            player_id=player.id,
            origin=origin,
            adapter="round-0001-b-sup",
            base_model="tiny",
            round=1,
            started_at=now() - timedelta(hours=1),
        )
        session.add(game)
        await session.flush()
        for number, before, action, after, said in (
            (1, "", "select A D", "A D", "a swan\nand a boat"),
            (2, "A D", "deselect D select B C", "A B C", "no, <b>not</b> the boat"),
        ):
            session.add(
                Turn(
                    game_id=game.id,
                    number=number,
                    utterance=said,
                    state_before=before,
                    action=action,
                    state_after=after,
                    logp=-1.0,
                    adapter=game.adapter,
                    base_model="tiny",
                    seconds=0.5,
                    temperature=0.7,
                    seed=3,
                )
            )
        if ended:
            await games.end_game(session, game, Outcome.WON)
            game.ended_at = game.started_at + timedelta(seconds=90)
    return game


def decode(database: Database, label: int = -1) -> None:
    """A verdict of two decoders on every first turn; the second decoder is the newer one."""
    with database.session() as session:
        for turn in session.exec(select(Turn).where(Turn.number == 1)).all():
            assert turn.id is not None
            for decoder, said in (("old", 1), ("rules", label)):
                session.add(
                    Feedback(
                        turn_id=turn.id,
                        decoder=decoder,
                        version="1",
                        scheme="binary",
                        label=said,
                        confidence=0.9,
                        p_positive=0.1,
                        cue="no",
                    )
                )
            session.flush()


def rows(folder: Path, table: str) -> list[dict]:
    return pq.read_table(folder / "data" / f"{table}.parquet").to_pylist()


async def test_the_published_tables_have_exactly_the_published_columns(database: Database, tmp_path: Path):
    export(database, tmp_path / "out", SECRET)
    for table in PUBLISHED:
        names = PUBLISHED_COLUMNS[table.name].replace("|s comments|", " s_comments ").split()
        written = pq.read_schema(tmp_path / "out" / "data" / f"{table.name}.parquet")
        assert [name.replace(" ", "_") for name in written.names] == names
    turn = pq.read_schema(tmp_path / "out" / "data" / "turn.parquet")
    assert turn.field("turn_id").type == pa.int8() and turn.field("end").type == pa.int8()
    assert turn.field("clicks").type == pa.list_(pa.list_(pa.string()))
    assert turn.field("round").type == pa.int64() and turn.field("prob_action").type == pa.float64()


async def test_a_game_in_every_table(database: Database, tmp_path: Path):
    game = await played(database)
    decode(database)
    with database.session() as session:
        session.get_one(Game, game.id).difficulty = Difficulty.NEAR
        adapter = Adapter(
            name="round-0001-b-sup", base_model="tiny", system="b-sup", card={"training": {"epochs": 2}}
        )
        session.add(adapter)
        session.flush()
        (first, _) = session.exec(select(Turn).order_by("number")).all()
        assert adapter.id is not None and first.id is not None
        session.add(AdapterTurn(adapter_id=adapter.id, turn_id=first.id, reward=-0.1, weight=1.0))
        row = Round(number=1, system="b-sup", active=None)
        session.add(row)
        session.flush()
        assert row.id is not None and game.ended_at is not None
        trusted = {
            "trust": 0.8,
            "turns": 6.5,
            "naming": 1.25,
            "weight": 1.0,
            "quarantined": False,
            "capped": True,
        }
        session.add(PlayerTrust(round_id=row.id, player_id=game.player_id, **trusted))
        for kind, turn, text, at in (
            (GameEventKind.BOARD, None, None, game.started_at + timedelta(seconds=1)),
            (GameEventKind.EDITED, 1, None, now()),
            (GameEventKind.SAID_AFTER, None, "well <b>done</b>", game.ended_at + timedelta(seconds=5)),
        ):
            session.add(GameEvent(game_id=game.id, kind=kind, turn=turn, text=text, at=at))
    done = export(database, tmp_path / "out", SECRET)
    folder = tmp_path / "out"
    date = game.started_at.date().isoformat()
    speaker = SECRET.of("local", "7")
    shared = {"targets": FIGURES[:3], "dataset_alias": "D2", "policy_name": "round-0001-b-sup"} | {
        "context": FIGURES,
        "date": date,
        "round": 1,
        "game_id": "g%5F1",
    }
    assert rows(folder, "interaction") == [
        {
            **shared,
            "turn": 2,
            "end": "successful",
            "s comments": None,
            "speaker": speaker,
            "len": "1.500 mins",
            "clicks": [["figure-0", "figure-3"], ["figure-0", "figure-1", "figure-2"]],
            "chat": ["a swan\nand a boat", "no, <b>not</b> the boat"],
        }
    ]
    first, second = rows(folder, "turn")
    assert first == {
        **shared,
        "chats": ["a swan\nand a boat"],
        "clicks": [["figure-0", "figure-3"]],
        "end": 0,
        "turn_id": 0,
        "currently_selected": [],
        "deselected": [],
        "selected": ["figure-0", "figure-3"],
        "chat_feedback": "no, <b>not</b> the boat",
        "game_turn_id": "g%5F1_0",
        "prob_action": pytest.approx(0.367879, abs=1e-5),
    }
    assert second["clicks"] == [["figure-0", "figure-3"], ["figure-3", "figure-1", "figure-2"]]
    assert (second["end"], second["chat_feedback"], second["deselected"]) == (1, None, ["figure-3"])
    (verdict,) = rows(folder, "feedback_decoder_binary")
    assert (verdict["predictions"], verdict["labels"]) == (-1, -1)  # one of two clicks was wrong
    assert verdict["text"].endswith("next utterance: no, <b>not</b> the boat")
    assert done.manifest["decoders"] == {"binary": {"decoder": "rules", "version": "1"}}
    assert [row["kind"] for row in rows(folder, "event")] == [
        *["game_started", "board_shown", "game_ended", "said_after_end"],
        *["utterance", "action"] * 2,  # these turns have the times at which the test wrote them
        "edited",
    ]
    told = {row["kind"]: (row["turn_id"], row["text"]) for row in rows(folder, "event")}
    assert (told["board_shown"], told["edited"]) == ((None, None), (0, None))
    assert told["said_after_end"] == (None, "well <b>done</b>")
    assert rows(folder, "trust") == [{"speaker": speaker, "round": 1, **trusted}]
    meta = rows(folder, "turn_meta")[0]
    assert (meta["log_prob"], meta["temperature"], meta["seed"], meta["cue"]) == (-1.0, 0.7, 3, "no")
    assert meta["code_version"].startswith("0.")
    assert (meta["game"], meta["difficulty"]) == ("multiref", "near")
    (policy,) = rows(folder, "policy")
    assert (policy["temperature"], policy["training"]) == (0.7, '{"epochs": 2}')
    assert rows(folder, "policy_turn") == [
        {"policy_name": "round-0001-b-sup", "game_turn_id": "g%5F1_0", "reward": -0.1, "weight": 1.0}
    ]
    assert len(rows(folder, "shape")) == 232


@pytest.mark.parametrize("answers", [[], [False], [True], [True, False], [False, True]])
async def test_a_discord_game_is_exported_only_while_its_player_agrees(
    database: Database, tmp_path: Path, answers: list[bool]
):
    game = await played(database, Origin.DISCORD)
    async with database.async_session() as session:
        await players.give_consent(session, game.player_id, ConsentKind.TRAINING, True, "test")
        for answer in answers:
            await players.give_consent(session, game.player_id, ConsentKind.RESEARCH, answer, "test")
    done = export(database, tmp_path / "out", SECRET)
    agreed = bool(answers and answers[-1])
    assert done.rows["interaction"] == agreed
    reason = "played on Discord by somebody who has not opted in to research"
    assert done.left_out[reason] == (not agreed)
    if not agreed:
        assert all(done.rows[table.name] == 0 for table in TABLES if table.name != "policy")


async def test_an_open_game_is_left_out_and_counted(database: Database, tmp_path: Path):
    await played(database, game_id="open", ended=False)
    await played(database, game_id="ended")
    done = export(database, tmp_path / "out", SECRET)
    assert done.rows["interaction"] == 1
    assert done.left_out["not finished at the cutoff"] == 1


async def test_names_are_exported_only_on_request(database: Database, tmp_path: Path):
    await played(database, who="123456789")
    export(database, tmp_path / "plain", SECRET, Format.JSONL)
    export(database, tmp_path / "named", SECRET, Format.JSONL, personal=True)
    text = "".join(path.read_text() for path in (tmp_path / "plain").rglob("*") if path.is_file())
    assert "Zoraida" not in text and "123456789" not in text
    player = json.loads((tmp_path / "named" / "data" / "player.jsonl").read_text())
    assert (player["name"], player["speaker"]) == ("Zoraida Quist", SECRET.of("local", "123456789"))
    assert "do not publish" in (tmp_path / "named" / "README.md").read_text()


async def test_studies_are_exported_with_pseudonyms_of_those_who_agree(database: Database, tmp_path: Path):
    for who, game_id in (("7", "g_1"), ("8", "g_2")):
        game = await played(database, Origin.DISCORD, who, game_id)
        with database.session() as session:
            session.add(
                Assignment(
                    game_id=game.id, study="reading", study_hash="ab", arm="control", adapter="base",
                    probability=0.25, seed=2**53 - 1, eligible_arms=["learning", "control"],
                )
            )  # fmt: skip
            session.add(
                SurveyAnswer(
                    player_id=game.player_id, game_id=game.id, study="reading", item="ease", answer=5
                )
            )
            session.add(
                QuizAnswer(
                    player_id=game.player_id, study="reading", question="q", answer="No", correct=False
                )
            )
            if who == "7":
                session.add(KeptStudy(hash="ab", study="reading", text='name = "reading"'))
                session.add(KeptStudy(hash="cd", study="reading", text='name = "reading" # later'))
        if who == "7":
            async with database.async_session() as session:
                await players.give_consent(session, game.player_id, ConsentKind.RESEARCH, True, "/privacy")
    done = export(database, tmp_path / "out", SECRET)
    (assigned,), (answer,), (quiz,) = (
        rows(tmp_path / "out", name) for name in ("assignment", "survey", "quiz")
    )
    assert (assigned.pop("at"), answer.pop("at"), quiz.pop("at")) < (now(),) * 3
    assert assigned == {
        "game_id": "g%5F1", "study": "reading", "study_hash": "ab", "arm": "control", "adapter": "base",
        "probability": 0.25, "seed": 2**53 - 1, "eligible_arms": ["learning", "control"],
    }  # fmt: skip
    (file,) = rows(tmp_path / "out", "study")
    assert file.pop("at") < now()
    assert file == {"study_hash": "ab", "study": "reading", "text": 'name = "reading"'}
    speaker = SECRET.of("discord", "7")
    of_study = {"speaker": speaker, "study": "reading"}
    assert answer == {**of_study, "game_id": "g%5F1", "question": "ease", "answer": 5}
    assert quiz == {**of_study, "question": "q", "answer": "No", "correct": False}
    assert rows(tmp_path / "out", "interaction")[0]["speaker"] == speaker
    assert "not_kept" not in done.manifest["tables"]["assignment"]


async def test_every_format_holds_the_same(database: Database, tmp_path: Path):
    await played(database)
    decode(database)
    for kind in Format:
        export(database, tmp_path / kind, SECRET, kind)
    for table in ("interaction", "turn", "feedback_decoder_binary", "turn_meta"):
        wanted = json.loads(json.dumps(rows(tmp_path / "parquet", table), default=lambda at: at.isoformat()))
        lines = (tmp_path / "jsonl" / "data" / f"{table}.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == wanted
        with (tmp_path / "csv" / "data" / f"{table}.csv").open(newline="") as file:
            for row, expected in zip(csv.DictReader(file), wanted, strict=True):
                for name, value in expected.items():
                    cell = json.loads(row[name]) if isinstance(value, list) else row[name]
                    assert cell == (value if isinstance(value, list) else "" if value is None else str(value))


async def test_the_manifest_counts_and_hashes_every_file(database: Database, tmp_path: Path):
    await played(database)
    done = export(database, tmp_path / "out", SECRET)
    manifest = json.loads((tmp_path / "out" / "MANIFEST.json").read_text())
    assert manifest == done.manifest
    files = {path.relative_to(tmp_path / "out").as_posix(): path for path in (tmp_path / "out").rglob("*.*")}
    assert set(manifest["files"]) == set(files) - {"MANIFEST.json"}
    for name, about in manifest["files"].items():
        assert about["sha256"] == hashlib.sha256(files[name].read_bytes()).hexdigest()
    for name, about in manifest["tables"].items():
        assert about["rows"] == len(rows(tmp_path / "out", name))
    assert "not_kept" in manifest["tables"]["survey"] and "not_kept" not in manifest["tables"]["turn"]
    assert manifest["pseudonyms"]["key_id"] == SECRET.key_id


async def test_croissant_names_every_column_and_file(database: Database, tmp_path: Path):
    await played(database)
    export(database, tmp_path / "out", SECRET)
    croissant = json.loads((tmp_path / "out" / "croissant.json").read_text())
    sets = {each["name"]: [field["name"] for field in each["field"]] for each in croissant["recordSet"]}
    assert sets == {table.name: [column.name for column in table.columns] for table in TABLES}
    for file in croissant["distribution"]:
        content = (tmp_path / "out" / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()


async def test_a_failed_export_leaves_no_files(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await played(database)
    monkeypatch.setattr(export_module, "rows_of", lambda *_: iter(()))
    (tmp_path / "there").mkdir()
    with pytest.raises(ExportError, match="interaction has 0 rows where the database has 1"):
        export(database, tmp_path / "there" / "out", SECRET)
    assert list((tmp_path / "there").iterdir()) == []


def test_an_existing_folder_is_never_overwritten(database: Database, tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FolderError, match="not empty"):
        export(database, tmp_path, SECRET)
    (tmp_path / "empty").mkdir()
    export(database, tmp_path / "empty", SECRET)
    assert stat.S_IMODE((tmp_path / "empty").stat().st_mode) & 0o700 == 0o700
    assert not list(tmp_path.glob(".*partial"))


async def test_games_that_are_played_meanwhile_do_not_disturb_it(database: Database, tmp_path: Path):
    """The export is one snapshot, although another connection writes and erases between two pages."""
    generate(database, 4000, origins={Origin.SIMULATED: 1.0})
    other = Database(str(database.url))
    seen: list[int] = []

    def meanwhile(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == 2:
            assert 0 < done < total
            with other.session() as session:
                for game in session.exec(select(Game).order_by("id")).all()[-3:]:
                    session.delete(game)

    done = export(database, tmp_path / "out", SECRET, on_progress=meanwhile)
    assert done.rows["interaction"] == seen[-1]
    with other.session() as session:
        assert len(session.exec(select(Game.id)).all()) == done.rows["interaction"] - 3
    other.close()


def test_the_secret_is_made_for_its_owner_alone_and_kept(tmp_path: Path):
    path = tmp_path / "secret"
    first = Pseudonyms.from_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Pseudonyms.from_file(path).of("discord", "1") == first.of("discord", "1")
    assert len(first.of("discord", "1")) == 32 and int(first.of("discord", "1"), 16)
    others = {first.of("discord", "2"), first.of("local", "1"), SECRET.of("discord", "1")}
    assert len(others | {first.of("discord", "1")}) == 4
    path.chmod(0o644)
    with pytest.raises(SecretError, match="chmod 600"):
        Pseudonyms.from_file(path)
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(SecretError, match="shorter"):
        Pseudonyms.from_file(path)


@pytest.mark.parametrize("game_id", ["a_b", "a%5Fb", "a%b", "plain"])
def test_game_ids_have_no_underscore_and_stay_apart(game_id: str):
    assert "_" not in public_id(game_id)
    assert public_id(game_id).replace("%5F", "_").replace("%25", "%") == game_id
    assert game_turn_id(game_id, 1).rsplit("_", 1) == [public_id(game_id), "0"]


async def test_from_the_shell(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await played(database)
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", database_url(tmp_path))
    inside = CliRunner().invoke(
        app, ["export", "--out", str(tmp_path / "out"), "--secret", str(tmp_path / "out" / "secret")]
    )
    assert inside.exit_code == 1 and "keep it outside the exported folder" in inside.output
    done = CliRunner().invoke(app, ["export", "--out", str(tmp_path / "out"), "--format", "csv", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"]["turn"] == 2
    assert (tmp_path / "pseudonyms.secret").exists()
    again = CliRunner().invoke(app, ["export", "--out", str(tmp_path / "out")])
    assert again.exit_code == 1 and "not empty" in again.output

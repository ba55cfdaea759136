"""Imported games: all or none, added once, kept apart from the deployment's own, used by rounds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from games import GAMES
from learner.examples.build import build_examples
from learner.examples.trust import by_certainty, trust_of_players
from learner.feedback import open_decoder
from learner.feedback.decode import decode_interactions
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from learner.rounds.pipeline import run_round
from learner.training.evaluation import held_out_labels
from research.recorded import Imported, import_games, read_games
from sim.players import open_players
from sim.playing import Playground
from store.database import Database
from store.migrations import upgrade
from store.models import AdapterTurn, Game, Player, Turn
from store.rounds import games_since_last_round, request_round
from store.statistics import round_statistics
from store.training import usable_interactions
from tests.learner.played import settings_for
from tests.postgres import database_url
from tests.research.recorded_games import BOARD, IMAGES, MIXED, WON, line, named_games, write


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.load("tiny", device="cpu")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(database_url(tmp_path))
    upgrade(database)
    yield database
    database.close()


def add(database: Database, folder: Path, *lines: object) -> Imported:
    games = read_games(write(folder / "games.jsonl", *lines), IMAGES)
    with database.session() as session:
        return import_games(session, games, IMAGES)


def rows(database: Database, table):
    with database.session() as session:
        return list(session.exec(select(table).order_by(table.id)))


def test_a_game_is_kept_as_it_was_played(database: Database, tmp_path: Path):
    assert add(database, tmp_path, MIXED) == Imported(1, 3, 1, 0, 0)
    (game,), turns, (player,) = (rows(database, table) for table in (Game, Turn, Player))
    assert (game.origin, game.round, game.outcome, game.images) == ("imported", -1, "given_up", "classic")
    assert (game.listener, sorted(game.targets), game.ended_at) == (BOARD, sorted(BOARD[:3]), game.started_at)
    assert (player.platform, player.external_id) == ("imported", "t")
    assert [
        (turn.number, turn.state_before, turn.utterance, turn.action, turn.state_after) for turn in turns
    ] == [
        (1, "", "one", "select F", "F"),
        (2, "F", "no, two", "deselect F select A", "A"),
        (3, "A", "yes, three and four", "select B G", "A B G"),
    ]
    assert (game.images_hash, game.code_version) == (IMAGES.fingerprint, "imported")
    assert {(turn.logp, turn.adapter, turn.base_model) for turn in turns} == {(None, "imported", "imported")}


def test_whether_it_was_won_is_seen_from_the_selection(database: Database, tmp_path: Path):
    lost = line([[place % 2] for place in range(10)], ["again"] * 10)
    add(database, tmp_path, WON | {"end": "unsuccessful"}, MIXED, lost)
    assert sorted(game.outcome for game in rows(database, Game)) == ["given_up", "lost", "won"]


def test_the_same_file_twice_adds_nothing(database: Database, tmp_path: Path):
    assert add(database, tmp_path, WON, MIXED, WON) == Imported(2, 6, 2, 1, 0)
    assert add(database, tmp_path, WON, MIXED) == Imported(0, 0, 0, 2, 0)
    assert add(database, tmp_path, MIXED | {"game_id": "another"}) == Imported(1, 3, 0, 0, 0)
    assert (len(rows(database, Game)), len(rows(database, Player))) == (3, 2)


def test_games_without_a_click_are_left_out(database: Database, tmp_path: Path):
    assert add(database, tmp_path, line([[]], ["hello"]), WON) == Imported(1, 3, 1, 0, 1)


def test_curves_and_schedules_leave_them_out(database: Database, tmp_path: Path, policy: Policy):
    Playground(
        database, policy, [GAMES["multiref"]], IMAGES, IMAGES.ids, open_players("patient"), 2, seed=0
    ).play(0, 3, BASE_ADAPTER, lambda _: None)
    with database.session() as session:
        before = round_statistics(session), games_since_last_round(session)
    add(database, tmp_path, *named_games(4))
    with database.session() as session:
        assert (round_statistics(session), games_since_last_round(session)) == before
        assert before[1] == 3
        assert len(usable_interactions(session, None)) == 7


def test_what_needs_a_propensity_does_without_them(database: Database, tmp_path: Path):
    add(database, tmp_path, *named_games(4))
    with database.session() as session:
        found = usable_interactions(session, None)
    verdicts = decode_interactions(database, found, open_decoder("rules"))
    assert {verdict.label for verdict in verdicts.values()} == {1, -1}
    # even of a policy whose propensities would be comparable
    for base_model in ("imported", "another"):
        assert len(build_examples(found, verdicts, "sup", base_model)) == 4
        assert build_examples(found, verdicts, "kto", base_model) == []
        rl = build_examples(found, verdicts, "rl", base_model)
        assert {label.reward for game in rl for label in game.labels} == {1.0}
        labels = [label for game in held_out_labels(found, verdicts, base_model) for label in game.labels]
        assert labels and {label.behaviour_logp for label in labels} == {None}
    assert by_certainty(found, verdicts) == (0.0, 0.0)
    assert all(trust.agreed > 0 for trust in trust_of_players(found, verdicts).values())


def test_a_round_learns_from_them(database: Database, tmp_path: Path, policy: Policy):
    add(database, tmp_path, *named_games(24))
    settings = settings_for(tmp_path)
    with database.session() as session:
        asked = request_round(session, "b-sup")
    assert asked.id is not None
    done = run_round(database, settings, asked.id, policy)
    assert (done.error, done.results["promoted"], done.results["interactions"]) == (None, True, 24)
    assert done.interactions == 0  # of those that the adapter in use had played
    with database.session() as session:
        learnt = session.exec(select(AdapterTurn)).all()
        assert len(learnt) == done.results["train_turns"] > 40
        assert round_statistics(session) == []
    policy.unload_adapter(done.results["adapter"])

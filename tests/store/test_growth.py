"""Queries that stay quick when the database grows: they give what a plain computation over all rows gives, and use
indexes."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlmodel import Session, select

from games.core import Outcome
from learner.examples.readable import Reader, set_aside
from sim.bench.generated import generate
from store import games, players, statistics
from store.database import Database
from store.lineage import affected_adapters
from store.migrations import upgrade
from store.models import (
    Adapter,
    AdapterPlayer,
    AdapterTurn,
    Consent,
    ConsentKind,
    Feedback,
    Game,
    Origin,
    Player,
    Round,
    Turn,
    now,
)
from store.rounds import games_since_last_round
from store.statistics import bootstrap_ci95, has_finished_games, round_statistics, success_by_adapter
from store.training import (
    LineageEntry,
    has_usable_interactions,
    record_lineage,
    usable_interactions,
    verdicts,
)
from tests.postgres import database_url, sqlite_only
from tests.store import plainly

TURNS = 600
TABLES_THAT_GROW = ("game", "turn", "feedback", "instruction", "adapter_turn", "adapter_player")


@pytest.fixture(scope="module", params=range(3))
def community(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A generated database, and rows as they can be but are rarely."""
    database = Database(database_url(tmp_path_factory.mktemp("growth")))
    upgrade(database)
    generate(database, TURNS, seed=request.param)
    rng = random.Random(request.param)
    with database.session() as session:
        _rare_rows(session, rng)
    yield database
    database.close()


def _rare_rows(session: Session, rng: random.Random) -> None:
    turns = session.exec(select(Turn)).all()
    played = session.exec(select(Game).where(Game.outcome != Outcome.OPEN).order_by("id")).all()
    for turn in rng.sample(turns, 60):  # other decoders and schemes
        for scheme, version in (("binary", "other"), ("ternary", "1")):
            label = rng.choice((-1, 0, 1))
            session.add(
                Feedback(
                    turn_id=turn.id or 0, decoder="prompted", version=version, scheme=scheme, label=label,
                    confidence=0.5,
                )
            )  # fmt: skip
    for game in rng.sample(played, 5):  # without turns, or ended at once
        session.add(game.model_copy(update={"id": f"{game.id}-without", "thread_id": None}))
    for game in rng.sample(played, 5):
        game.ended_at = played[0].ended_at
    for game in rng.sample(played, 5):
        game.adapter, game.round = "base", rng.randrange(3)
    for player_id in rng.sample(
        session.exec(select(AdapterPlayer.player_id).distinct().order_by("player_id")).all(), 3
    ):
        session.add(Consent(player_id=player_id, kind=ConsentKind.TRAINING, granted=False, source="/privacy"))
    for player in rng.sample(session.exec(select(Player)).all(), 2):
        player.platform = Origin.SIMULATED
        for game in played:
            if game.player_id == player.id:
                game.origin = Origin.SIMULATED


@pytest.mark.parametrize("scheme", ["binary", "ternary"])
def test_statistics_are_those_of_all_rows(community: Database, scheme: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(statistics, "GAMES_AT_A_TIME", 7)
    monkeypatch.setattr(statistics, "IDS_AT_A_TIME", 11)
    with community.session() as session:
        found = round_statistics(session, scheme)
        assert found == plainly.statistics(session, scheme)
        assert len({(row.round, row.adapter) for row in found}) == len(found) > 4
        by_adapter = success_by_adapter(session)
        assert list(by_adapter) == list(dict.fromkeys(row.adapter for row in found))
        for adapter, success in by_adapter.items():
            rows = [row for row in found if row.adapter == adapter]
            assert success.games == sum(row.interactions for row in rows)
            assert success.won == round(sum(row.interactions * row.success for row in rows))
        assert has_finished_games(session)


@pytest.mark.parametrize("permission", [None, "ticket 1"])
@pytest.mark.parametrize("local_games", [False, True])
def test_the_interactions_are_those_of_all_rows(
    community: Database, permission: str | None, local_games: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("store.training.GAMES_AT_A_TIME", 7)
    with community.session() as session:
        found = usable_interactions(session, permission, local_games=local_games)
        assert found == list(plainly.usable(session, permission, local_games))
        assert found and has_usable_interactions(session, permission, local_games=local_games)
        middle = found[len(found) // 2]
        until = session.exec(select(Game.ended_at).where(Game.id == middle.game_id)).one()
        earlier = usable_interactions(session, permission, until=until, local_games=local_games)
        assert middle in earlier and found[: len(earlier)] == earlier != found
    assert found[0].steps[0].action is next(
        step.action for one in found[1:] for step in one.steps if step.action == found[0].steps[0].action
    )


def test_a_generated_game_follows_the_rules(community: Database):
    with community.session() as session:
        assert not set_aside(usable_interactions(session, "ticket 1"), Reader()).reasons


def test_the_verdicts_are_those_of_one_decoder(community: Database):
    with community.session() as session:
        rows = session.exec(select(Feedback)).all()
        for decoder, version, scheme in {(row.decoder, row.version, row.scheme) for row in rows}:
            expected = {
                row.turn_id: (row.label, row.confidence)
                for row in rows
                if (row.decoder, row.version, row.scheme) == (decoder, version, scheme)
            }
            found = verdicts(session, decoder, version, scheme)
            assert {turn: (one.label, one.confidence) for turn, one in found.items()} == expected != {}


def test_withdrawn_turns_are_those_of_all_rows(community: Database):
    with community.session() as session:
        for adapter in session.exec(select(Adapter)).all():
            rows = session.exec(select(AdapterTurn).where(AdapterTurn.adapter_id == adapter.id)).all()
            record_lineage(
                session, adapter, [LineageEntry(row.turn_id, row.reward, row.weight) for row in rows]
            )
        names = dict(session.exec(select(Adapter.name, Adapter.id)).all())
        found = affected_adapters(session)
        own = {names[name]: why.withdrawn for name, why in found.items() if why.through is None}
        assert own == plainly.withdrawn_turns(session) != {}
        agreed = plainly.agreeing(session)
        for row in session.exec(select(AdapterPlayer)).all():
            assert row.turns > 0
            assert (session.get_one(Player, row.player_id).platform is not Origin.DISCORD) or (
                row.player_id in agreed or own[row.adapter_id] >= row.turns
            )


def test_games_since_the_last_round_are_counted_no_further_than_asked(community: Database):
    with community.session() as session:
        last = max(row.created_at for row in session.exec(select(Round)).all())
        expected = sum(
            game.outcome is not Outcome.OPEN
            and game.origin is not Origin.IMPORTED
            and game.ended_at is not None
            and game.ended_at > last
            for game in session.exec(select(Game)).all()
        )
        assert games_since_last_round(session) == expected > 3
        assert games_since_last_round(session, 3) == 3
        assert games_since_last_round(session, 10_000) == expected


def test_the_interval_is_that_of_all_draws_at_once():
    values = [float(n % 3 == 0) for n in range(1_501)]
    picks = np.random.default_rng(0).integers(0, len(values), size=(2000, len(values)))
    low, high = np.percentile(np.asarray(values)[picks].mean(axis=1), [2.5, 97.5])
    assert bootstrap_ci95(values) == (low, high)


# --- what is read -----------------------------------------------------------------------------------------


@contextmanager
def statements(engine: sa.Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are executed meanwhile, with their parameters."""
    found: list[tuple[str, Any]] = []

    def executed(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", executed)
    yield found
    event.remove(engine, "before_cursor_execute", executed)


def plan(database: Database, statement: str, parameters: Any) -> list[str]:
    """SQLite's steps to answer a statement."""
    assert database.file is not None
    with sqlite3.connect(database.file) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    connection.close()
    return [row[-1] for row in rows]


@sqlite_only
async def test_the_bot_asks_nothing_that_reads_a_whole_table(community: Database):
    with community.session() as session:
        game = session.exec(select(Game).where(Game.thread_id != None)).first()  # noqa: E711
    assert game is not None and game.thread_id is not None
    async with community.async_session() as session:
        with statements(community.async_engine.sync_engine) as asked:
            await games.unshown_games(session)
            await games.open_games(session)
            await games.game_in_thread(session, game.thread_id)
            await games.turns_of(session, game.id)
            await games.waiting_instructions(session, game.id)
            await games.open_game_of(session, game.player_id, game.guild_id)
            await games.unfinished_games_of(session, game.player_id)
            await games.latest_game_of(session, game.player_id)
            await games.games_played(session, game.player_id)
            await players.consents(session, game.player_id)
    await community.aclose()
    with community.session() as session, statements(community.engine) as later:
        players.game_ids_of(session, game.player_id)
        affected_adapters(session)
        games_since_last_round(session, 330)
        for permission in (None, "ticket 1"):
            has_usable_interactions(session, permission)
    assert len(asked) == 10 and len(later) >= 9
    for statement, parameters in [*asked, *later]:
        steps = plan(community, statement, parameters)
        whole = [
            step for step in steps if step.startswith(tuple(f"SCAN {name}" for name in TABLES_THAT_GROW))
        ]
        assert not whole, f"{statement}: {steps}"


@sqlite_only
def test_success_is_read_from_an_index(community: Database):
    with community.session() as session, statements(community.engine) as asked:
        success_by_adapter(session)
    ((statement, parameters),) = asked
    assert plan(community, statement, parameters) == ["SCAN game USING COVERING INDEX ix_game_round"]


@sqlite_only
def test_what_is_due_reads_no_more_when_more_games_wait(community: Database):
    """Counted are the instructions that SQLite carries out."""
    with community.session() as session:
        few = instructions(session, 3)
        pattern = session.exec(
            select(Game).where(Game.outcome == Outcome.WON, Game.origin == Origin.DISCORD).limit(1)
        ).one()
        rows = [pattern.model_dump() | {"id": f"more-{number}", "ended_at": now()} for number in range(300)]
        session.execute(sa.insert(Game), rows)
        assert games_since_last_round(session) > 300
        assert instructions(session, 3) <= few + 10 < instructions(session, 300)
        session.rollback()


def instructions(session: Session, at_most: int) -> int:
    """How many instructions `games_since_last_round` takes."""
    connection, counted = session.connection().connection.driver_connection, 0

    def count() -> None:
        nonlocal counted
        counted += 1

    assert isinstance(connection, sqlite3.Connection)
    connection.set_progress_handler(count, 1)
    games_since_last_round(session, at_most)
    connection.set_progress_handler(None, 1)
    return counted


def test_a_start_without_migrations_checks_no_rows(community: Database):
    with statements(community.engine) as asked:
        upgrade(community)
    assert asked and not [statement for statement, _ in asked if "foreign_key_check" in statement]

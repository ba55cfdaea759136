"""Counts of games and of what was learnt from them, in a real SQLite file."""

from datetime import UTC, datetime, timedelta

import pytest

from games.core import Difficulty, Outcome
from store import players
from store.database import Database
from store.models import (
    Adapter,
    AdapterStatus,
    ConsentKind,
    Game,
    Origin,
    Turn,
)
from store.standings import (
    Learnt,
    LearntFromGame,
    Scope,
    Standing,
    Tally,
    count_learnt_from,
    finished_games_of,
    learnt_by,
    learnt_from_game,
    places,
    standings,
    tallies_by_adapter,
)
from store.training import LineageEntry, may_be_trained_on, record_lineage, usable_interactions

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
async def ada(database: Database) -> int:
    return await player(database, "1")


async def player(database: Database, user_id: str, origin: Origin = Origin.DISCORD) -> int:
    async with database.async_session() as session:
        found = await players.player_of(session, origin, user_id, "Ada")
    assert found.id is not None
    return found.id


async def game(
    database: Database,
    player_id: int,
    outcome: Outcome = Outcome.WON,
    turns: int = 2,
    day: float = 0,
    adapter: str = "base",
    origin: Origin = Origin.DISCORD,
    guild: str = "9",
    difficulty: Difficulty | None = None,
) -> list[int]:
    """A game with turns; gives the ids of the turns."""
    at = START + timedelta(days=day)
    async with database.async_session() as session:
        row = Game(
            game="pick",
            images="classic",
            speaker=["a"],
            listener=["a"],
            targets=["a"],
            player_id=player_id,
            origin=origin,
            guild_id=guild,
            adapter=adapter,
            base_model="tiny",
            outcome=outcome,
            difficulty=difficulty,
            started_at=at,
            ended_at=None if outcome is Outcome.OPEN else at,
        )
        session.add(row)
        rows = [
            Turn(
                game_id=row.id,
                number=number,
                utterance="a swan",
                state_before="none of 4",
                action="select A",
                state_after="A of 4",
                adapter=adapter,
                base_model="tiny",
                seconds=0.1,
            )
            for number in range(1, turns + 1)
        ]
        session.add_all(rows)
        await session.flush()
        return [turn.id or 0 for turn in rows]


async def trained_on(database: Database, name: str, status: AdapterStatus, rewards: dict[int, float]) -> None:
    async with database.async_session() as session:
        adapter = Adapter(name=name, base_model="tiny", system="b-sup", status=status)
        session.add(adapter)
        await session.flush()
        assert adapter.id is not None
        entries = [LineageEntry(turn_id, reward, 1.0) for turn_id, reward in rewards.items()]
        await session.run_sync(record_lineage, adapter, entries)  # pyright: ignore[reportArgumentType]


def test_the_interval_is_wilsons():
    """Against published values (Newcombe 1998, table I, method 3)."""
    low, high = Tally(263, 81, 1).success_ci95
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert [round(end, 4) for end in Tally(20, 0, 1).success_ci95] == [0.0, 0.1611]
    assert [round(end, 4) for end in Tally(29, 1, 1).success_ci95] == [0.0061, 0.1718]
    assert Tally(5, 5, 1).success_ci95[1] == 1.0


async def test_games_are_counted_by_the_adapter_that_played_oldest_first(database: Database, ada: int):
    bob = await player(database, "2")
    await game(database, ada, turns=3, day=1, adapter="round-0001-b-sup")
    await game(database, ada, Outcome.LOST, turns=4)
    await game(database, bob, Outcome.GIVEN_UP, turns=0, guild="10")
    await game(database, ada, Outcome.OPEN)
    await game(database, ada, origin=Origin.IMPORTED)
    async with database.async_session() as session:
        everything = await tallies_by_adapter(session, Scope())
        assert list(everything.items()) == [
            ("base", Tally(2, 0, 4)),
            ("round-0001-b-sup", Tally(1, 1, 3)),
        ]
        assert await tallies_by_adapter(session, Scope(guild_id="10")) == {"base": Tally(1, 0, 0)}
        assert len(await tallies_by_adapter(session, Scope(player_id=ada))) == 2
        assert await tallies_by_adapter(session, Scope(player_id=99)) == {}


async def test_only_adapters_that_play_or_have_played_have_learnt(database: Database, ada: int):
    first = await game(database, ada, turns=3)
    second = await game(database, ada, day=1)
    third = await game(database, ada, day=2)
    await trained_on(database, "one", AdapterStatus.RETIRED, dict(zip(first, (1.0, -1.0, 1.0), strict=True)))
    await trained_on(database, "two", AdapterStatus.CURRENT, {first[0]: 1.0, second[0]: 1.0, second[1]: 1.0})
    await trained_on(database, "three", AdapterStatus.REJECTED, {third[0]: 1.0})
    async with database.async_session() as session:
        assert await count_learnt_from(session, Scope(player_id=ada)) == 2
        assert await count_learnt_from(session, Scope(guild_id="another")) == 0
        assert await learnt_by(session, "two") == Learnt(2, START)
        assert await learnt_by(session, "base") is None
        newest, middle, oldest = await finished_games_of(session, ada)
        assert await learnt_from_game(session, oldest.id) == LearntFromGame("two", 1, 0)
        assert await learnt_from_game(session, middle.id) == LearntFromGame("two", 2, 0)
        assert await learnt_from_game(session, newest.id) is None


async def test_standings_leave_out_few_games_other_servers_and_who_does_not_want_it(database: Database):
    ids = {name: await player(database, name) for name in "12345"}
    for name, won, lost in (("1", 3, 0), ("2", 6, 0), ("3", 3, 0), ("4", 2, 0), ("5", 9, 0)):
        for number in range(won + lost):
            await game(database, ids[name], Outcome.WON if number < won else Outcome.LOST)
    await game(database, ids["4"], guild="10")  # the third game of this player is elsewhere
    await game(database, ids["4"], difficulty=Difficulty.FAR)  # and the fourth is easier
    for name, granted in (("5", True), ("1", True), ("1", False)):
        async with database.async_session() as session:
            await players.give_consent(session, ids[name], ConsentKind.UNLISTED, granted, "/privacy")
    async with database.async_session() as session:
        found = await standings(session, Origin.DISCORD, "9", 3)
        assert [row.user_id for row in found] == ["2", "1", "3"]
        assert places(found) == [1, 2, 2]
        assert await standings(session, Origin.LOCAL, "9", 3) == []
        inside = await standings(session, Origin.DISCORD, "9", 3, START, START + timedelta(days=30))
        assert inside == found
        assert await standings(session, Origin.DISCORD, "9", 3, START + timedelta(seconds=1)) == []
        assert await standings(session, Origin.DISCORD, "9", 3, None, START) == []
        await session.run_sync(players.erase_player, ids["2"])  # pyright: ignore[reportArgumentType]
        assert [row.user_id for row in await standings(session, Origin.DISCORD, "9", 3)] == ["1", "3"]


def test_the_place_after_equals_is_left_out():
    many, few = Tally(99, 95, 300), Tally(5, 5, 15)
    order = sorted(
        [
            Standing("few", few),
            Standing("slow", Tally(99, 95, 400)),
            Standing("a", many),
            Standing("b", many),
        ],
        key=lambda standing: standing.quality,
    )
    assert [row.user_id for row in order] == ["a", "b", "slow", "few"]
    assert places(order) == [1, 1, 3, 4]


@pytest.mark.parametrize("permission", [None, "permission 1"])
@pytest.mark.parametrize("agrees", [True, False])
async def test_a_game_may_be_trained_on_if_a_round_would_use_it(
    database: Database, ada: int, permission: str | None, agrees: bool
):
    await game(database, ada)
    await game(database, ada, turns=0)
    await game(database, await player(database, "2", Origin.LOCAL), origin=Origin.LOCAL)
    async with database.async_session() as session:
        await players.give_consent(session, ada, ConsentKind.TRAINING, agrees, "/privacy")
    with database.session() as session:
        ids = [row.id for row in session.query(Game)]
        used = {row.game_id for row in usable_interactions(session, permission)}
        assert {id for id in ids if may_be_trained_on(session, id, permission)} == used
        assert len(used) == (1 if permission and agrees else 0)

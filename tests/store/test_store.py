"""Games, turns, rounds and what may be trained on, in a real SQLite file."""

import asyncio
import dataclasses
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from games.core import Outcome
from store import games, players, rounds, training
from store.database import Database
from store.lineage import affected_adapters
from store.models import (
    Adapter,
    AdapterTurn,
    ConsentKind,
    Game,
    Instruction,
    Origin,
    Player,
    PlayerTrust,
    Round,
    RoundAction,
    RoundEvent,
    RoundStatus,
    Turn,
)
from store.statistics import bootstrap_ci95, round_statistics, success_of_others

FIGURES = [f"figure-{i}" for i in range(10)]


async def new_game(database: Database, origin: Origin = Origin.LOCAL, who: str = "7") -> Game:
    async with database.async_session() as session:
        player = await players.player_of(session, origin, who, "Ada")
        assert player.id is not None
        game = Game(
            game="multiref",
            images="classic",
            speaker=FIGURES[::-1],
            listener=FIGURES,
            targets=FIGURES[:3],
            player_id=player.id,
            origin=origin,
            guild_id="1",
            thread_id="42",
            adapter="base",
            base_model="tiny",
        )
        session.add(game)
    return game


def turn(game: Game, number: int, before: str, action: str, after: str, message: str | None = None) -> Turn:
    return Turn(
        game_id=game.id,
        number=number,
        utterance="a swan",
        message_id=message,
        state_before=before,
        action=action,
        state_after=after,
        logp=-1.5,
        adapter="base",
        base_model="tiny",
        seconds=0.1,
    )


async def play_to_the_win(database: Database, game: Game) -> None:
    async with database.async_session() as session:
        session.add(turn(game, 1, "", "select A D", "A D"))
        session.add(turn(game, 2, "A D", "deselect D select B C", "A B C"))
        await games.end_game(session, game, Outcome.WON)


async def test_a_message_is_queued_once_and_played_once(database: Database):
    game = await new_game(database)
    async with database.async_session() as session:
        assert await games.queue_instruction(session, game.id, "a swan", "m1")
        assert not await games.queue_instruction(session, game.id, "a swan", "m1")
        assert await games.queue_instruction(session, game.id, "a boat", "m2")
    async with database.async_session() as session:
        first, second = await games.waiting_instructions(session, game.id)
        assert (first.text, second.text) == ("a swan", "a boat")
        await games.commit_turn(session, [first], turn(game, 1, "", "select A", "A", "m1"))
    async with database.async_session() as session:
        assert not await games.queue_instruction(session, game.id, "a swan", "m1")
        (second,) = await games.waiting_instructions(session, game.id)
        assert second.text == "a boat"


async def test_messages_played_together_are_each_played_once(database: Database):
    game = await new_game(database)
    async with database.async_session() as session:
        for message in ("m1", "m2"):
            assert await games.queue_instruction(session, game.id, "a swan", message)
        together = turn(game, 1, "", "select A", "A", "m2")
        together.earlier_message_ids = ["m1"]
        await games.commit_turn(session, await games.waiting_instructions(session, game.id), together)
    async with database.async_session() as session:
        assert not await games.waiting_instructions(session, game.id)
        for message in ("m1", "m2"):
            assert not await games.queue_instruction(session, game.id, "a swan", message)
            found = await games.turn_of_message(session, game.id, message)
            assert found is not None and found.number == 1
        assert await games.turn_of_message(session, game.id, "m3") is None


async def test_a_turn_that_cannot_be_committed_keeps_its_utterance(database: Database):
    game = await new_game(database)
    async with database.async_session() as session:
        await games.queue_instruction(session, game.id, "a swan", "m1")
        session.add(turn(game, 1, "", "select A", "A"))
    with pytest.raises(IntegrityError):
        async with database.async_session() as session:
            waiting = await games.waiting_instructions(session, game.id)
            await games.commit_turn(session, waiting, turn(game, 1, "", "select B", "B", "m1"))
    async with database.async_session() as session:
        assert await games.waiting_instructions(session, game.id)


async def test_edits_and_deletions_reach_messages_that_wait(database: Database):
    game = await new_game(database)
    async with database.async_session() as session:
        await games.queue_instruction(session, game.id, "a swam", "m1")
        assert await games.edit_instruction(session, "m1", "a swan")
        assert not await games.edit_instruction(session, "m9", "a swan")
    async with database.async_session() as session:
        (waiting,) = await games.waiting_instructions(session, game.id)
        assert waiting.text == "a swan"
        assert await games.drop_instruction(session, "m1")
        assert not await games.waiting_instructions(session, game.id)


async def test_ending_a_game_says_how_many_messages_will_not_be_played(database: Database):
    game = await new_game(database)
    async with database.async_session() as session:
        await games.queue_instruction(session, game.id, "a swan", "m1")
        assert await games.end_game(session, game, Outcome.GIVEN_UP) == 1
        assert not await games.open_games(session)


async def test_times_come_back_aware(database: Database):
    game = await new_game(database)
    async with database.async_session() as session:
        loaded = await session.get_one(Game, game.id)
    assert loaded.started_at.tzinfo is UTC
    assert abs((datetime.now(UTC) - loaded.started_at).total_seconds()) < 60


async def test_only_one_round_runs_at_a_time(database: Database):
    with database.session() as session:
        first = rounds.request_round(session, "b-sup")
        assert first.id is not None
        with pytest.raises(rounds.RoundUnderWay, match="Round 1 is under way"):
            rounds.request_round(session, "b-sup")
        rounds.report(session, first.id, "train", done=3, total=10)
        rounds.finish(session, first.id, error="killed")
        again = rounds.request_round(session, "b-sup")
        assert again.id is not None and again.number == 1
        rounds.finish(session, again.id)
        assert rounds.request_round(session, "b-sup").number == 2


async def test_of_many_workers_that_see_a_round_one_takes_it(database: Database):
    with database.session() as session:
        rounds.request_round(session, "b-sup")
        seen = rounds.active_round(session)
    assert seen is not None and seen.id is not None

    def take(worker: str) -> bool:
        with database.session() as session:
            return rounds.take(session, seen, worker)

    names = [f"worker-{number}" for number in range(8)]
    taken = await asyncio.gather(*(asyncio.to_thread(take, name) for name in names))
    assert sum(taken) == 1
    with database.session() as session:
        rounds.report(session, seen.id, "train", worker=names[taken.index(True)])
        for other in (None, "another"):
            with pytest.raises(rounds.RoundTaken, match="is run by the worker worker-"):
                rounds.report(session, seen.id, "train", worker=other)


async def test_a_worker_that_lost_a_round_changes_nothing(database: Database):
    with database.session() as session:
        assert rounds.request_round(session, "b-sup").id == 1
        assert rounds.take(session, session.get_one(Round, 1), "first")
        rounds.report(session, 1, "train", worker="first", done=3)
        seen = session.get_one(Round, 1)
    with database.session() as session:
        rounds.hold(session, 1, "first")  # it lives
    with database.session() as session:
        assert not rounds.take(session, seen, "second")
    with database.session() as session:
        assert rounds.take(session, session.get_one(Round, 1), "second")
    for change in (
        rounds.hold,
        rounds.give_up,
        lambda session, id_, worker: rounds.finish(session, id_, worker=worker),
    ):
        with database.session() as session, pytest.raises(rounds.RoundTaken, match="the worker second"):
            change(session, 1, "first")
    with database.session() as session:
        rounds.give_up(session, 1, "second")
    with database.session() as session:
        row = session.get_one(Round, 1)
        assert (row.status, row.stage, row.worker) == (RoundStatus.QUEUED, "queued", None)
        assert row.started_at is not None  # the games that the round learns from stay the same
        assert rounds.take(session, row, "third")
        assert rounds.cancel(session, 1, "ada").status is RoundStatus.CANCELLED
        with pytest.raises(rounds.RoundEnded, match="cancelled"):
            rounds.hold(session, 1, "third")
        assert rounds.finish(session, 1, worker="third").status is RoundStatus.CANCELLED


async def test_local_games_are_usable_without_asking_and_without_targets(database: Database):
    await play_to_the_win(database, await new_game(database))
    with database.session() as session:
        (interaction,) = training.usable_interactions(session, None)
    assert interaction.won
    assert [step.action for step in interaction.steps] == ["select A D", "deselect D select B C"]
    assert not any("target" in field.name for field in dataclasses.fields(interaction))


@pytest.mark.parametrize(
    ("permission", "opted_in", "usable"),
    [(None, True, 0), ("DISCORD-1234", False, 0), ("DISCORD-1234", True, 1)],
)
async def test_discord_games_need_both_the_permission_and_the_player(
    database: Database, permission: str | None, opted_in: bool, usable: int
):
    game = await new_game(database, Origin.DISCORD)
    await play_to_the_win(database, game)
    async with database.async_session() as session:
        await players.give_consent(session, game.player_id, ConsentKind.TRAINING, True, "test")
        await players.give_consent(session, game.player_id, ConsentKind.TRAINING, opted_in, "test")
        assert (await players.consents(session, game.player_id))[ConsentKind.RESEARCH] is False
    with database.session() as session:
        assert len(training.usable_interactions(session, permission)) == usable


async def test_an_open_game_is_not_trained_on(database: Database):
    game = await new_game(database)
    async with database.async_session() as session:
        session.add(turn(game, 1, "", "select A", "A"))
    with database.session() as session:
        assert training.usable_interactions(session, None) == []


async def test_erasing_a_player_reaches_turns_and_training_sets(database: Database):
    game = await new_game(database)
    await play_to_the_win(database, game)
    with database.session() as session:
        adapter = Adapter(name="round-0001-b-sup", base_model="tiny", system="b-sup")
        session.add(adapter)
        session.flush()
        player = session.get_one(Player, game.player_id).external_id
        row = rounds.request_round(session, "b-sup", requested_by=player)
        rounds.record_event(session, RoundAction.SCHEDULE, player, detail="0 4 * * *")
        assert row.id is not None
        trust = {
            "players": 2,
            "quarantined": {str(game.player_id): 0.1, "99": 0.2},
            "capped": [game.player_id],
        }
        rounds.finish(session, row.id, trust=trust)
        of_players = [  # the second one was erased while the round judged players
            PlayerTrust(
                round_id=row.id, player_id=who, trust=0.6, turns=3, naming=0, weight=1,
                quarantined=False, capped=False,
            )
            for who in (game.player_id, 99)
        ]  # fmt: skip
        rounds.record_trust(session, row.id, of_players)
        (interaction,) = training.usable_interactions(session, None)
        training.record_lineage(
            session, adapter, [training.LineageEntry(turn_id, 1.0, 1.0) for turn_id in interaction.turn_ids]
        )
    with database.session() as session:
        exported = players.export_player(session, game.player_id)
        assert [row["action"] for row in exported["games"][0]["turns"]] == [
            "select A D",
            "deselect D select B C",
        ]
        assert [row["number"] for row in exported["rounds"]] == [1]
        assert [row["detail"] for row in exported["round_events"]] == ["0 4 * * *"]
        assert [row["trust"] for row in exported["trust_by_round"]] == [0.6]
        assert [row.player_id for row in session.exec(select(PlayerTrust))] == [game.player_id]
        assert players.erase_player(session, game.player_id) == 1
    with database.session() as session:
        for table in (Player, Game, Turn, Instruction, AdapterTurn, PlayerTrust):
            assert session.exec(select(table)).all() == []
        assert session.exec(select(Adapter)).one().erased_turns == 2
        assert rounds.quarantined(session, 1) == {99}
        assert session.exec(select(Round.requested_by)).all() == [None]
        assert session.exec(select(RoundEvent.by)).all() == [None]
        assert rounds.chosen_schedule(session, None).cron == "0 4 * * *"
        found = session.exec(select(Round)).one().results["trust"]
        assert found == {"players": 2, "quarantined": {"99": 0.2}, "capped": []}
        assert training.usable_interactions(session, None) == []


async def test_statistics_of_a_round(database: Database):
    await play_to_the_win(database, await new_game(database))
    with database.session() as session:
        (row,) = round_statistics(session)
    assert (row.round, row.interactions, row.success, row.turns) == (0, 1, 1.0, 2.0)
    assert row.click_accuracy == pytest.approx(4 / 5)  # of A D / D B C only the first D was wrong
    assert row.positive_rate is None


async def test_success_without_some_players(database: Database):
    won, open_still = await new_game(database, who="7"), await new_game(database, who="8")
    await play_to_the_win(database, won)
    lost = await new_game(database, who="9")
    with database.session() as session:
        row = session.get(Game, lost.id)
        assert row is not None
        row.outcome = Outcome.LOST
        session.add(row)
        session.flush()
        assert success_of_others(session, 0, {open_still.player_id}) == 0.5
        assert success_of_others(session, 0, {lost.player_id}) == 1.0
        assert success_of_others(session, 0, {won.player_id, lost.player_id}) is None
        assert success_of_others(session, 1, ()) is None


def test_the_interval_holds_the_mean_and_narrows_with_more_games():
    few, many = bootstrap_ci95([0.0, 1.0] * 10), bootstrap_ci95([0.0, 1.0] * 1000)
    assert few[0] < many[0] < 0.5 < many[1] < few[1]


async def test_connections_as_of_two_processes_write_at_the_same_time(database: Database):
    other = Database(str(database.url))
    with other.session() as session:
        session.add(Round(number=1, system="b-sup"))
        session.flush()
    await new_game(database)
    async with database.async_session() as session:
        assert len((await session.exec(select(Round))).all()) == 1
    other.close()


async def test_statistics_keep_the_policies_of_a_round_apart(database: Database):
    for who, adapter in (("7", "base"), ("8", "base"), ("9", "round-0001-b-sup")):
        game = await new_game(database, who=who)
        await play_to_the_win(database, game)
        with database.session() as session:
            row = session.get_one(Game, game.id)
            row.adapter = adapter
    with database.session() as session:
        found = round_statistics(session)
    assert [(row.round, row.adapter, row.interactions) for row in found] == [
        (0, "base", 2),
        (0, "round-0001-b-sup", 1),
    ]


async def test_games_of_the_local_service_do_not_count_beside_those_of_discord(database: Database):
    """Somebody tried something out there; and whether there are any is known without reading them."""
    games = [await new_game(database, who=who) for who in ("7", "8")]
    for game in games:
        await play_to_the_win(database, game)

    def usable(permission: str | None, local_games: bool = False) -> int:
        with database.session() as session:
            found = training.usable_interactions(session, permission, local_games=local_games)
            any_at_all = training.has_usable_interactions(session, permission, local_games=local_games)
        assert any_at_all == bool(found)
        return len(found)

    for game, origin in zip(games, (Origin.LOCAL, Origin.LOCAL), strict=True):
        with database.session() as session:
            session.get_one(Game, game.id).origin = origin
    assert usable(None) == 2
    with database.session() as session:
        session.get_one(Game, games[0].id).origin = Origin.DISCORD
    assert (usable(None), usable(None, local_games=True), usable("ticket 1")) == (0, 1, 0)
    for granted, count in ((True, 1), (False, 0)):
        async with database.async_session() as session:
            await players.give_consent(session, games[0].player_id, ConsentKind.TRAINING, granted, "/privacy")
        assert usable("ticket 1") == count


async def test_an_adapter_of_those_who_withdrew_is_affected_and_what_came_of_it(database: Database):
    game = await new_game(database)
    await play_to_the_win(database, game)
    with database.session() as session:
        first = Adapter(name="first", base_model="tiny", system="b-sup")
        session.add_all([first, Adapter(name="second", base_model="tiny", system="b-sup", parent="first")])
        session.flush()
        (interaction,) = training.usable_interactions(session, None)
        training.record_lineage(
            session, first, [training.LineageEntry(turn_id, 1.0, 1.0) for turn_id in interaction.turn_ids]
        )
        assert affected_adapters(session) == {}
        session.get_one(Game, game.id).origin = session.get_one(Player, game.player_id).platform = (
            Origin.DISCORD
        )
    for granted in (True, False):
        async with database.async_session() as session:
            await players.give_consent(session, game.player_id, ConsentKind.TRAINING, granted, "/privacy")
        with database.session() as session:
            found = {name: str(why) for name, why in affected_adapters(session).items()}
        withdrew = "2 turns whose players no longer agree to training"
        assert found == (
            {}
            if granted
            else {
                "first": f"was trained on {withdrew}",
                "second": f"was trained from first, which learnt from {withdrew}",
            }
        )

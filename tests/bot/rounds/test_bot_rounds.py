"""Rounds: permissions, usable games, one at a time, resumed after restarts."""

import asyncio
import fcntl
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from bot_house import House, ObedientPolicy
from rounds_house import ask, card_of, finish_a_game, press, registry_of, rounds, runs, say, write_adapter
from sqlmodel import Session

from bot.rounds import texts
from bot.rounds.history import round_history
from bot.rounds.schedule import RoundSchedule
from bot.texts import MODERATORS_ONLY
from learner.registry import AdapterRegistry
from local_discord import ActionRefused, Person
from store.database import Database
from store.migrations import upgrade
from store.models import ConsentKind, Origin, Round, RoundStatus, now
from store.players import give_consent
from store.rounds import RoundEnded, attempts, finish, hold, latest_rounds, report, request_round, take
from web.metrics import Metrics


async def test_a_moderator_starts_a_round_and_is_told_how_it_ended(
    house: House, ada: Person, grace: Person, policy: ObedientPolicy
):
    moderators = house.discord.channel("moderators")
    assert f"<#{moderators.id}>" in await say(house, grace, "setup", reports=moderators.id)
    assert await say(house, grace, "round start") == texts.NOTHING_TO_LEARN
    await finish_a_game(house, ada)
    assert await say(house, grace, "round start") == texts.round_queued(1)
    await house.eventually(lambda: runs(house) == 1 and rounds(house)[0].stage == "train")
    status = await say(house, grace, "round status")
    assert "training (3 of 8, loss 0.500, about 2 min left)" in status and "100%" in status
    assert "Round 1 is under way" in await say(house, grace, "round start")
    (house.settings.store.data_dir / "go").touch()
    told = await grace.wait_message(where=moderators)
    assert "Round 1 is done (better)" in told.content and "round-0001-b-sup" in told.content
    assert policy.reloads == 1
    assert "**Round 1** done" in await say(house, grace, "round history")
    assert runs(house) == 1


async def test_round_is_for_moderators_even_if_the_command_was_opened_to_all(house: House, ada: Person):
    with pytest.raises(ActionRefused):
        await ada.slash("play", "round start")
    for command in house.discord.world.commands[None].values():
        command["default_member_permissions"] = None  # as an administrator may
    for command in ("round start", "round status", "round history", "setup"):
        assert await say(house, ada, command) == MODERATORS_ONLY
    assert not rounds(house)


async def test_dialogues_from_discord_are_not_learned_from_without_permission(
    stopped_house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    house = stopped_house
    house.with_settings(rounds={"managed_by": "moderators"})
    await house.start()
    grace = await house.discord.people.join("Grace", moderator=True)
    # The games are played on the local service; here they count as games on Discord.
    monkeypatch.setattr(type(house.settings), "origin", Origin.DISCORD)
    await finish_a_game(house, ada)
    answer = await say(house, grace, "round start")
    assert answer == texts.TRAINING_OFF
    assert "rule 21" in answer and "RESPECT_ROUNDS__DISCORD_PERMISSION" in answer
    assert texts.TRAINING_OFF_SHORT in await say(house, grace, "round status")
    assert not rounds(house)


async def test_with_permission_only_consenting_players_count(stopped_house: House, ada: Person):
    house = stopped_house
    house.with_settings(rounds={"discord_permission": "DEV-1234", "managed_by": "moderators"})
    await house.start()
    grace = await house.discord.people.join("Grace", moderator=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(house.settings), "origin", Origin.DISCORD)
        await finish_a_game(house, ada)
        assert await say(house, grace, "round start") == texts.NO_CONSENT
        async with house.database.async_session() as session:
            await give_consent(session, 1, ConsentKind.TRAINING, True, "test")
        assert await say(house, grace, "round start") == texts.round_queued(1)


async def test_a_round_starts_after_enough_games_and_only_one(stopped_house: House, ada: Person, bob: Person):
    house = stopped_house
    house.with_settings(rounds={"every_games": 2})
    await house.start()
    await finish_a_game(house, ada)
    assert not rounds(house)
    await finish_a_game(house, bob)
    await house.eventually(lambda: runs(house) == 1)
    await finish_a_game(house, ada)
    await finish_a_game(house, bob)
    (house.settings.store.data_dir / "go").touch()
    await house.eventually(lambda: rounds(house)[0].status is RoundStatus.DONE)
    assert [row.trigger for row in rounds(house)][-1] == "games"


async def test_a_killed_round_fails_with_its_reason_and_the_next_can_start(
    house: House, ada: Person, grace: Person, monkeypatch: pytest.MonkeyPatch
):
    await finish_a_game(house, ada)
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with monkeypatch.context() as patch:
        patch.setattr(
            "learner.rounds.process.command", lambda round_id, processes: [sys.executable, "-c", kill]
        )
        await say(house, grace, "round start")
        await house.eventually(lambda: rounds(house)[0].status is RoundStatus.FAILED)
        assert "SIGKILL" in str(rounds(house)[0].error)
        patch.setattr(
            "learner.rounds.process.command",
            lambda round_id, processes: [sys.executable, "-c", "raise SystemExit('no model')"],
        )
        await say(house, grace, "round start")
        await house.eventually(lambda: len(rounds(house)) == 2 and rounds(house)[0].error)
        assert "no model" in str(rounds(house)[0].error)
    assert await say(house, grace, "round start") == texts.round_queued(1)


async def test_a_round_interrupted_with_the_bot_is_resumed_at_the_next_start(
    house: House, ada: Person, grace: Person
):
    await finish_a_game(house, ada)
    await say(house, grace, "round start")
    await house.eventually(lambda: rounds(house)[0].stage == "train")
    await house.stop()
    assert rounds(house)[0].status is RoundStatus.RUNNING
    (house.settings.store.data_dir / "go").touch()
    await house.start()
    await house.eventually(lambda: rounds(house)[0].status is RoundStatus.DONE)
    assert runs(house) == 2 and len(rounds(house)) == 1


async def test_a_round_whose_process_outlived_the_bot_is_waited_for(stopped_house: House):
    house = stopped_house
    adapters = house.settings.adapters_dir
    adapters.mkdir(parents=True)
    upgrade(house.database)
    with house.database.session() as session:
        request_round(session, "b-sup")
    with (adapters / ".round.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        await house.start()
        await asyncio.sleep(0.5)
        assert runs(house) == 0
    (house.settings.store.data_dir / "go").touch()
    await house.eventually(lambda: rounds(house)[0].status is RoundStatus.DONE)
    assert runs(house) == 1


async def test_rounds_that_run_elsewhere_are_only_queued_and_their_adapter_is_fetched(
    stopped_house: House, ada: Person, policy: ObedientPolicy, tmp_path: Path
):
    house, url = stopped_house, f"file://{tmp_path / 'share'}"
    house.with_settings(rounds={"elsewhere": True, "managed_by": "moderators"}, store={"adapters_url": url})
    await house.start()
    grace = await house.discord.people.join("Grace", moderator=True)
    await finish_a_game(house, ada)
    assert await say(house, grace, "round start") == texts.round_queued(1)

    def run_as_worker() -> str:
        """What `tests/learner/rounds/test_round_worker.py` does with real processes."""
        registry = AdapterRegistry(tmp_path / "worker", url)
        with house.database.session() as session:
            row = rounds(house)[0]
            assert take(session, row, "gpu-box")
        made = registry.publish(card_of(1), write_adapter)
        registry.upload(made.name)
        with house.database.session() as session:
            registry.update_card(made)
            registry.record(session, made)
            registry.promote(session, made.name)
            assert row.id is not None
            finish(
                session,
                row.id,
                worker="gpu-box",
                adapter=made.name,
                promoted=True,
                why={"text": "better", "values": {}},
            )
        return made.name

    name = await asyncio.to_thread(run_as_worker)
    await house.eventually(lambda: policy.reloads == 1)
    assert (rounds(house)[0].status, runs(house)) == (RoundStatus.DONE, 0)
    assert (registry_of(house).current(), registry_of(house).names()) == (name, (name,))
    assert f"`{name}`" in await say(house, grace, "round status")


async def test_an_erasure_that_the_url_missed_is_made_up_for_when_the_bot_starts(
    stopped_house: House, tmp_path: Path
):
    house, url = stopped_house, f"file://{tmp_path / 'share'}"
    house.with_settings(store={"adapters_url": url})
    upgrade(house.database)
    worker = AdapterRegistry(tmp_path / "worker", url)
    made = worker.publish(card_of(1).model_copy(update={"games": {"erased": 1, "kept": 2}}), write_adapter)
    with house.database.session() as session:
        worker.update_card(made)
        worker.record(session, made.model_copy(update={"games": {"kept": 2}}))
    await house.start()
    card = tmp_path / "share" / made.name / "card.json"
    await house.eventually(lambda: json.loads(card.read_text())["games"] == {"kept": 2})


async def test_a_round_that_no_worker_runs_is_said_to_wait_for_one(
    stopped_house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("bot.rounds.messages.EDIT_SECONDS", 0.1)
    house, hour = stopped_house, timedelta(hours=1)
    house.with_settings(rounds={"elsewhere": True, "managed_by": "moderators", "lease": 1800})
    await house.start()
    grace = await house.discord.people.join("Grace", moderator=True)
    await finish_a_game(house, ada)

    def an_hour_passes(session: Session) -> None:
        row = session.get_one(Round, 1)
        row.created_at -= hour
        row.heartbeat_at = row.heartbeat_at and row.heartbeat_at - hour

    async def both_say(text: str) -> None:
        await grace.wait_message(lambda found: not found.ephemeral and text in found.content, since=0)
        assert text in await say(house, grace, "round status")

    waits = "waiting for a worker: no `respect round worker` seems to be running"
    await say(house, grace, "round start")
    await both_say("about to start")
    await house.database.write_in_thread(an_hour_passes)
    await both_say(waits)
    await house.database.write_in_thread(lambda session: take(session, rounds(house)[0], "gpu-box"))
    await house.database.write_in_thread(lambda session: report(session, 1, "train", "gpu-box"))
    await both_say("training")
    await house.database.write_in_thread(an_hour_passes)
    await both_say(waits)


async def test_a_round_of_a_worker_is_cancelled_from_discord(stopped_house: House, ada: Person):
    house = stopped_house
    house.with_settings(rounds={"elsewhere": True, "managed_by": "moderators"})
    await house.start()
    grace = await house.discord.people.join("Grace", moderator=True)
    await finish_a_game(house, ada)
    await say(house, grace, "round start")

    def hold_it(first: bool) -> None:
        with house.database.session() as session:
            if first:
                assert take(session, rounds(house)[0], "gpu-box")
            hold(session, 1, "gpu-box")

    await asyncio.to_thread(hold_it, True)
    await press(grace, await ask(house, grace, "round cancel"), texts.CANCEL_YES)
    await house.eventually(lambda: rounds(house)[0].status is RoundStatus.CANCELLED)
    with pytest.raises(RoundEnded):
        await asyncio.to_thread(hold_it, False)


async def test_a_scheduled_round_missed_while_the_bot_was_off_is_run_later(
    house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    await finish_a_game(house, ada)
    await house.stop()
    with house.database.session() as session:
        row = request_round(session, "b-sup", "schedule")
        row.created_at = now() - timedelta(days=2)
        row.status, row.active = RoundStatus.DONE, None
        session.add(row)
    house.with_settings(rounds={"schedule": "0 4 * * *"})
    await house.start()
    await house.eventually(lambda: len(rounds(house)) == 2)
    await house.stop()
    assert {row.trigger for row in rounds(house)} == {"schedule"}


async def test_a_second_bot_in_the_process_answers_as_the_first(house: House, grace: Person):
    for _ in range(2):
        assert await say(house, grace, "round start") == texts.NOTHING_TO_LEARN
        await house.stop()
        await house.start()


@pytest.mark.parametrize("trigger", ["games", "turns"])
def test_both_names_of_a_trigger_are_understood(trigger: str):
    row = Round(number=3, system="b-sup", status=RoundStatus.DONE, trigger=trigger)
    assert round_history([row], [], {}) == "**Round 3** done (after enough games)"


def test_attempts_at_one_number_are_told_apart(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'respect.db'}")
    upgrade(database)
    ends = (RoundStatus.DONE, RoundStatus.FAILED, RoundStatus.CANCELLED, RoundStatus.DONE)
    with database.session() as session:
        for end in ends:
            row = request_round(session, "b-sup")
            row.status, row.active = end, None
            session.add(row)
            session.flush()
        rows = latest_rounds(session, 3)
        found = round_history(rows, [], {}, None, attempts(session, rows)).splitlines()
    assert [line.split("**")[1] for line in found] == ["Round 2, attempt 3", "Round 2, attempt 2", "Round 2"]
    database.close()


async def test_simultaneous_requests_start_one_round(house: House, ada: Person):
    await finish_a_game(house, ada)
    await house.stop()
    schedule = RoundSchedule(house.settings, house.database, Metrics())
    found = await asyncio.gather(*(schedule.request("manual") for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, Round) for one in found) == 1
    await schedule.close()
    assert len(rounds(house)) == 1

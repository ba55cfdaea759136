"""Failures of what the bot needs: people get a sentence, and nothing is lost."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Literal

import discord
import psycopg
import pytest
import sqlalchemy as sa
from bot_house import CHANNELS, House, ObedientPolicy, has_board, house_of
from pydantic import SecretStr

from bot import texts
from bot.app import serve
from bot.errors import StartupError
from games.core import Outcome
from local_discord import Fault, LocalDiscord, Permission, Person
from local_discord.feed import PATIENCE_SECONDS
from tests.postgres import sqlite_only


async def test_waiting_messages_are_answered_when_the_policy_is_back(
    stopped_house: House, ada: Person, policy: ObedientPolicy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("bot.resources.POLICY_TIMEOUT", 0.5)
    monkeypatch.setattr("bot.play.session.LONGEST_WAIT", 0.3)
    house = stopped_house
    await house.start()
    thread = await house.play(ada)
    policy.away = True
    await ada.say(thread, "select A")
    await ada.say(thread, "select B")
    await ada.wait_message(lambda message: message.content == texts.POLICY_AWAY, where=thread)
    assert not await house.turns(thread)
    policy.away = False
    await house.eventually(lambda: len(house.boards(ada, thread)) == 3)
    assert [turn.action for turn in await house.turns(thread)] == ["select A", "select B"]
    notices = [m for m in ada.history(thread) if m.content == texts.POLICY_AWAY]
    assert len(notices) == 1


async def test_a_form_opens_though_discords_answer_is_lost(
    house: House, ada: Person, capsys: pytest.CaptureFixture[str]
):
    thread = await house.play(ada)
    lost = {"kind": "error", "status": 502, "after": True, "route": "/interactions/*/callback"}
    house.discord.faults.add(Fault(**lost))
    await ada.press_labelled(house.boards(ada, thread)[0], "Describe")
    form = await ada.wait_modal()
    house.discord.faults.add(Fault(**lost))
    await ada.submit_modal(form, {"utterance": "select A"})
    await house.next_board(ada, thread)
    assert len(await house.turns(thread)) == 1
    assert "warning" not in capsys.readouterr().err and not [m for m in ada.history(thread) if m.ephemeral]


async def test_no_game_starts_before_the_policy_was_available(
    stopped_house: House, ada: Person, policy: ObedientPolicy, capsys: pytest.CaptureFixture[str]
):
    policy.away = True
    await stopped_house.start()
    await ada.slash("play", "play")
    answer = await ada.wait_message(lambda message: message.ephemeral)
    assert answer.content == texts.POLICY_AWAY_NO_GAME
    assert "Traceback" not in capsys.readouterr().err
    assert not [channel for channel in ada.channels() if channel.is_thread]
    policy.away = False
    await stopped_house.play(ada)


async def test_a_game_on_a_broken_adapter_goes_on_without_it(
    house: House, ada: Person, policy: ObedientPolicy
):
    policy.current = "round-0001-b-sup"
    thread = await house.play(ada)
    policy.broken_adapters.add("round-0001-b-sup")
    await house.turn(ada, thread, "select A")
    (turn,) = await house.turns(thread)
    assert turn.adapter == "base" and (await house.game(thread)).adapter == "base"


async def test_an_utterance_that_the_policy_refuses_is_dropped_with_an_answer(
    house: House, ada: Person, policy: ObedientPolicy
):
    thread = await house.play(ada)
    policy.broken_adapters.add("base")
    await ada.say(thread, "select A")
    await ada.wait_message(lambda message: message.content == texts.NOT_UNDERSTOOD, where=thread)
    policy.broken_adapters.clear()
    await house.turn(ada, thread, "select B")
    assert [turn.action for turn in await house.turns(thread)] == ["select B"]


@pytest.fixture
async def impatient_house(stopped_house: House) -> House:
    """A running bot with a short timeout for a locked database."""
    stopped_house.with_settings(store={"database_timeout": 0.3})
    await stopped_house.start()
    return stopped_house


async def lock(house: House) -> sqlite3.Connection | psycopg.Connection:
    """Holds the database's write lock, as soon as the bot, which shares this event loop, releases it. PostgreSQL has
    none: there it locks the tables that the bot writes."""
    if house.database.on_postgres:
        server = await asyncio.to_thread(psycopg.connect, house.settings.store.url)
        await asyncio.to_thread(server.execute, "LOCK TABLE game, turn, instruction IN EXCLUSIVE MODE")
        return server
    other = sqlite3.connect(
        house.settings.store.data_dir / "respect.db", isolation_level=None, check_same_thread=False
    )
    await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
    return other


async def test_nothing_is_shown_that_a_locked_database_did_not_save(
    impatient_house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    async def at_once(*_: object, **__: object) -> None:
        """In place of discord.py's wait of five seconds before a new session."""

    monkeypatch.setattr(discord.Client, "before_identify_hook", at_once)
    house = impatient_house
    thread = await house.play(ada)
    other = await lock(house)
    await ada.say(thread, "select A")
    await ada.wait_message(lambda message: message.content == texts.NOT_KEPT, where=thread)
    await ada.slash("play", "giveup")
    sure = await ada.wait_message(lambda message: message.content == texts.GIVE_UP_SURE)
    await ada.press_labelled(sure, "Yes, give up")
    await ada.wait_message(lambda message: message.content == texts.STORE_TROUBLE)
    assert len(house.boards(ada, thread)) == 1
    other.execute("ROLLBACK")
    other.close()
    await house.discord.gateway.strike("invalidate", resumable=False)  # what was missed is read again
    await house.turn(ada, thread, "select B")
    assert [turn.action for turn in await house.turns(thread)] == ["select B"]


async def test_a_turn_that_cannot_be_committed_yet_is_shown_later(
    impatient_house: House, ada: Person, policy: ObedientPolicy
):
    house = impatient_house
    thread = await house.play(ada)
    policy.open.clear()
    await ada.say(thread, "select A")
    await house.eventually(lambda: policy.asked)
    other = await lock(house)
    policy.open.set()
    await ada.wait_message(lambda message: message.content == texts.NOT_SAVED, where=thread)
    assert len(house.boards(ada, thread)) == 1
    other.execute("ROLLBACK")
    other.close()
    await house.next_board(ada, thread)
    assert [turn.action for turn in await house.turns(thread)] == ["select A"]


async def test_the_text_of_a_form_that_cannot_be_saved_is_returned(impatient_house: House, ada: Person):
    house = impatient_house
    thread = await house.play(ada)
    await ada.press_labelled(house.boards(ada, thread)[0], "Describe")
    form = await ada.wait_modal()
    other = await lock(house)
    await ada.submit_modal(form, {"utterance": "the swan"})
    answer = await ada.wait_message(lambda message: message.ephemeral)
    assert answer.content == texts.NOT_KEPT_FORM + "the swan"
    other.close()


async def test_a_message_saved_at_the_third_attempt_is_played(house: House, ada: Person):
    thread = await house.play(ada)
    refused = []

    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def refuse_twice(_connection, _cursor, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO instruction") and len(refused) < 2:
            refused.append(statement)
            raise sa.exc.OperationalError(statement, None, sqlite3.OperationalError("database is locked"))

    try:
        await house.turn(ada, thread, "select A")
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", refuse_twice)
    assert len(refused) == 2
    assert [turn.action for turn in await house.turns(thread)] == ["select A"]
    assert not [message for message in ada.history(thread) if message.content == texts.NOT_KEPT]


@sqlite_only
async def test_a_full_disk_is_reported_and_the_bot_continues(house: House, ada: Person):
    thread = await house.play(ada)
    other = sqlite3.connect(house.settings.store.data_dir / "respect.db", isolation_level=None, timeout=30)
    other.execute("VACUUM")  # migrations leave free pages, which would be used first
    (pages,) = other.execute("PRAGMA page_count").fetchone()
    other.close()
    full = True

    @sa.event.listens_for(sa.pool.Pool, "checkout")
    def no_more_pages(connection, _record, _proxy) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count={pages if full else 2**30}")
        cursor.close()

    try:
        for _ in range(9):
            await ada.say(thread, "the " + "very " * 190 + "big dog")
            answer = await ada.wait_message(lambda message: not has_board(message) or message.components)
            if answer.content in (texts.NOT_KEPT, texts.NOT_SAVED):
                break
        else:
            pytest.fail("the disk was not full")
        played = await house.turns(thread)
        assert len(house.boards(ada, thread)) == len(played) + 1
        full = False
        if answer.content == texts.NOT_KEPT:
            await ada.say(thread, "a dog")
        await house.next_board(ada, thread)
        assert len(await house.turns(thread)) == len(played) + 1
    finally:
        sa.event.remove(sa.pool.Pool, "checkout", no_more_pages)


async def test_a_deleted_thread_ends_its_game(house: House, ada: Person):
    thread = await house.play(ada)
    house.discord.world.remove_channel(thread)

    async def ended() -> bool:
        return (await house.game(thread)).outcome is Outcome.GIVEN_UP

    await house.eventually(ended)
    other = await house.play(ada)
    assert (await house.game(other)).outcome is Outcome.OPEN


async def test_a_thread_deleted_while_the_bot_was_away_ends_its_game(house: House, ada: Person):
    thread = await house.play(ada)
    await house.settled(thread)
    await house.stop()
    house.discord.world.remove_channel(thread)
    await house.start()
    await house.play(ada)
    assert (await house.game(thread)).outcome is Outcome.GIVEN_UP


async def test_missing_permissions_are_named(house: House, ada: Person):
    channel = house.discord.channel("play")
    deny = Permission.CREATE_PUBLIC_THREADS | Permission.ATTACH_FILES
    world = house.discord.world
    world.set_overwrite(channel, world.app.user, deny=deny)
    await ada.slash("play", "play")
    answer = await ada.wait_message(lambda message: message.ephemeral)
    assert "**Create Public Threads**" in answer.content and "**Attach Files**" in answer.content


async def test_nothing_is_done_for_an_interaction_that_is_too_old_to_answer(
    policy: ObedientPolicy, tmp_path: Path
):
    async with (
        LocalDiscord(channels=CHANNELS) as service,
        house_of(service, policy, tmp_path) as house,
    ):
        await house.start()
        ada = await service.people.join("Ada")
        service.interactions.response_window = 0.2
        service.faults.add(Fault(kind="delay", route="/interactions/*/callback", delay=0.6))
        await ada.slash("play", "play")
        await ada.wait_for("INTERACTION_FAILED")
        callbacks = "/interactions/{interaction_id}/{interaction_token}/callback"
        await house.eventually(lambda: service.log.of("POST", callbacks))
        await asyncio.sleep(0.5)
        assert [request.status for request in service.log.of("POST", callbacks)] == [404]
        assert not [channel for channel in ada.channels() if channel.is_thread]
        service.interactions.response_window = PATIENCE_SECONDS
        await house.play(ada)


async def test_a_wrong_or_missing_token_says_how_to_fix_it(stopped_house: House):
    for token, words in (
        (None, "RESPECT_DISCORD__TOKEN is not set"),
        ("wrong.token.here", "refuses the token"),
        ("two\nlines", "has characters that no token has"),
    ):
        stopped_house.with_settings(discord={"token": SecretStr(token) if token else None})
        with pytest.raises(StartupError, match=words):
            await serve(stopped_house.settings)


async def test_a_missing_intent_says_how_to_fix_it(stopped_house: House):
    stopped_house.discord.world.app.message_content = False
    with pytest.raises(StartupError, match="RESPECT_DISCORD__MESSAGE_CONTENT=false"):
        await serve(stopped_house.settings)


async def test_other_bad_settings_say_how_to_fix_them(stopped_house: House, tmp_path: Path):
    good = stopped_house.settings
    (tmp_path / "file").write_text("")
    taken = int(stopped_house.policy.url.rsplit(":", 1)[1])
    for changes, words in (
        ({"play": {"images": "kilogram:/nowhere"}}, "RESPECT_PLAY__IMAGES"),
        ({"rounds": {"schedule": "every day"}}, "RESPECT_ROUNDS__SCHEDULE"),
        ({"store": {"database_url": f"sqlite:///{tmp_path / 'file'}/respect.db"}}, "RESPECT_STORE__DATA_DIR"),
        ({"web": {"port": taken}}, "RESPECT_WEB__PORT to another port"),
        ({"web": {"host": "no.such.host.invalid"}}, "RESPECT_WEB__HOST to an address"),
        ({"web": {"host": "203.0.113.7"}}, "RESPECT_WEB__HOST to an address"),
    ):
        with pytest.raises(StartupError, match=words):
            await serve(good.changed(**changes))


async def test_an_unreachable_service_is_named(stopped_house: House):
    stopped_house.with_settings(discord={"api": "http://127.0.0.1:9/api/v10"})
    with pytest.raises(StartupError, match="cannot be reached"):
        await serve(stopped_house.settings)


@pytest.mark.parametrize(
    ("kind", "route", "count"),
    [  # aiohttp repeats a request once whose connection is lost, discord.py one that is answered 500, but not 503
        ("error", "/users/@me", 2),
        ("error", "/applications/*/commands", 1),
        ("error", "/gateway/bot", 1),
        ("drop", "/users/@me", 2),
        ("drop", "/gateway/bot", 2),
        ("drop", "/applications/*/commands", 2),
    ],
)
async def test_a_start_in_discords_trouble_is_tried_again(
    stopped_house: House,
    ada: Person,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: Literal["error", "drop"],
    route: str,
    count: int,
):
    monkeypatch.setattr("bot.app.TROUBLE_SECONDS", 0.01)
    house = stopped_house
    house.discord.faults.add(Fault(kind=kind, status=503, route=route, count=count, after=True))
    await house.start()
    assert not house.discord.faults.current()  # all failures were met
    await house.play(ada)
    log = capsys.readouterr().err
    waited = count if kind == "error" else count - 1
    assert log.count("Discord has trouble, it is tried again") == waited and "Traceback" not in log


@pytest.mark.parametrize("strike", ["reconnect", 1000, 4008, 4010])
async def test_games_go_on_however_the_gateway_closes(
    stopped_house: House,
    ada: Person,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    strike: str | int,
):
    monkeypatch.setattr("bot.app.TROUBLE_SECONDS", 0.01)
    house = stopped_house
    await house.start()
    thread = await house.play(ada)
    await house.discord.gateway.strike(strike, resumable=False)
    await ada.say(thread, "select A")
    await house.eventually(lambda: len(house.boards(ada, thread)) == 2)
    assert "Traceback" not in capsys.readouterr().err


async def test_a_bot_whose_token_is_reset_while_it_runs_says_how_to_fix_it(house: House, ada: Person):
    await house.play(ada)
    await house.discord.gateway.close(4004)
    assert house.bot is not None
    with pytest.raises(StartupError, match="refuses the token"):
        await asyncio.wait_for(house.bot, 30)
    house.bot = None

"""The bot is stopped during games and started again, and what it was about to show is shown."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import discord
import psutil
import pytest
from bot_house import House, buttons, has_board

from games.core import Outcome
from local_discord import Fault, Person

ROOT = Path(__file__).parents[3]
PARENT = """
import os, subprocess, sys, time
bot = subprocess.Popen([sys.executable, "-m", "bot", "--parent", str(os.getpid())], start_new_session=True)
print(bot.pid, flush=True)
time.sleep(3600)
"""


@asynccontextmanager
async def parent_of_bot(house: House) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that starts the bot, and writes its process id."""
    settings = house.settings
    assert settings.discord.token is not None
    environment = {
        "RESPECT_DISCORD__TOKEN": settings.discord.token.get_secret_value(),
        "RESPECT_DISCORD__API": str(settings.discord.api),
        "RESPECT_DISCORD__GATEWAY": str(settings.discord.gateway),
        "RESPECT_STORE__DATA_DIR": str(settings.store.data_dir),
        "RESPECT_STORE__DATABASE_URL": settings.store.url,
        "RESPECT_SERVICE__URL": house.policy.url,
        "RESPECT_PLAY__COOLDOWN": "0",
        "RESPECT_PLAY__BURST": str(settings.play.burst),
        "RESPECT_WEB__PORT": "0",
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT),
        env={**os.environ, **environment},
        cwd=settings.store.data_dir,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_stopped_bot_reads_what_it_missed_and_buttons_still_work(house: House, ada: Person):
    thread = await house.play(ada)
    await house.turn(ada, thread, "select A")
    await house.settled(thread)
    await house.stop()
    await ada.say(thread, "select B")
    await ada.say(thread, "// is it asleep?")
    await ada.say(thread, "select C")
    await house.start()
    await house.eventually(lambda: len(house.boards(ada, thread)) == 4)
    assert [turn.action for turn in await house.turns(thread)] == ["select A", "select B", "select C"]
    await house.stop()
    await house.start()
    await ada.press_labelled(house.boards(ada, thread)[-1], "Describe")
    form = await ada.wait_modal()
    await ada.submit_modal(form, {"utterance": "select D"})
    await house.next_board(ada, thread)
    assert len(house.boards(ada, thread)) == 5


async def test_a_form_opened_before_a_restart_can_be_sent_after_it(house: House, ada: Person):
    thread = await house.play(ada)
    await ada.press_labelled(house.boards(ada, thread)[0], "Describe")
    form = await ada.wait_modal()
    await house.stop()
    await house.start()
    await ada.submit_modal(form, {"utterance": "select D"})
    await house.next_board(ada, thread)
    assert [turn.action for turn in await house.turns(thread)] == ["select D"]


async def test_a_board_that_was_sent_but_not_recorded_is_not_sent_again(house: House, ada: Person):
    thread = await house.play(ada)
    await house.turn(ada, thread, "select A")
    await house.settled(thread)
    await house.stop()
    async with (
        house.database.async_session() as session
    ):  # the state after a kill between sending and recording
        game = await house.game(thread)
        game.shown_turns, game.board_message_id = 0, str(house.boards(ada, thread)[0].id)
        session.add(game)
    await house.start()
    game = await house.settled(thread)
    assert len(house.boards(ada, thread)) == 2
    assert game.board_message_id == str(house.boards(ada, thread)[1].id)


async def test_a_board_that_was_never_sent_is_shown_after_a_restart(
    house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("bot.play.session.CLOSING_SECONDS", 0.3)
    thread = await house.play(ada)
    house.discord.faults.add(Fault(kind="error", method="POST", route="/channels/*/messages", count=None))
    await ada.say(thread, await house.winning_words(thread))

    async def won() -> bool:
        return (await house.game(thread)).outcome is Outcome.WON

    await house.eventually(won)
    await house.stop()
    house.discord.faults.clear()
    assert len(house.boards(ada, thread)) == 1
    await house.start()
    await house.settled(thread)
    assert buttons(house.boards(ada, thread)[-1]) == ["New game"]
    assert len(house.boards(ada, thread)) == 2


async def test_a_board_whose_request_was_interrupted_is_not_sent_twice(house: House, ada: Person):
    thread = await house.play(ada)
    house.discord.faults.add(Fault(kind="drop", method="POST", route="/channels/*/messages", after=True))
    await ada.say(thread, "select A")
    await ada.say(thread, "select B")

    async def both() -> bool:
        return len(await house.turns(thread)) == 2

    await house.eventually(both)
    await house.settled(thread)
    assert len(house.boards(ada, thread)) == 3


async def test_a_lost_gateway_session_loses_no_message(
    house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    async def at_once(*_: object, **__: object) -> None:
        """In place of discord.py's wait of five seconds before a new session."""

    monkeypatch.setattr(discord.Client, "before_identify_hook", at_once)
    thread = await house.play(ada)
    await house.turn(ada, thread, "select A")
    await house.discord.gateway.strike("invalidate", resumable=False)
    await ada.say(thread, "select B")
    await house.eventually(lambda: len(house.boards(ada, thread)) == 3)
    await house.turn(ada, thread, "select C")
    assert [turn.action for turn in await house.turns(thread)] == ["select A", "select B", "select C"]
    assert has_board(house.boards(ada, thread)[-1])


async def test_a_bot_stops_while_it_connects_again(house: House):
    house.discord.gateway.invalidate()
    await house.eventually(lambda: not house.discord.gateway.connected)
    await asyncio.sleep(0.2)  # discord.py waits five seconds now, and forgets that it was cancelled
    stopping = asyncio.create_task(house.stop())
    await asyncio.wait({stopping}, timeout=10)
    assert stopping.done()


async def test_a_bot_whose_parent_was_killed_stops(stopped_house: House):
    house = stopped_house
    async with parent_of_bot(house) as parent:
        assert parent.stdout is not None
        bot = psutil.Process(int(await parent.stdout.readline()))
        await house.eventually(lambda: house.discord.gateway.connected)
        assert bot.is_running()
        parent.kill()
        await house.eventually(lambda: not house.discord.gateway.connected)
        await house.eventually(lambda: not bot.is_running() or bot.status() == psutil.STATUS_ZOMBIE)

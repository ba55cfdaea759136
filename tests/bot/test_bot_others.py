"""One game, one form or one bot that goes wrong stops nothing else."""

import ast
import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import pytest
from bot_house import House
from discord.http import HTTPClient
from sqlmodel import select

from bot import texts
from bot.app import RespectBot, serve
from bot.errors import StartupError
from games.core import Outcome
from learner.registry import CARD
from local_discord import Fault, Person
from store.games import queue_instruction
from store.models import Game, Instruction, now
from store.repeats import Repeats
from tests.postgres import sqlite_only

ROOT = Path(__file__).parents[2]
FOLDERS = ("bot", "cli", "games", "learner", "research", "sim", "store", "web")


def test_no_log_line_names_a_value_event():
    """structlog's own first parameter: naming a value so is a TypeError, where the line is needed most."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"debug", "info", "warning", "error", "exception", "critical", "bind"}
        and any(keyword.arg == "event" for keyword in node.keywords)
    ]
    assert not wrong


async def test_an_event_that_fails_is_logged(house: House, ada: Person, monkeypatch: pytest.MonkeyPatch):
    async def fail(*_: object) -> None:
        raise LookupError("in an event")

    shown: list[str] = []
    on_error = RespectBot.on_error

    async def watched(self: RespectBot, event_method: str, /, *args: object, **kwargs: object) -> None:
        await on_error(self, event_method, *args, **kwargs)
        shown.append(event_method)

    monkeypatch.setattr(RespectBot, "on_error", watched)
    thread = await house.play(ada)
    monkeypatch.setattr("bot.play.inbox.Inbox.message", fail)
    await ada.say(thread, "select A")
    await house.eventually(lambda: shown)
    assert set(shown) == {"on_message"}


async def test_a_broken_history_stops_only_its_own_game_and_is_tried_again(
    house: House, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
):
    first, second = await house.play(ada), await house.play(bob)
    for thread in (first, second):
        await house.settled(thread)
    await house.stop()
    await ada.say(first, "select A")
    await bob.say(second, "select B")
    broken = asyncio.Event()
    broken.set()
    history = HTTPClient.logs_from

    async def answered(self: HTTPClient, channel_id: int, *args: object, **options: object):
        found = await history(self, channel_id, *args, **options)  # pyright: ignore[reportArgumentType]
        return [{"id": "7"}] if broken.is_set() and channel_id == first.id else found

    monkeypatch.setattr(HTTPClient, "logs_from", answered)
    await house.start()
    await house.eventually(lambda: len(house.boards(bob, second)) == 2)
    await ada.say(first, "select C")
    broken.clear()
    await house.eventually(lambda: len(house.boards(ada, first)) == 3)
    assert [turn.action for turn in await house.turns(first)] == ["select A", "select C"]


async def opened_form(house: House, person: Person):
    thread = await house.play(person)
    await person.press_labelled(house.boards(person, thread)[0], "Describe")
    return thread, await person.wait_modal()


@pytest.mark.parametrize("after", [True, False])
async def test_a_form_is_kept_whatever_becomes_of_its_acknowledgement(house: House, ada: Person, after: bool):
    thread, form = await opened_form(house, ada)
    route = "/interactions/*/callback"
    house.discord.faults.add(Fault(kind="error", method="POST", route=route, status=502, after=after))
    if not after:
        house.discord.faults.add(Fault(kind="drop", method="POST", route=route, count=None))
    await ada.submit_modal(form, {"utterance": "select D"})
    await house.next_board(ada, thread)
    house.discord.faults.clear()
    assert [turn.action for turn in await house.turns(thread)] == ["select D"]
    assert not [m for m in ada.history(thread) if m.content.startswith(texts.NOT_KEPT_FORM)]


async def test_a_form_belongs_to_the_player_whom_the_store_names(house: House, ada: Person, bob: Person):
    thread = await house.play(ada)
    _, form = await opened_form(house, bob)
    opened = house.discord.interactions.opened_modal(int(form["interaction_id"]), bob.user)
    assert opened.modal is not None
    opened.modal["custom_id"] = f"describe-form:{(await house.game(thread)).id}:{bob.id}"
    await bob.submit_modal(form, {"utterance": "select D"})
    answer = await bob.wait_message(lambda message: message.ephemeral)
    assert answer.content == texts.GAME_ELSEWHERE
    assert not await house.turns(thread)


async def test_a_second_bot_on_one_data_folder_says_so(house: House, ada: Person):
    with pytest.raises(StartupError, match="Another bot is running with the data folder"):
        await serve(house.settings)
    await house.play(ada)
    await house.stop()
    await house.start()


async def test_nothing_is_queued_for_a_game_that_is_over(house: House, ada: Person):
    thread = await house.play(ada)
    await house.turn(ada, thread, await house.winning_words(thread))
    game = await house.settled(thread)
    assert game.outcome is Outcome.WON
    async with house.database.async_writing() as session:
        assert not await queue_instruction(session, game.id, "select A", "77")
    async with house.database.async_session() as session:
        assert not (await session.exec(select(Instruction))).all()


async def test_a_clock_that_was_set_back_makes_nobody_wait(stopped_house: House, ada: Person):
    stopped_house.with_settings(play={"cooldown": 30})
    await stopped_house.start()
    thread = await stopped_house.play(ada)
    await stopped_house.turn(ada, thread, await stopped_house.winning_words(thread))
    await stopped_house.settled(thread)
    async with stopped_house.database.async_writing() as session:
        game = (await session.exec(select(Game))).one()
        game.started_at = now() + timedelta(hours=1)
        session.add(game)
    await ada.slash("play", "play")
    await stopped_house.eventually(
        lambda: len([channel for channel in ada.channels() if channel.is_thread]) == 2
    )

    async def two_games() -> bool:
        async with stopped_house.database.async_session() as session:
            return len((await session.exec(select(Game))).all()) == 2

    await stopped_house.eventually(two_games)


@sqlite_only
async def test_an_empty_database_beside_adapters_is_a_warning(
    stopped_house: House, ada: Person, capsys: pytest.CaptureFixture[str]
):
    folder = stopped_house.settings.adapters_dir / "round-0001-b-sup"
    folder.mkdir(parents=True)
    (folder / CARD).write_text("{}")
    (stopped_house.settings.store.data_dir / "respect.db").touch()
    await stopped_house.start()
    assert "there are adapters, but no games" in capsys.readouterr().err


def test_log_lines_that_repeat_are_counted():
    shown: list[str] = []

    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            shown.append(record.getMessage())

    handler, now = Shown(), [0.0]
    repeats = Repeats(most=3, seconds=60, clock=lambda: now[0])
    handler.addFilter(repeats)
    log = logging.getLogger("tests.repeats")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(handler)
    for number in range(1000):
        log.warning("accept failed: %d", number)
    for number in range(10):
        log.info("a turn: %d", number)
    assert len(shown) == 13
    now[0] += 60
    assert repeats.filter(logging.makeLogRecord({"name": "x", "levelno": logging.ERROR, "msg": "another"}))
    assert shown[-1] == "997 more times within 60 s: accept failed: %d"

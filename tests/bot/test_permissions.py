"""Who may use each command, button and form, tried past the checks of Discord's client. docs/permissions.md has it."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from bot_house import House
from catalogues import ROOT
from permission_table import BUTTONS, COLUMNS, COMMANDS, NONE, REFUSALS, YES, Row, document, pattern

import bot.statistics.cog
from bot.components import Button, Form
from local_discord import Person
from local_discord.forged import Forger, answer_to
from local_discord.model import Channel, Json
from store.guilds import add_play_channel

ANSWER_SECONDS = 30.0
PUT_IN = re.compile(r"\{(\w+)\}")


class Stage:
    """A server with people of every kind, a second one, and what the rows of the table put in."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.forger = Forger(house.discord)
        self.people: dict[str, Person] = {}
        self.places: dict[str, Channel] = {}
        self.known: dict[str, str] = {}
        self.games: dict[str, str] = {}

    async def set_up(self) -> None:
        house, service = self.house, self.house.discord
        world, join = service.world, service.people.join
        play, chat = service.channel("play"), service.channel("general")
        grace, owner = await join("Grace", moderator=True), service.people.person(world.app.owner)
        service.guild.owner_id = grace.id
        service.guild.members[owner.id].roles.clear()
        elsewhere = world.add_guild("Elsewhere")
        far = world.add_channel(elsewhere, "far")
        olga = await join("Olga", elsewhere, moderator=True)
        await house.start()
        async with house.database.async_writing() as session:
            await add_play_channel(session, str(service.guild.id), str(play.id))
        ada, pia, eve, walt, dora = [await join(name) for name in ("Ada", "Pia", "Eve", "Walt", "Dora")]
        for person in (ada, pia, eve):
            thread = await house.play(person)
            self.games[person.name] = (await house.game(thread)).id
            if person is ada:
                self.thread = thread
        await service.people.leave(eve)
        self.ada, self.pia, self.eve = ada, pia, eve
        self.people = dict(zip(COLUMNS, (ada, grace, owner, eve, walt, dora, olga), strict=True))
        direct = {"banned": await eve.direct(), "direct": await dora.direct(), "server": far}
        self.places = dict.fromkeys(COLUMNS, play) | {"channel": chat} | direct
        self.known = {
            "pia": str(pia.id),
            "eve": str(eve.id),
            "pias_game": self.games["Pia"],
            "general": str(chat.id),
            "chat": str(chat.id),
        }

    async def answer(self, row: Row, column: str) -> str | None:
        """What the bot says to one person."""
        person, place = self.people[column], self.places[column]
        if column == "direct" and row not in COMMANDS:  # the same person, who is elsewhere
            person, place = self.ada, await self.ada.direct()
        whose = self.eve if column == "banned" else self.ada
        known = {"me": str(person.id), "whose": str(whose.id), "game": self.games[whose.name], **self.known}

        def put(value: Any) -> Any:
            return PUT_IN.sub(lambda found: known[found[1]], value) if isinstance(value, str) else value

        if row in COMMANDS:
            options = {name: put(value) for name, value in row.options.items()}
            sent = self.forger.command(person, place, row.what, options, focused=row.focused)
            if sent.choices is not None:
                return " ".join(each["value"] for each in await sent.choices)
            return await answer_to(sent, ANSWER_SECONDS)
        if column not in ("banned", "direct", "server"):
            place = self.thread
        if row.fields is not None:
            return await answer_to(
                self.forger.submit(person, place, put(row.what), row.fields), ANSWER_SECONDS
            )
        return await answer_to(self.forger.press(person, place, put(row.what)), ANSWER_SECONDS)


def problem(row: Row, column: str, answer: str | None) -> str | None:
    """What is wrong with an answer."""
    expected = row.expected()[column]
    if expected == YES:
        refused = answer is None or any(pattern(text).match(answer) for text in REFUSALS.values())
        right = not refused and answer is not None and answer.startswith(row.allowed)
    elif expected == NONE:
        right = answer == ""
    else:
        right = answer is not None and pattern(REFUSALS[expected]).match(answer) is not None
    return None if right else f"{row.shown}, {column}: expected {expected}, but: {answer!r}"


def concrete(kind: type) -> Iterator[type]:
    """The classes of buttons or forms that have a template of their own."""
    for each in kind.__subclasses__():
        if template_of(each).pattern != r"(?!)":
            yield each
        yield from concrete(each)


def template_of(kind: Any) -> re.Pattern[str]:
    if issubclass(kind, Form):
        return kind.template
    return kind.__discord_ui_compiled_template__


def names_of(node: Json, before: str = "") -> Iterator[str]:
    """The full names of a registered command and those below it."""
    below = [each for each in node.get("options") or () if each["type"] in (1, 2)]
    for each in below:
        yield from names_of(each, f"{before}{node['name']} ")
    if not below:
        yield before + node["name"]


async def test_everybody_may_use_what_the_table_says(stopped_house: House, monkeypatch: pytest.MonkeyPatch):
    house = stopped_house
    monkeypatch.setattr(bot.statistics.cog, "USES", 100)
    house.with_settings(rounds={"managed_by": "owner"})
    stage = Stage(house)
    await stage.set_up()
    registered = house.discord.world.commands[None].values()
    assert {name for each in registered for name in names_of(each)} == {row.what for row in COMMANDS}
    kinds = {each for base in (Button, Form) for each in concrete(base)}
    examples = [
        PUT_IN.sub(lambda found: "a" * 32 if "game" in found[1] else "1", row.what) for row in BUTTONS
    ]
    for kind in kinds:
        assert any(template_of(kind).fullmatch(each) for each in examples), f"no row for {kind}"
    problems = []
    for row in (*COMMANDS, *BUTTONS):
        others = [column for column in COLUMNS if column not in ("player", "direct")]
        answers = dict(
            zip(others, await asyncio.gather(*(stage.answer(row, each) for each in others)), strict=True)
        )
        for column in ("player", "direct"):  # what they may do is not undone
            answers[column] = await stage.answer(row, column)
        problems += filter(None, (problem(row, column, answers[column]) for column in COLUMNS))
    assert not problems, "\n".join(problems)


def test_the_document_is_that_of_the_table():
    path = ROOT / "docs/permissions.md"
    assert path.read_text() == document(), "run python tests/bot/permission_table.py > docs/permissions.md"

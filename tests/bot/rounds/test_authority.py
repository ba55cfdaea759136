"""Who may start rounds and change adapters, requests to the owner, and what must lie between two rounds."""

from datetime import timedelta
from typing import Any

import pytest
from bot_house import House
from pydantic import ValidationError
from rounds_house import add_adapter, ask, erase_turns_of, finish_a_game, press, registry_of, rounds, say
from sqlmodel import col, update

from bot.rounds import report_texts, texts
from bot.settings import BotSettings
from local_discord import Person
from local_discord.model import Message
from store.models import Game, Origin, Round, RoundStatus, now
from store.rounds import request_round

ACTS: dict[str, dict[str, Any]] = {
    "round start": {},
    "round cancel": {},
    "round promote": {"adapter": "base"},
    "round rollback": {},
    "round schedule": {"cron": "0 4 * * *"},
}


async def started(house: House, **settings: object) -> tuple[Person, Person]:
    """Start the bot with settings of rounds. Gives a moderator and the application's owner."""
    house.with_settings(rounds=settings)
    await house.start()
    grace = await house.discord.people.join("Grace", moderator=True)
    return grace, house.discord.people.person(house.discord.world.app.owner)


@pytest.mark.parametrize("managed_by", ["owner", "servers", "request"])
async def test_the_owner_may_always_and_moderators_may_look(
    stopped_house: House, ada: Person, managed_by: str
):
    house = stopped_house
    grace, owner = await started(house, managed_by=managed_by, servers="1, 22")
    if managed_by != "request":
        for command, options in ACTS.items():
            assert await say(house, grace, command, **options) == texts.NOT_MANAGING
    for command in ("round status", "round history", "round schedule"):
        assert await say(house, grace, command) != texts.NOT_MANAGING
    await finish_a_game(house, ada)
    assert await say(house, owner, "round start") == texts.round_queued(1)


async def test_moderators_of_named_servers_may(stopped_house: House, ada: Person):
    house = stopped_house
    grace, _ = await started(house, managed_by="servers", servers=f"1,{house.discord.guild.id}")
    await finish_a_game(house, ada)
    assert await say(house, grace, "round start") == texts.round_queued(1)


def test_who_may_by_default_and_what_is_refused():
    settings = BotSettings(_env_file=None)  # pyright: ignore[reportCallIssue]
    assert settings.managed_by == "owner"
    local = settings.changed(discord={"api": "http://127.0.0.1:1/api", "gateway": "ws://127.0.0.1:1"})
    assert (local.origin, local.managed_by) == (Origin.LOCAL, "moderators")
    for wrong in ({"managed_by": "servers"}, {"servers": "home"}, {"requests_channel": "#mods"}):
        with pytest.raises(ValidationError):
            settings.changed(rounds=wrong)


async def test_whoever_loses_the_permission_after_the_question_may_not(house: House, grace: Person):
    name = await add_adapter(house, 1)
    question = await ask(house, grace, "round promote", adapter=name)
    await house.stop()
    house.with_settings(rounds={"managed_by": "owner"})
    await house.start()
    assert await press(grace, question, texts.PROMOTE_YES) == texts.NOT_MANAGING
    assert registry_of(house).current() == "base"


def request_to(person: Person, where: object) -> Message:
    return [message for message in person.history(where) if "asks me to" in message.content][-1]  # pyright: ignore[reportArgumentType]


async def test_a_request_is_confirmed_by_the_owner_in_a_direct_message(stopped_house: House, ada: Person):
    house = stopped_house
    grace, owner = await started(house, managed_by="request")
    await finish_a_game(house, ada)
    assert await say(house, grace, "round start") == texts.REQUESTED
    assert not rounds(house)
    message = request_to(owner, await owner.direct())
    assert f"<@{grace.id}>" in message.content and report_texts.ACTS["start"] in message.content
    decided = await press(owner, message, texts.CONFIRM)
    assert f"Confirmed by <@{owner.id}>" in decided and not message.components
    assert rounds(house)[0].requested_by == str(grace.id)
    progress = await grace.wait_message(lambda found: "Round 1" in found.content, since=0)
    assert not progress.ephemeral and f"asked for by <@{grace.id}>" in progress.content
    told = await say(house, grace, "round history")
    assert f"<@{grace.id}> requested to start a round" in told
    assert f"<@{owner.id}> confirmed the request to start a round" in told


async def test_requests_go_to_the_named_channel_and_are_refused_there(stopped_house: House, bob: Person):
    house = stopped_house
    channel = house.discord.channel("general")
    grace, _ = await started(house, managed_by="request", requests_channel=str(channel.id))
    name = await add_adapter(house, 1)
    question = await ask(house, grace, "round promote", adapter=name)
    assert await press(grace, question, texts.PROMOTE_YES) == texts.REQUESTED
    message = request_to(grace, channel)
    assert await press(bob, message, texts.CONFIRM) == texts.NOT_MANAGING
    assert registry_of(house).current() == "base"
    heidi = await house.discord.people.join("Heidi", moderator=True)
    assert "Refused by" in await press(heidi, message, texts.REFUSE)
    told = await grace.wait_message(lambda found: "doesn't want me to" in found.content, since=0)
    assert f"promote `{name}`" in told.content and registry_of(house).current() == "base"


def ended(house: House, minutes_ago: float) -> None:
    """A round that has ended, and whose games are as old."""
    moment = now() - timedelta(minutes=minutes_ago)
    with house.database.session() as session:
        row = request_round(session, "b-sup")
        row.status, row.active = RoundStatus.DONE, None
        row.created_at = row.started_at = row.ended_at = moment
        session.add(row)
        session.exec(update(Game).where(col(Game.ended_at).is_not(None)).values(ended_at=moment))


async def test_a_round_waits_for_time_and_games(stopped_house: House, ada: Person):
    house = stopped_house
    grace, _ = await started(house, cooldown=60.0, least_games=2)
    await finish_a_game(house, ada)
    ended(house, 10)
    answer = await say(house, grace, "round start")
    assert "The next round may start <t:" in answer
    assert "It takes 2 new finished games since the last round; so far: 0." in answer
    await finish_a_game(house, ada)
    for hours in (-2, 2):  # 2: the clock was set back since the round ended
        async with house.database.async_writing() as session:
            await session.exec(update(Round).values(ended_at=now() + timedelta(hours=hours)))
        answer = await say(house, grace, "round start")
        assert "so far: 1." in answer and "<t:" not in answer
    await finish_a_game(house, ada)
    assert await say(house, grace, "round start") == texts.round_queued(2)


async def test_neither_time_nor_games_hold_up_the_end_of_an_erased_adapter(stopped_house: House, ada: Person):
    house = stopped_house
    grace, _ = await started(house, cooldown=60.0, least_games=5)
    await finish_a_game(house, ada)
    ended(house, 1)
    name = await add_adapter(house, 1)
    with house.database.session() as session:
        registry_of(house).promote(session, name)
    assert "The next round may start" in await say(house, grace, "round start")
    await erase_turns_of(house, name)
    assert await say(house, grace, "round start") == texts.round_queued(2)

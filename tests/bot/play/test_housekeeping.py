"""Silent games end, threads of finished games are archived, and chosen channels keep their Play button."""

import asyncio
from datetime import timedelta

import pytest
from bot_house import House, buttons

from bot import texts
from bot.play import housekeeping
from games.core import Outcome
from local_discord import Person
from local_discord.model import Channel, Message, MessageType
from local_discord.permissions import Permission
from local_discord.threads import change_thread
from store.guilds import play_channels
from store.models import EndReason, Game, Turn


@pytest.fixture
async def grace(house: House) -> Person:
    return await house.discord.people.join("Grace", moderator=True)


@pytest.fixture
async def house(stopped_house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house whose bot looks after threads all the time."""
    monkeypatch.setattr(housekeeping, "EVERY_SECONDS", 0.05)
    await stopped_house.start()
    return stopped_house


async def over(house: House, thread: Channel) -> bool:
    return (await house.game(thread)).outcome is not Outcome.OPEN


async def closed(house: House, thread: Channel) -> bool:
    return (await house.game(thread)).thread_closed


def changes(house: House) -> int:
    """Number of requests that changed a channel or a thread."""
    return len(house.discord.log.of("PATCH", "/channels/{channel_id}"))


def allow(house: House, permission: Permission) -> None:
    """Give the bot one more permission."""
    world, guild = house.discord.world, house.discord.guild
    role = world.bot_role(guild)
    world.set_role_permissions(guild, role, role.permissions | permission)


async def age(house: House, thread: Channel, hours: float) -> None:
    """Let everything in a game have happened earlier."""
    game = await house.game(thread)
    async with house.database.async_writing() as session:
        row = await session.get_one(Game, game.id)
        row.started_at -= timedelta(hours=hours)
        if row.ended_at is not None:
            row.ended_at -= timedelta(hours=hours)
        for turn in await house.turns(thread):
            (await session.get_one(Turn, turn.id)).answered_at -= timedelta(hours=hours)


async def set_up(person: Person, **options: object) -> Message:
    await person.slash("play", "setup", options)
    return await person.wait_message(lambda message: message.ephemeral)


async def test_silent_games_end_quietly(house: House, ada: Person, bob: Person):
    silent, lively = await house.play(ada), await house.play(bob)
    await house.turn(ada, silent, "the one like a Swan")
    await house.turn(bob, lively, "that isn’t it 🙈 the boat!")
    await age(house, lively, 47)
    await age(house, silent, 49)
    await house.eventually(lambda: over(house, silent))
    game = await house.game(silent)
    assert (game.outcome, game.end_reason) == (Outcome.GIVEN_UP, EndReason.IDLE)
    assert len(house.boards(ada, silent)) == 2  # no new board, which would open the thread again
    assert not await over(house, lively)
    await ada.say(silent, "no, the other one")
    await ada.wait_message(lambda message: message.content == texts.GAME_ENDED_IDLE)
    assert len(await house.turns(silent)) == 1
    await house.play(ada)


async def test_a_server_chooses_when_silent_games_end(house: House, ada: Person, bob: Person, grace: Person):
    assert "after 2 hours without a word" in (await set_up(grace, idle=2)).content
    his, hers = await house.play(bob), await house.play(ada)
    await age(house, his, 1)
    await age(house, hers, 3)
    await house.eventually(lambda: over(house, hers))
    assert not await over(house, his)
    assert "never" in (await set_up(grace, idle=0)).content
    await age(house, his, 1000)
    await asyncio.sleep(0.3)  # several rounds of housekeeping
    assert not await over(house, his)
    assert "after 2 days without a word (default)" in (await set_up(grace, reset="idle")).content
    await house.eventually(lambda: over(house, his))


@pytest.mark.parametrize("may_lock", [True, False])
async def test_threads_of_finished_games_are_archived_and_locked_where_wanted(
    house: House, ada: Person, grace: Person, may_lock: bool
):
    if may_lock:
        allow(house, Permission.MANAGE_THREADS)
    assert "archived and locked" in (await set_up(grace, lock=True)).content
    threads = [await house.play(person) for person in (ada, grace)]
    for person, thread in zip((ada, grace), threads, strict=True):
        await house.turn(person, thread, await house.winning_words(thread))
        await house.settled(thread)
    await age(house, threads[0], 1)
    await house.eventually(lambda: threads[0].archived)
    assert threads[0].locked is may_lock
    assert not threads[1].archived  # its player still reads there
    await house.eventually(lambda: closed(house, threads[0]))
    asked = changes(house)
    await asyncio.sleep(0.3)  # several rounds of housekeeping
    assert changes(house) == asked == 1


async def test_a_thread_that_is_archived_already_costs_no_request(house: House, ada: Person):
    thread = await house.play(ada)
    await house.settled(thread)
    change_thread(house.discord.world, thread, house.discord.world.app.user, {"archived": True})
    await age(house, thread, 100)
    await house.eventually(lambda: over(house, thread))
    await age(house, thread, 1)
    await house.eventually(lambda: closed(house, thread))
    assert changes(house) == 0


async def test_games_without_news_are_not_read_at_the_start(house: House, ada: Person, bob: Person):
    quiet, busy = await house.play(ada), await house.play(bob)
    await house.settled(quiet)
    await house.settled(busy)
    await house.stop()
    await bob.say(busy, "the Boat, please")
    before = len(house.discord.log.of("GET", "/channels/{channel_id}/messages"))
    await house.start()
    await house.next_board(bob, busy)
    paths = [
        record.path for record in house.discord.log.of("GET", "/channels/{channel_id}/messages")[before:]
    ]
    assert any(str(busy.id) in path for path in paths) and not any(str(quiet.id) in path for path in paths)
    await house.turn(ada, quiet, "the one like a swan")


async def test_a_chosen_channel_has_a_pinned_play_button_that_comes_back(
    house: House, ada: Person, grace: Person
):
    allow(house, Permission.PIN_MESSAGES)
    channel = house.discord.channel("play")
    report = (await set_up(grace, play_in=channel.id)).content
    assert f"Games are played in <#{channel.id}> only" in report
    first = next(each for each in ada.history(channel) if each.content == texts.PLAY_HERE)
    assert first.pinned and first.attachments[0].description and len(buttons(first)) == 2
    await grace.delete(first)
    second = await ada.wait_message(lambda message: message.content == texts.PLAY_HERE, where=channel)
    assert second.id != first.id
    await house.stop()
    await grace.delete(second)
    await house.start()
    third = await ada.wait_message(lambda message: message.content == texts.PLAY_HERE, where=channel)
    await ada.press_labelled(third, "Play: Pick one")
    board = await ada.wait_message(lambda message: f"Hi <@{ada.id}>" in message.content)
    assert house.discord.world.channel(board.channel_id).parent_id == channel.id
    lines = (MessageType.THREAD_CREATED, MessageType.PIN)
    await house.eventually(lambda: not [each for each in ada.history(channel) if each.type in lines])
    await set_up(grace, not_in=channel.id)
    await house.eventually(lambda: texts.PLAY_HERE not in [each.content for each in ada.history(channel)])


async def test_a_chosen_channel_that_was_deleted_meanwhile_is_forgotten(
    house: House, ada: Person, grace: Person
):
    gone = house.discord.world.add_channel(house.discord.guild, "old-games")
    await set_up(grace, play_in=gone.id)
    await house.stop()
    house.discord.world.remove_channel(gone)
    await house.start()
    await house.eventually(lambda: nothing_chosen(house))
    await house.play(ada)  # in any channel again


async def nothing_chosen(house: House) -> bool:
    async with house.database.async_session() as session:
        return not await play_channels(session)


async def test_games_are_played_where_and_as_the_server_wants(house: House, ada: Person, grace: Person):
    play, general = house.discord.channel("play"), house.discord.channel("general")
    await set_up(grace, play_in=general.id, games="pick")
    await ada.slash("play", "play", {"game": "pick"})
    assert f"<#{general.id}>" in (await ada.wait_message(lambda message: message.ephemeral)).content
    await ada.slash("general", "play")
    assert (
        "isn't played in this server" in (await ada.wait_message(lambda message: message.ephemeral)).content
    )
    await ada.slash("general", "play", {"game": "pick"})
    await ada.wait_message(lambda message: f"Hi <@{ada.id}>" in message.content)
    await set_up(grace, not_in=general.id, games="all", cooldown=3600)
    bob = await house.discord.people.join("Bob")
    thread = await house.play(bob)
    assert thread.parent_id == play.id
    await house.turn(bob, thread, await house.winning_words(thread))
    await bob.slash("play", "play")
    assert "Easy!" in (await bob.wait_message(lambda message: message.ephemeral)).content


async def test_moderators_end_games_of_others_and_nobody_else_does(
    house: House, ada: Person, bob: Person, grace: Person
):
    thread = await house.play(ada)
    await bob.slash("play", "giveup", {"player": ada.id})
    assert (await bob.wait_message(lambda message: message.ephemeral)).content == texts.MODERATORS_ONLY
    await grace.slash("play", "giveup", {"player": bob.id})
    assert (await grace.wait_message(lambda message: message.ephemeral)).content == texts.no_game_of(bob.id)
    await grace.slash("play", "giveup", {"player": ada.id})
    question = await grace.wait_message(lambda message: message.content == texts.end_sure(ada.id))
    await grace.press_labelled(question, texts.END_GAME)
    board = await ada.wait_message(lambda message: "A moderator ended the game" in message.content)
    assert board.channel_id == thread.id
    assert (await house.game(thread)).end_reason is EndReason.MODERATOR


async def test_a_game_is_resumed_with_its_board(house: House, ada: Person, grace: Person):
    await ada.slash("play", "resume")
    assert (await ada.wait_message(lambda message: message.ephemeral)).content == texts.NO_GAME
    thread = await house.play(ada)
    board = await house.turn(ada, thread, "the one like a swan")
    await house.settled(thread)
    await ada.slash("play", "resume")
    assert str(board.id) in (await ada.wait_message(lambda message: message.ephemeral)).content
    await grace.delete(board)
    await ada.slash("play", "resume")
    again = await house.next_board(ada, thread)
    assert again.id != board.id
    await house.turn(ada, thread, "no, the other one")

"""Players whose messages a proxy such as PluralKit posts again, and messages that the bot may not read."""

import pytest
from bot_house import House

from bot import texts
from local_discord import Person, messages
from local_discord.model import Channel, Message

WEBHOOK, PROXY = 4242, 4343
"""A webhook, and the application that made it."""


def post(house: House, thread: Channel, words: str) -> Message:
    """A proxy's webhook posts a message."""
    world = house.discord.world
    member = world.add_user("Luna", None, bot=True)
    return messages.create(world, thread, member, {"content": words}, webhook=(WEBHOOK, PROXY))


@pytest.mark.parametrize("deleted_first", [True, False])
async def test_words_of_a_proxy_are_its_players(stopped_house: House, ada: Person, deleted_first: bool):
    house = stopped_house
    house.with_settings(play={"burst": 0.6})
    await house.start()
    thread = await house.play(ada)
    post(house, thread, "the Boat")  # somebody else's
    own = await ada.say(thread, "L: No, that isn’t it, the Boat 🙈")
    await house.eventually(lambda: house.waiting(thread))
    if deleted_first:
        await ada.delete(own)
        await house.eventually(lambda: nothing_waits(house, thread))
    posted = post(house, thread, "No, that isn’t it, the Boat 🙈")
    if not deleted_first:
        await ada.delete(own)
    await house.next_board(ada, thread)
    turn = (await house.turns(thread))[0]
    assert (turn.utterance, turn.message_id) == (
        "No, that isn't it, the Boat 🙈",
        str(posted.id),
    )
    assert len(await house.turns(thread)) == 1


async def test_a_webhook_plays_nobodys_game(house: House, ada: Person):
    thread = await house.play(ada)
    post(house, thread, "select A")
    await house.turn(ada, thread, "select B")
    assert [turn.utterance for turn in await house.turns(thread)] == ["select B"]


async def nothing_waits(house: House, thread: Channel) -> bool:
    return not await house.waiting(thread)


async def test_plain_messages_are_not_played_at_a_start_either(stopped_house: House, ada: Person):
    """The portal grants the intent that the bot does without, so history has every message's words."""
    house = stopped_house
    house.with_settings(discord={"message_content": False})
    await house.start()
    thread = await house.play(ada)
    await house.settled(thread)
    await house.stop()
    await ada.say(thread, "select A")
    await house.start()
    await ada.wait_message(lambda message: message.content == texts.NO_PLAIN_MESSAGES, where=thread)
    await ada.say(thread, "select B")
    await ada.say(thread, f"<@{house.discord.world.app.user.id}> select C")
    await house.next_board(ada, thread)
    assert len(await house.turns(thread)) == 1


async def test_a_server_full_of_threads_is_explained(
    house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("local_discord.threads.MOST_ACTIVE", 0)
    await ada.slash("play", "play")
    answer = await ada.wait_message(lambda message: message.ephemeral)
    assert answer.content == texts.TOO_MANY_THREADS

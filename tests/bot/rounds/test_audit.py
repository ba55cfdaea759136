"""The channel in which a server's moderators read who did what."""

from bot_house import House
from rounds_house import add_adapter, ask, finish_a_game, press, rounds, say

from bot import texts as game_texts
from bot.rounds import texts
from local_discord import Person
from store.models import GuildSettings


def written(house: House, person: Person, channel: str = "moderators") -> list[str]:
    messages = person.history(house.discord.channel(channel))
    assert not any(message.mentions or message.mention_everyone for message in messages)
    return [message.content for message in messages]


async def chosen(house: House) -> str | None:
    async with house.database.async_session() as session:
        row = await session.get(GuildSettings, str(house.discord.guild.id))
        return row.audit_channel_id if row is not None else None


async def test_it_says_who_did_what_and_nobodys_words(house: House, ada: Person, grace: Person):
    moderators = house.discord.channel("moderators")
    told = await say(house, grace, "setup", audit=moderators.id, cooldown=0)
    assert f"Who did what: <#{moderators.id}>" in told
    thread = await house.play(ada)
    await house.turn(ada, thread, "the one that looks like a sailing boat")
    question = await ask(house, grace, "giveup", player=ada.id)
    assert await press(grace, question, game_texts.END_GAME) == game_texts.ENDED
    await say(house, grace, "round schedule", cron="0 4 * * *")
    name = await add_adapter(house, 1)
    for command, options, label in (
        ("round promote", {"adapter": name}, texts.PROMOTE_YES),
        ("round rollback", {}, texts.ROLLBACK_YES),
    ):
        await press(grace, await ask(house, grace, command, **options), label)
    await say(house, grace, "round start")
    await house.eventually(lambda: rounds(house)[0].stage == "train")
    await press(grace, await ask(house, grace, "round cancel"), texts.CANCEL_YES)
    who = f"<@{grace.id}>"
    wanted = [
        f"{who} changed settings: `audit: moderators`, `cooldown: 0.0`",
        f"{who} ended <@{ada.id}>'s game in <#{thread.id}>",
        f"{who} set the schedule to `0 4 * * *`",
        f"{who} promoted `{name}` (before: `base`)",
        f"{who} went back to `base` (before: `{name}`)",
        f"**Round 1** started (asked for by {who})",
        f"**Round 1** cancelled by {who}",
    ]
    await house.eventually(lambda: len(written(house, grace)) == len(wanted))
    lines = written(house, grace)
    assert [line[: len(each)] for line, each in zip(lines, wanted, strict=True)] == wanted
    assert not any("boat" in line for line in lines)


async def test_a_channel_is_told_that_it_is_told_no_more(house: House, grace: Person):
    moderators, general = house.discord.channel("moderators"), house.discord.channel("general")
    await say(house, grace, "setup", audit=moderators.id)
    await say(house, grace, "setup", audit=general.id)
    await say(house, grace, "setup", reset="audit")
    who = f"<@{grace.id}> changed settings:"
    moved = f"{who} `audit: general`"
    await house.eventually(lambda: len(written(house, grace, "general")) == 2)
    assert written(house, grace) == [f"{who} `audit: moderators`", moved]
    assert written(house, grace, "general") == [moved, f"{who} `reset: audit`"]


async def test_a_channel_that_is_gone_is_forgotten(house: House, grace: Person):
    world = house.discord.world

    async def forgotten() -> bool:
        return await chosen(house) is None

    await say(house, grace, "setup", audit=house.discord.channel("moderators").id)
    world.remove_channel(house.discord.channel("moderators"))
    await house.eventually(forgotten)
    await say(house, grace, "setup", audit=house.discord.channel("general").id)
    await house.stop()  # it does not hear that it is deleted
    world.remove_channel(house.discord.channel("general"))
    await house.start()
    assert "Rounds start" in await say(house, grace, "round schedule", cron="0 4 * * *")
    await house.eventually(forgotten)
    assert "written nowhere" in await say(house, grace, "setup")


async def test_it_is_written_in_the_language_of_each_server(house: House, ada: Person, grace: Person):
    away = house.discord.world.add_guild("Anderswo")
    away.locale = "de"
    there = house.discord.world.add_channel(away, "protokoll")
    heidi = await house.discord.people.join("Heidi", away, moderator=True)
    await heidi.slash(there, "setup", {"audit": there.id, "language": "de"})
    await heidi.wait_message(lambda message: message.ephemeral)
    await finish_a_game(house, ada)
    await say(house, grace, "round start")
    await house.eventually(lambda: "**Runde 1** begonnen" in heidi.history(there)[-1].content)

"""`/setup`: the image set of a server."""

import pytest
from bot_house import House
from sqlmodel import select

from bot import texts
from bot.server import texts as setup_texts
from games.core import Outcome
from games.figures import open_images
from local_discord import Person
from local_discord.model import Permission
from store.models import GuildSettings, Player


@pytest.fixture
async def grace(house: House) -> Person:
    return await house.discord.people.join("Grace", moderator=True)


async def set_up(person: Person, **options: object) -> str:
    await person.slash("play", "setup", options)
    return (await person.wait_message(lambda message: message.ephemeral)).content


async def chosen(house: House) -> str | None:
    async with house.database.async_session() as session:
        row = await session.get(GuildSettings, str(house.discord.guild.id))
        return row.images if row is not None else None


async def test_a_server_chooses_its_figures_and_goes_back_to_the_default(
    house: House, ada: Person, bob: Person, grace: Person
):
    assert "the default ones" in await set_up(grace)
    assert "Figures: `classic:12`" in await set_up(grace, images="classic:12")
    game = await house.game(await house.play(ada))
    assert game.images == "classic:12" and set(game.speaker) <= set(open_images("classic:12").ids)
    moderators = house.discord.channel("moderators")
    assert "Figures: `classic:12`" in await set_up(grace, reports=moderators.id)
    report = await set_up(grace, images="default")
    assert "the default ones" in report and f"<#{moderators.id}>" in report
    assert (await house.game(await house.play(bob))).images == "classic"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("classic:5", "A board needs 10 different figures"),
        ("classic:9999", "9999 figures were asked for"),
        ("klassik", setup_texts.IMAGES_TO_CHOOSE),
        ("kilogram:/etc", setup_texts.IMAGES_TO_CHOOSE),
        ("x" * 3000, setup_texts.IMAGES_TO_CHOOSE),
    ],
)
async def test_figures_that_cannot_be_played_with_are_refused(
    house: House, ada: Person, grace: Person, spec: str, reason: str
):
    await set_up(grace, images="classic:40")
    answer = await set_up(grace, images=spec)
    assert reason in answer and "Nothing was changed" in answer
    assert await chosen(house) == "classic:40"


async def test_image_sets_are_offered_while_typing(house: House, grace: Person):
    async def offered(typed: str) -> list[str]:
        choices = await grace.autocomplete("play", "setup", {"images": typed}, "images")
        return [choice["value"] for choice in choices]

    assert await offered("") == ["classic", "default"]
    assert await offered("d") == ["default"]
    assert await offered("kilogram:") == []


async def test_no_game_starts_with_a_missing_image_set(house: House, ada: Person):
    async with house.database.async_writing() as session:
        session.add(GuildSettings(guild_id=str(house.discord.guild.id), images="kilogram:/gone"))
    await ada.slash("play", "play")
    assert (await ada.wait_message(lambda message: message.ephemeral)).content == texts.NO_IMAGES
    assert not [channel for channel in ada.channels() if channel.is_thread]


async def test_games_are_started_by_people_with_the_role_that_a_server_chose(
    house: House, ada: Person, bob: Person, grace: Person
):
    world, guild = house.discord.world, house.discord.guild
    role = world.add_role(guild, "Tangram club", Permission(0))
    guild.members[ada.id].roles.add(role.id)
    assert f"Only people with the role <@&{role.id}> start games" in await set_up(grace, players=role.id)

    async def refused(person: Person) -> str:
        await person.slash("play", "play", {})
        return (await person.wait_message(lambda message: message.ephemeral)).content

    assert f"you need the role <@&{role.id}>" in await refused(bob)
    async with house.database.async_session() as session:
        assert not (await session.exec(select(Player))).all()  # nothing is kept of who may not play
    assert (await house.game(await house.play(ada))).player_id
    assert (await house.game(await house.play(grace))).player_id  # a moderator needs none
    world.delete_role(guild, role)
    assert "was deleted" in await refused(bob)
    assert "was deleted: `/setup players:`" in await set_up(grace)
    assert "Everybody may start games" in await set_up(grace, players=guild.id)  # @everyone
    assert (await house.game(await house.play(bob))).player_id


async def test_as_many_games_run_at_the_same_time_as_a_server_allows(
    house: House, ada: Person, bob: Person, grace: Person
):
    assert "Games at the same time: 1 at most" in await set_up(grace, limit=1)
    thread = await house.play(ada)
    await bob.slash("play", "play", {})
    refused = await bob.wait_message(lambda message: message.ephemeral)
    assert refused.content.startswith("1 game is running here, and this server allows no more")
    await house.turn(ada, thread, await house.winning_words(thread))
    assert (await house.settled(thread)).outcome is Outcome.WON
    other = await house.play(bob)
    assert "at the same time" not in await set_up(grace, reset="limit")
    assert other != await house.play(grace)

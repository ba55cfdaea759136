"""`/play images:` and `/play difficulty:`: what is offered, dealt, stored and played again."""

from pathlib import Path

import pytest
from bot_house import House

from bot import texts
from bot.images import label_of, listed
from games.core import Difficulty
from games.figures import open_images
from local_discord import Person
from store.models import Game
from tests.games.apart import apart

CLASSIC = open_images("classic")


async def refusal(house: House, person: Person, **options: str) -> str:
    await person.slash("play", "play", options)
    return (await person.wait_message(lambda message: message.ephemeral)).content


async def again(house: House, person: Person, game: Game) -> Game:
    """Win a game and press New game under it."""
    thread = house.discord.world.channel(int(game.thread_id or 0))
    won = await house.turn(person, thread, await house.winning_words(thread))
    await house.settled(thread)
    await person.press_labelled(won, texts.NEW_GAME)
    board = await person.wait_message(
        lambda message: f"Hi <@{person.id}>" in message.content and message.channel_id != thread.id
    )
    return await house.game(house.discord.world.channel(board.channel_id))


async def test_a_difficulty_is_dealt_stored_and_kept_for_the_next_game(
    house: House, ada: Person, bob: Person
):
    near = await house.game(await house.play(ada, difficulty="near"))
    far = await house.game(await house.play(bob, difficulty="far", game="pick"))
    assert (near.difficulty, far.difficulty) == (Difficulty.NEAR, Difficulty.FAR)
    assert apart(CLASSIC, near.speaker) < 0.41 < apart(CLASSIC, far.speaker)
    assert near.images == far.images == "classic" and far.game == "pick"
    assert (await again(house, ada, near)).difficulty is Difficulty.NEAR
    another = await again(house, bob, far)
    assert (another.difficulty, another.game) == (Difficulty.FAR, "pick")


async def test_any_figures_are_dealt_without_a_choice(house: House, ada: Person):
    game = await house.game(await house.play(ada))
    assert game.difficulty is None
    assert (await again(house, ada, game)).difficulty is None


async def test_a_game_of_a_difficulty_goes_on_after_a_restart(house: House, ada: Person):
    thread = await house.play(ada, difficulty="near")
    before = await house.game(thread)
    await house.stop()
    await house.start()
    board = await house.turn(ada, thread, await house.winning_words(thread))
    assert "in 1 turn!" in board.content
    after = await house.settled(thread)
    assert (after.speaker, after.difficulty) == (before.speaker, Difficulty.NEAR)


@pytest.fixture
async def three_sets(stopped_house: House) -> House:
    """The bot with three image sets to choose from."""
    stopped_house.with_settings(play={"images": "classic, classic:40,classic:12"})
    await stopped_house.start()
    return stopped_house


async def test_players_choose_among_the_operator_s_image_sets(three_sets: House, ada: Person):
    choices = await ada.autocomplete("play", "play", {"images": ""}, "images")
    assert [choice["value"] for choice in choices] == ["classic", "classic:40", "classic:12"]
    choices = await ada.autocomplete("play", "play", {"images": ":4"}, "images")
    assert [choice["value"] for choice in choices] == ["classic:40"]
    game = await three_sets.game(await three_sets.play(ada, images="classic:12"))
    assert game.images == "classic:12" and set(game.speaker) <= set(open_images("classic:12").ids)
    assert (await again(three_sets, ada, game)).images == "classic:12"


async def test_the_first_set_is_played_with_if_none_is_chosen(three_sets: House, ada: Person):
    assert (await three_sets.game(await three_sets.play(ada))).images == "classic"


async def test_a_set_that_is_not_offered_is_refused_with_those_that_are(three_sets: House, ada: Person):
    for typed in ("classic:100", "kilogram:/etc", "x" * 100):
        answer = await refusal(three_sets, ada, images=typed)
        assert typed in answer and "These are: `classic`, `classic:40`, `classic:12`." in answer
    assert not [channel for channel in ada.channels() if channel.is_thread]


async def test_a_server_s_image_sets_are_offered_in_place_of_the_operator_s(three_sets: House, ada: Person):
    grace = await three_sets.discord.people.join("Grace", moderator=True)
    await grace.slash("play", "setup", {"images": "classic:60, classic"})
    report = await grace.wait_message(lambda message: message.ephemeral)
    assert "Figures: `classic:60`, `classic`" in report.content
    choices = await ada.autocomplete("play", "play", {"images": ""}, "images")
    assert [choice["value"] for choice in choices] == ["classic:60", "classic"]
    assert "These are" in await refusal(three_sets, ada, images="classic:12")
    assert (await three_sets.game(await three_sets.play(ada))).images == "classic:60"


async def test_a_new_game_is_played_with_the_first_set_once_its_own_is_not_offered(
    three_sets: House, ada: Person
):
    game = await three_sets.game(await three_sets.play(ada, images="classic:12"))
    grace = await three_sets.discord.people.join("Grace", moderator=True)
    await grace.slash("play", "setup", {"images": "classic:60"})
    await grace.wait_message(lambda message: message.ephemeral)
    assert (await again(three_sets, ada, game)).images == "classic:60"


def test_a_list_of_image_sets_is_read_without_spaces_and_repeats():
    assert listed(" classic ,classic:40,, classic") == ["classic", "classic:40"]


def test_paths_of_the_operator_s_machine_are_not_shown(tmp_path: Path):
    assert label_of(f"kilogram:{tmp_path}") == f"kilogram:{tmp_path.name}"
    assert [label_of(each) for each in ("classic", "classic:40")] == ["classic", "classic:40"]

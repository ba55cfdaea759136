"""Every game through Discord, chosen in `/play`."""

import pytest
from bot_house import House, ObedientPolicy, buttons

from games import DEFAULT_GAME, GAMES
from games.core import Game, Outcome
from local_discord import Person


@pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)
async def test_a_game_is_chosen_played_and_won(house: House, ada: Person, policy: ObedientPolicy, game: Game):
    thread = await house.play(ada, game=game.name)
    assert thread.name == f"{game.words.title} with Ada #1"
    row = await house.game(thread)
    assert row.game == game.name and len(row.speaker) in game.board_sizes
    (first,) = house.boards(ada, thread)
    assert game.words.task in first.content and f"We have {game.max_turns} turns" in first.content
    wrong = next(
        action
        for action in game.legal_actions(game.initial_state(row.listener))
        if not game.clicked(row.listener, action) & set(row.targets)
    )
    board = await house.turn(ada, thread, wrong)
    clicked = "I clicked 1 figure."
    assert board.content.startswith(f"{clicked} What next? ({game.max_turns - 1} turns left)")
    result = await house.turn(ada, thread, await house.winning_words(thread))
    assert f"{game.words.won} in 2 turns" in result.content
    assert (await house.settled(thread)).outcome is Outcome.WON
    assert [(asked.game, len(asked.context)) for asked in policy.asked] == [(game.name, len(row.speaker))] * 2
    assert buttons(result) == ["New game"]
    await ada.press_labelled(result, "New game")
    again = await ada.wait_message(
        lambda message: f"Hi <@{ada.id}>" in message.content and message.channel_id != thread.id
    )
    assert (await house.game(house.discord.world.channel(again.channel_id))).game == game.name


async def test_play_without_a_game_opens_the_default_game(house: House, ada: Person):
    assert (await house.game(await house.play(ada))).game == DEFAULT_GAME


async def test_every_game_is_listed_by_its_own_label(house: House):
    (play,) = (
        command
        for commands in house.discord.world.commands.values()
        for command in commands.values()
        if command["name"] == "play"
    )
    option = next(each for each in play["options"] if each["name"] == "game")
    assert [(choice["name"], choice["value"]) for choice in option["choices"]] == [
        (game.words.label, game.name) for game in GAMES.values()
    ]


async def test_a_board_says_what_was_clicked(house: House, ada: Person):
    thread = await house.play(ada)
    for said, answer in (
        ("select A B", "I clicked 2 figures."),
        ("deselect B select C", "I clicked 1 and took back 1."),
        ("deselect A C", "I took back 2 figures."),
    ):
        board = await house.turn(ada, thread, said)
        assert board.content.startswith(f"{answer} What next?")

"""Playing through messages, forms and buttons."""

from bot_house import House, buttons

from games.core import Outcome
from sim.discord import Person
from store.models import Origin


async def test_a_whole_game_is_won_by_writing(house: House, ada: Person):
    thread = await house.play(ada)
    assert thread.name == "Tangrams with Ada #1"
    await house.turn(ada, thread, "the one that looks like a dog")
    await house.turn(ada, thread, "no, the **other** one")
    result = await house.turn(ada, thread, await house.winning_words(thread))
    assert "3 turns" in result.content
    assert buttons(result) == ["New game"]
    game, turns = await house.game(thread), await house.turns(thread)
    assert game.outcome is Outcome.WON and game.origin is Origin.LOCAL and game.result_shown
    assert [turn.utterance for turn in turns][:2] == ["the one that looks like a dog", "no, the other one"]
    boards = house.boards(ada, thread)
    assert len(boards) == 4
    assert [bool(board.components) for board in boards] == [False, False, False, True]
    assert all(board.attachments[0].description for board in boards)

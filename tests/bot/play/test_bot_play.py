"""Playing through messages, forms and buttons."""

import asyncio

import pytest
from bot_house import House, ObedientPolicy, buttons, has_board

from bot import texts
from games import GAMES
from games.core import Outcome
from local_discord import Person, invoke
from store.models import Origin
from store.rounds import finish, request_round


async def test_a_whole_game_is_won_by_writing(house: House, ada: Person, policy: ObedientPolicy):
    thread = await house.play(ada)
    assert thread.name == "Tangrams with Ada #1"
    await house.turn(ada, thread, "the one that looks like a dog")
    await house.turn(ada, thread, "no, the **other** one")
    result = await house.turn(ada, thread, await house.winning_words(thread))
    assert "3 turns" in result.content
    assert buttons(result) == ["New game"]
    game, turns = await house.settled(thread), await house.turns(thread)
    assert game.outcome is Outcome.WON and game.origin is Origin.LOCAL
    assert [turn.utterance for turn in turns][:2] == ["the one that looks like a dog", "no, the other one"]
    assert all(turn.logp == -1.5 and turn.message_id for turn in turns)
    await house.eventually(
        lambda: [bool(board.components) for board in house.boards(ada, thread)] == [False, False, False, True]
    )
    assert all(board.attachments[0].description for board in house.boards(ada, thread))
    await house.eventually(lambda: policy.finished_games == [game.id])


async def test_what_the_policy_is_asked_has_the_history_and_no_targets(
    house: House, ada: Person, policy: ObedientPolicy
):
    thread = await house.play(ada)
    await house.turn(ada, thread, "select A B")
    await house.turn(ada, thread, "deselect A")
    game = await house.game(thread)
    first, second = policy.asked
    assert (first.state, second.state) == ("", "A B")
    assert second.context == tuple(game.listener) and second.adapter == "base"
    assert [(step.utterance, step.action) for step in second.history] == [("select A B", "select A B")]


async def test_feedback_of_a_player_in_quarantine_is_hidden_from_the_policy(
    house: House, ada: Person, bob: Person, policy: ObedientPolicy
):
    first = await house.play(ada)
    await house.turn(ada, first, await house.winning_words(first))
    player = (await house.settled(first)).player_id
    with house.database.session() as session:
        row = request_round(session, "b-sup")
        assert row.id is not None
        finish(session, row.id, trust={"quarantined": {str(player): 0.1}})
    thread = await house.play(ada)
    await house.turn(ada, thread, "No, that's wrong, the dog")
    bobs = await house.play(bob)
    await house.turn(bob, bobs, "the cat")
    assert [(request.utterance, request.verdicts_heard) for request in policy.asked[1:]] == [
        ("No, that's wrong, the dog", False),
        ("the cat", True),
    ]


async def test_a_game_is_played_through_the_form_alone(stopped_house: House, ada: Person):
    house = stopped_house
    house.with_settings(discord={"message_content": False})
    house.discord.world.app.message_content = False
    await house.start()
    thread = await house.play(ada)
    board = house.boards(ada, thread)[0]
    await ada.press_labelled(board, "Describe")
    form = await ada.wait_modal()
    await ada.submit_modal(form, {"utterance": await house.winning_words(thread)})
    result = await house.next_board(ada, thread)
    assert "> select" in result.content and "1 turn" in result.content
    assert (await house.turns(thread))[0].source == "modal"


async def test_a_form_that_is_sent_without_a_value_asks_for_words(
    house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    thread = await house.play(ada)
    await ada.press_labelled(house.boards(ada, thread)[0], "Describe")
    form = await ada.wait_modal()
    sent = invoke._field
    monkeypatch.setattr(invoke, "_field", lambda *of: sent(*of) | {"value": None})
    await ada.submit_modal(form, {"utterance": "select D"})
    await ada.wait_message(lambda message: message.content == texts.WORDS_PLEASE)
    assert not await house.turns(thread)


async def test_without_the_intent_a_plain_message_is_explained_once_and_a_reply_is_played(
    stopped_house: House, ada: Person
):
    house = stopped_house
    house.with_settings(discord={"message_content": False})
    house.discord.world.app.message_content = False
    await house.start()
    thread = await house.play(ada)
    await ada.say(thread, "select A")
    await ada.wait_message(lambda message: message.content == texts.NO_PLAIN_MESSAGES, where=thread)
    await ada.say(thread, "select A", reply_to=house.boards(ada, thread)[0])
    await house.next_board(ada, thread)
    assert [turn.utterance for turn in await house.turns(thread)] == ["select A"]


async def test_ten_turns_lose_the_game(house: House, ada: Person):
    thread = await house.play(ada)
    for number in range(10):
        board = await house.turn(ada, thread, "deselect A" if number % 2 else "select A")
    assert "Out of turns" in board.content
    assert (await house.settled(thread)).outcome is Outcome.LOST


async def test_a_second_game_is_refused_with_the_way_to_the_first(house: House, ada: Person):
    thread = await house.play(ada)
    await ada.slash("play", "play")
    answer = await ada.wait_message(lambda message: message.ephemeral)
    assert f"<#{thread.id}>" in answer.content
    await ada.press_labelled(answer, "Give up")
    sure = await ada.wait_message(lambda message: message.content == texts.GIVE_UP_SURE)
    await ada.press_labelled(sure, "Yes, give up")
    await house.next_board(ada, thread)
    assert (await house.settled(thread)).outcome is Outcome.GIVEN_UP
    second = await house.play(ada)
    assert second.id != thread.id and second.name.endswith("#2")


async def test_help_tells_how_every_game_is_played(house: House, ada: Person):
    await ada.slash("play", "help")
    answer = await ada.wait_message(lambda message: "How to play" in message.content)
    assert all(f"/play game:{game.name}" in answer.content for game in GAMES.values())
    assert all(game.words.how in answer.content for game in GAMES.values())
    assert len(answer.content) <= texts.LONGEST_MESSAGE


async def test_two_plays_at_once_open_one_game(house: House, ada: Person):
    await asyncio.gather(ada.slash("play", "play"), ada.slash("general", "play"))
    await ada.wait_message(lambda message: "in the middle of a game" in message.content)
    assert sum(channel.is_thread for channel in ada.channels()) == 1


async def test_two_people_play_side_by_side(house: House, ada: Person, bob: Person):
    hers, his = await house.play(ada), await house.play(bob)
    await asyncio.gather(house.turn(ada, hers, "select A"), house.turn(bob, his, "select B"))
    assert [turn.action for turn in await house.turns(hers)] == ["select A"]
    assert [turn.action for turn in await house.turns(his)] == ["select B"]


async def test_somebody_elses_buttons_answer_in_a_sentence(house: House, ada: Person, bob: Person):
    thread = await house.play(ada)
    board = house.boards(ada, thread)[0]
    for label in ("Describe", "Give up"):
        await bob.press_labelled(board, label)
        answer = await bob.wait_message(lambda message: message.ephemeral)
        assert answer.content == texts.not_yours(ada.id)
    assert (await house.game(thread)).outcome is Outcome.OPEN


async def test_somebody_elses_words_are_not_played(house: House, ada: Person, bob: Person):
    thread = await house.play(ada)
    await bob.say(thread, "select A B C")
    await house.turn(ada, thread, "select D")
    assert [turn.action for turn in await house.turns(thread)] == ["select D"]


async def test_quick_messages_are_played_in_order_one_at_a_time(
    house: House, ada: Person, policy: ObedientPolicy
):
    thread = await house.play(ada)
    policy.open.clear()
    words = ["select A", "select B", "deselect A", "select C D", "deselect B"]
    for text in words:
        await ada.say(thread, text)

    async def four_wait() -> bool:
        return len(await house.waiting(thread)) == 5 and len(policy.asked) == 1

    await house.eventually(four_wait)
    assert not await house.turns(thread)
    policy.open.set()
    await house.eventually(lambda: len(house.boards(ada, thread)) == 6)
    assert [turn.action for turn in await house.turns(thread)] == words
    replies = [board.reference["message_id"] for board in house.boards(ada, thread)[1:] if board.reference]
    said = [str(message.id) for message in ada.history(thread) if message.author is ada.user]
    assert replies == said


async def test_giving_up_shows_the_result_and_a_new_game_can_be_had(house: House, ada: Person, bob: Person):
    thread = await house.play(ada)
    await house.turn(ada, thread, "select A")
    await ada.slash(thread, "giveup")
    sure = await ada.wait_message(lambda message: message.content == texts.GIVE_UP_SURE)
    await ada.press_labelled(sure, "Yes, give up")
    result = await house.next_board(ada, thread)
    assert "Given up" in result.content and buttons(result) == ["New game"]
    await bob.press_labelled(result, "New game")
    opened = await bob.wait_message(lambda message: message.ephemeral)
    assert "Your game is ready" in opened.content


async def test_giving_up_does_not_wait_for_the_policy(house: House, ada: Person, policy: ObedientPolicy):
    thread = await house.play(ada)
    policy.open.clear()
    await ada.say(thread, "select A")
    await house.eventually(lambda: policy.asked)
    await ada.slash(thread, "giveup")
    sure = await ada.wait_message(lambda message: message.content == texts.GIVE_UP_SURE)
    await ada.press_labelled(sure, "Yes, give up")
    assert "Given up" in (await house.next_board(ada, thread)).content
    assert not await house.turns(thread)


async def test_the_cooldown_is_given_as_a_time(stopped_house: House, ada: Person):
    stopped_house.with_settings(play={"cooldown": 60.0})
    await stopped_house.start()
    await stopped_house.play(ada)
    await ada.slash("play", "giveup")
    sure = await ada.wait_message(lambda message: message.content == texts.GIVE_UP_SURE)
    await ada.press_labelled(sure, "Yes, give up")
    await ada.wait_message(lambda message: message.content == texts.GIVEN_UP)
    await ada.slash("play", "play")
    answer = await ada.wait_message(lambda message: message.ephemeral)
    assert "<t:" in answer.content


async def test_a_game_keeps_the_adapter_that_was_current_when_it_opened(
    house: House, ada: Person, bob: Person, policy: ObedientPolicy
):
    hers = await house.play(ada)
    policy.current = "round-0001-b-sup"
    his = await house.play(bob)
    await house.turn(ada, hers, "select A")
    await house.turn(bob, his, "select A")
    assert [turn.adapter for turn in policy.asked] == ["base", "round-0001-b-sup"]


async def test_help_says_how_to_play(house: House, ada: Person):
    await ada.slash("general", "help")
    assert "/play" in (await ada.wait_message(lambda message: not has_board(message))).content

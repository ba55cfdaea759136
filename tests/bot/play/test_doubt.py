"""Questions where the policy is unsure, an option of the server."""

from math import log

import pytest
from bot_house import House, ObedientPolicy, buttons, has_board

from bot import texts
from bot.play.doubt import CHOICES, MORE_SAMPLES, doubts
from games import GAMES
from games.core import Outcome
from games.figures import open_images
from learner.protocol import TurnAnswer, TurnRequest
from local_discord import Person
from local_discord.model import Channel, Message
from store.games import deal_of, idle_games, state_of
from store.guilds import change_guild_settings
from store.models import now
from store.training import usable_interactions

CLEAR = "select A"
"""A legal first action, which the policy of the tests follows."""


@pytest.fixture
async def asking(house: House) -> House:
    """The bot in a server that lets it ask."""
    async with house.database.async_writing() as session:
        await change_guild_settings(session, str(house.discord.guild.id), unsure=True)
    return house


async def ask(house: House, person: Person, thread: Channel, words: str) -> Message:
    """Say something and wait for the question that answers it, until it is recorded."""
    await person.say(thread, words)
    question = await person.wait_message(lambda message: "I'm not sure" in message.content, where=thread)

    async def recorded() -> bool:
        game = await house.game(thread)
        async with house.database.async_session() as session:
            return bool(await idle_games(session, now())) and game.outcome is Outcome.OPEN

    await house.eventually(recorded)
    return question


async def test_an_unsure_policy_asks_and_plays_what_is_pressed(
    asking: House, ada: Person, policy: ObedientPolicy
):
    thread = await asking.play(ada)
    question = await ask(asking, ada, thread, "the one like a boat")
    assert question.content == texts.unsure(len(question.attachments))
    assert buttons(question) == [str(number + 1) for number in range(len(question.attachments))]
    assert 1 <= len(question.attachments) <= CHOICES and len(policy.asked) == 1 + MORE_SAMPLES
    assert not await asking.turns(thread) and not has_board(question)
    game = await asking.game(thread)
    first = next(iter(policy.answers.values())).action
    after = GAMES[game.game].apply("", first)
    shown = GAMES[game.game].render(deal_of(game), after, 0, Outcome.OPEN, open_images("classic"))
    assert question.attachments[0].description == shown.alt

    await ada.press_labelled(question, "1")
    board = await asking.next_board(ada, thread)
    assert "(9 turns left)" in board.content
    (turn,) = await asking.turns(thread)
    assert (turn.utterance, turn.action, turn.logp, turn.asked) == ("the one like a boat", first, None, True)
    edited = asking.discord.world.message(thread.id, question.id)
    assert edited.content == texts.meant(1) and not buttons(edited)
    assert len(policy.asked) == 1 + MORE_SAMPLES


async def test_what_is_said_after_the_question_is_played_with_what_was_said_before(
    asking: House, ada: Person, policy: ObedientPolicy
):
    thread = await asking.play(ada)
    question = await ask(asking, ada, thread, "the boat")
    board = await asking.turn(ada, thread, "the one with two sails")
    assert "(9 turns left)" in board.content
    (turn,) = await asking.turns(thread)
    assert turn.utterance == "the boat, the one with two sails" and turn.asked and turn.logp == policy.logp
    assert len(turn.earlier_message_ids or ()) == 1 and not await asking.waiting(thread)
    await ada.press_labelled(question, "1")
    over = await ada.wait_message(lambda message: message.id == question.id)
    assert over.content == texts.QUESTION_OVER
    assert len(await asking.turns(thread)) == 1


async def test_the_next_instruction_is_asked_about_again(asking: House, ada: Person):
    thread = await asking.play(ada)
    await ada.press_labelled(await ask(asking, ada, thread, "the boat"), "1")
    await asking.next_board(ada, thread)
    await ask(asking, ada, thread, "the swan")
    assert len(await asking.turns(thread)) == 1


async def test_a_sure_policy_asks_nothing(asking: House, ada: Person, policy: ObedientPolicy):
    policy.logp = log(0.5)
    thread = await asking.play(ada)
    await asking.turn(ada, thread, "the boat")
    (turn,) = await asking.turns(thread)
    assert not turn.asked and len(policy.asked) == 1


async def test_nothing_is_asked_by_default(house: House, ada: Person, policy: ObedientPolicy):
    thread = await house.play(ada)
    await house.turn(ada, thread, "the boat")
    assert len(policy.asked) == 1 and not (await house.turns(thread))[0].asked


async def test_a_question_waits_through_a_restart(asking: House, ada: Person, policy: ObedientPolicy):
    thread = await asking.play(ada)
    question = await ask(asking, ada, thread, "the boat")
    asked = len(policy.asked)
    await asking.stop()
    await asking.start()
    await ada.press_labelled(question, "1")
    await asking.next_board(ada, thread)
    (turn,) = await asking.turns(thread)
    assert turn.asked and turn.logp is None and len(policy.asked) == asked
    assert sum("I'm not sure" in message.content for message in ada.history(thread)) == 0  # it was edited


async def test_a_message_that_was_asked_about_can_be_edited_and_deleted(
    asking: House, ada: Person, policy: ObedientPolicy
):
    thread = await asking.play(ada)
    question = await ask(asking, ada, thread, "the boat")
    message = next(each for each in ada.history(thread) if each.content == "the boat")
    policy.logp = -0.1
    await ada.edit(message, CLEAR)
    await asking.next_board(ada, thread)
    (turn,) = await asking.turns(thread)
    assert (turn.utterance, turn.action, turn.asked) == (CLEAR, CLEAR, False)

    policy.logp = -1.5
    await ask(asking, ada, thread, "the swan")
    message = next(each for each in ada.history(thread) if each.content == "the swan")
    await ada.delete(message)
    await asking.eventually(lambda: _none_waiting(asking, thread))
    await ada.press_labelled(question, "1")
    over = await ada.wait_message(lambda found: found.id == question.id)
    assert over.content == texts.QUESTION_OVER and len(await asking.turns(thread)) == 1


async def _none_waiting(house: House, thread: Channel) -> bool:
    return not await house.waiting(thread)


async def test_a_question_is_answered_for_everybody_in_a_team_and_only_there(
    asking: House, ada: Person, bob: Person
):
    thread = await asking.play(ada)
    question = await ask(asking, ada, thread, "the boat")
    await bob.press_labelled(question, "1")
    refused = await bob.wait_message(lambda message: message.ephemeral)
    assert refused.content == texts.not_yours(str(ada.id)) and not await asking.turns(thread)

    team = await asking.play(bob, who="everybody")
    question = await ask(asking, bob, team, "the swan")
    await ada.press_labelled(question, "1")
    await asking.next_board(ada, team)
    assert (await asking.turns(team))[0].asked


async def test_turns_that_were_asked_about_are_context_and_not_trained_on(asking: House, ada: Person):
    thread = await asking.play(ada)
    await ada.press_labelled(await ask(asking, ada, thread, "the boat"), "1")
    await asking.next_board(ada, thread)
    async with asking.database.async_writing() as session:
        await change_guild_settings(session, str(asking.discord.guild.id), unsure=False)
    await asking.turn(ada, thread, await asking.winning_words(thread))
    await asking.settled(thread)
    with asking.database.session() as session:
        (interaction,) = usable_interactions(session, None)
    assert len(interaction.steps) == 2 and interaction.asked == {0}


async def test_a_game_whose_question_nobody_answers_is_silent(asking: House, ada: Person):
    thread = await asking.play(ada)
    await ask(asking, ada, thread, "the boat")
    async with asking.database.async_session() as session:
        ((silent, _since),) = await idle_games(session, now())
    assert silent.id == (await asking.game(thread)).id
    assert state_of(silent, []) == ""


async def test_the_option_is_off_until_a_moderator_switches_it_on(house: House, ada: Person):
    grace = await house.discord.people.join("Grace", moderator=True)
    for options, said in (({}, "I guess"), ({"unsure": True}, "I ask."), ({"unsure": False}, "I guess")):
        await grace.slash("play", "setup", options)
        assert said in (await grace.wait_message(lambda message: message.ephemeral)).content


# --- what the policy is unsure of -------------------------------------------------------------------------


def answer(action: str, probability: float) -> TurnAnswer:
    return TurnAnswer(action=action, logp=log(probability), adapter="base", base_model="m", seconds=0.0)


REQUEST = TurnRequest(
    **{"request_id": "g:1", "game_id": "g", "images": "classic", "context": tuple("abcdefghij")},
    **{"state": "", "utterance": "the boat", "adapter": "base"},
)


@pytest.mark.parametrize(
    ("sampled", "found"),
    [
        ([("select A", 0.9)], []),
        ([("select A", 0.4), ("select B", 0.5)], []),  # it is sure of another one
        ([("select A", 0.2), ("select B", 0.4), *[("select A", 0.2)] * 3], ["select B", "select A"]),
        ([("select A", 0.3)] * 5, ["select A"]),
        (
            [(f"select {letter}", 0.1 + 0.01 * place) for place, letter in enumerate("ABCDE")],
            ["select E", "select D", "select C"],
        ),
    ],
)
async def test_doubts_are_the_likeliest_actions_of_a_few_samples(
    sampled: list[tuple[str, float]], found: list[str]
):
    first, *rest = [answer(*each) for each in sampled]
    asked: list[str] = []

    async def again(request: TurnRequest) -> TurnAnswer:
        asked.append(request.request_id)
        return rest[len(asked) - 1]

    assert await doubts(REQUEST, first, again) == found
    assert asked == [f"g:1:{number}" for number in range(len(rest))]


async def test_a_game_that_is_given_up_meanwhile_raises_no_question():
    async def given_up(request: TurnRequest) -> None:
        return None

    assert await doubts(REQUEST, answer("select A", 0.1), given_up) == []

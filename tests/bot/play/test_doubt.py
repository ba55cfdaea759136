"""Questions where the policy is unsure, an option of the server."""

from math import log

import pytest
from bot_house import House, ObedientPolicy, buttons, has_board
from test_proxies import post

from bot import texts
from bot.play.doubt import CHOICES, SAMPLES, doubts, number_of
from games import GAMES
from games.core import Outcome
from games.figures import open_images
from games.words import plain
from learner.protocol import TurnAnswer, TurnRequest
from local_discord import Person
from local_discord.model import Channel, Message
from store.games import deal_of, idle_games
from store.guilds import change_guild_settings
from store.models import Game, Turn, now
from store.players import SOMEBODY_ELSE, export_player
from store.training import usable_interactions

UNSURE, SURE = -1.5, log(0.7)
CLEAR = "select A"
"""A legal first action, which the policy of the tests follows."""


@pytest.fixture
async def asking(house: House) -> House:
    """The bot in a server that lets it ask."""
    await allow(house)
    return house


async def allow(house: House, unsure: bool = True) -> None:
    async with house.database.async_writing() as session:
        await change_guild_settings(session, str(house.discord.guild.id), unsure=unsure)


async def question_in(person: Person, thread: Channel) -> Message:
    return await person.wait_message(
        lambda message: "I'm not sure" in message.content and message.components, where=thread
    )


async def ask(person: Person, thread: Channel, words: str) -> Message:
    """Say something and wait for the question that answers it."""
    await person.say(thread, words)
    return await question_in(person, thread)


async def recorded(house: House, thread: Channel) -> None:
    """Wait until the bot has recorded that it asked, after which it waits for an answer."""
    game = await house.game(thread)

    async def silent() -> bool:
        async with house.database.async_session() as session:
            return game.id in [each.id for each, _since in await idle_games(session, now())]

    await house.eventually(silent)


async def answered(person: Person, question: Message, label: str) -> str:
    """Press a button of a question and wait for what the question says then."""
    await person.press_labelled(question, label)
    edited = await person.wait_message(lambda found: found.id == question.id and not found.components)
    return edited.content


async def too_late(person: Person, question: Message) -> None:
    """Press a button of a question that is over."""
    said = question.content
    await person.press_labelled(question, "1")
    await person.wait_message(lambda found: found.ephemeral and found.content == texts.QUESTION_OVER)
    edited = await person.wait_message(lambda found: found.id == question.id and not found.components)
    assert edited.content == said


async def only_turn(house: House, thread: Channel) -> Turn:
    (turn,) = await house.turns(thread)
    return turn


async def test_an_unsure_policy_asks_and_plays_what_is_pressed(
    asking: House, ada: Person, policy: ObedientPolicy
):
    thread = await asking.play(ada)
    question = await ask(ada, thread, "The one like a Boat, it’s on the left")
    pictures = question.attachments
    assert question.content == texts.unsure(len(pictures)) and 2 <= len(pictures) <= CHOICES
    assert buttons(question) == [*map(str, range(1, len(pictures) + 1)), texts.NONE_OF_THESE]
    assert len(policy.asked) == SAMPLES and len({each.request_id for each in policy.asked}) == SAMPLES
    assert not await asking.turns(thread) and not has_board(question)
    game, sampled = (
        await asking.game(thread),
        list(dict.fromkeys(each.action for each in policy.answers.values())),
    )
    rules = GAMES[game.game]
    for number, (picture, action) in enumerate(zip(pictures, sampled, strict=False), 1):
        after = rules.apply(rules.initial_state(game.listener), action)
        shown = rules.render(deal_of(game), after, 0, Outcome.OPEN, open_images("classic"))
        assert picture.description == f"{number}. {shown.alt}"[:1024]

    assert await answered(ada, question, "2") == texts.meant(2)
    board = await asking.next_board(ada, thread)
    assert "(9 turns left)" in board.content
    turn = await only_turn(asking, thread)
    assert (turn.utterance, turn.action) == ("The one like a Boat, it's on the left", sampled[1])
    assert (turn.chosen, turn.logp, turn.retracted) == (True, None, None)
    assert turn.state_after == rules.apply(turn.state_before, sampled[1])
    assert len(policy.asked) == SAMPLES and not await asking.waiting(thread)


async def test_what_is_typed_in_place_of_a_press_is_a_new_instruction(
    asking: House, ada: Person, policy: ObedientPolicy
):
    thread = await asking.play(ada)
    question = await ask(ada, thread, "No, the boat")
    board = await asking.turn(ada, thread, "The one WITH two sails, I’d say")
    assert "(9 turns left)" in board.content
    turn = await only_turn(asking, thread)
    assert turn.utterance == "The one WITH two sails, I'd say" and turn.retracted == "No, the boat"
    assert policy.asked[-1].utterance == turn.utterance and len(policy.asked) == SAMPLES + 1
    assert not turn.chosen and (turn.action, turn.logp) == (
        policy.answers[policy.asked[-1].request_id].action,
        UNSURE,
    )
    assert len(turn.earlier_message_ids or ()) == 1 and not await asking.waiting(thread)
    new = await ask(ada, thread, "the boat")
    await too_late(ada, question)
    assert len(await asking.turns(thread)) == 1
    assert await answered(ada, new, "1") == texts.meant(1)


async def test_none_of_these_costs_nothing_and_asks_for_other_words(asking: House, ada: Person):
    thread = await asking.play(ada)
    question = await ask(ada, thread, "the boat")
    assert await answered(ada, question, texts.NONE_OF_THESE) == texts.meant(0)
    assert not await asking.turns(thread)

    again = await ask(ada, thread, "the swan")  # and it may be asked about
    assert again.id != question.id
    await answered(ada, again, "1")
    board = await asking.next_board(ada, thread)
    assert "(9 turns left)" in board.content
    turn = await only_turn(asking, thread)
    assert (turn.utterance, turn.retracted, turn.chosen) == ("the swan", "the boat", True)


async def test_an_answer_may_be_typed(asking: House, ada: Person):
    thread = await asking.play(ada)
    question = await ask(ada, thread, "the boat")
    await ada.say(thread, "No")
    await ada.wait_message(lambda message: message.content == texts.meant(0), where=thread)
    await too_late(ada, question)
    assert not await asking.turns(thread)

    await ask(ada, thread, "the swan")
    typed = await ada.say(thread, "The 2ND one!")
    await asking.next_board(ada, thread)
    turn = await only_turn(asking, thread)
    assert (turn.utterance, turn.retracted, turn.chosen, turn.logp) == ("the swan", "the boat", True, None)
    assert not await asking.waiting(thread)
    await ada.edit(typed, "the goose")
    await ada.wait_message(lambda message: message.content == texts.EDITED_TOO_LATE, where=thread)
    assert len(await asking.turns(thread)) == 1 and not await asking.waiting(thread)


@pytest.mark.parametrize(
    ("words", "pictures", "number"),
    [
        *[(words, 3, 0) for words in ("no", "Nope!", "None of these", "NEIN", "nö", "keins davon", "none.")],
        *[
            (words, 3, 2)
            for words in ("2", "2.", "#2", "Picture 2", "the second one", "number two", "Bild 2", "nr. 2")
        ],
        *[(words, 3, 0) for words in ("No one", "no thanks", "n")],
        *[(words, 3, 2) for words in ("2 please", "Yes, the second!", "It’s the 2nd one", "no. 2")],
        *[(words, 1, 1) for words in ("yes please", "y")],
        *[(words, 3, None) for words in ("no, the first", "please")],
        *[(words, 1, 1) for words in ("yes", "Yeah!", "ja", "👍", "1", "Right.")],
        *[
            (words, 3, None)
            for words in ("yes", "4", "no, the boat", "the swan", "two birds", "the one on the left")
        ],
        ("2", 1, None),
    ],
)
def test_words_that_only_answer_the_question(words: str, pictures: int, number: int | None):
    assert number_of(plain(words), pictures) == number


async def test_one_likely_action_is_a_question_of_yes_or_no(asking: House, ada: Person):
    thread = await asking.play(ada)
    question = await ask(ada, thread, CLEAR)
    assert question.content == texts.unsure(1) and buttons(question) == [texts.YES, texts.NO]
    assert not (question.attachments[0].description or "").startswith("1.")
    await answered(ada, question, texts.YES)
    await asking.next_board(ada, thread)
    assert (await only_turn(asking, thread)).action == CLEAR


async def test_the_next_instruction_is_asked_about_again(asking: House, ada: Person):
    thread = await asking.play(ada)
    await answered(ada, await ask(ada, thread, "the boat"), "1")
    await asking.next_board(ada, thread)
    await ask(ada, thread, "the swan")
    assert len(await asking.turns(thread)) == 1


async def test_a_sure_policy_plays_another_sample_than_the_one_that_shows_it(
    asking: House, ada: Person, policy: ObedientPolicy
):
    policy.logp = SURE
    thread = await asking.play(ada)
    await asking.turn(ada, thread, "the boat")
    turn = await only_turn(asking, thread)
    seen, played = policy.asked
    assert seen.request_id == f"{played.request_id}:0"
    assert (turn.action, turn.logp) == (policy.answers[played.request_id].action, SURE) and not turn.chosen


async def test_nothing_is_asked_by_default(house: House, ada: Person, policy: ObedientPolicy):
    thread = await house.play(ada)
    await house.turn(ada, thread, "the boat")
    assert len(policy.asked) == 1 and not (await only_turn(house, thread)).chosen


async def test_a_question_waits_through_a_restart(asking: House, ada: Person, policy: ObedientPolicy):
    thread = await asking.play(ada)
    question = await ask(ada, thread, "the boat")
    await recorded(asking, thread)
    await asking.stop()
    await asking.start()
    assert await answered(ada, question, "1") == texts.meant(1)
    await asking.next_board(ada, thread)
    assert (await only_turn(asking, thread)).chosen and len(policy.asked) == SAMPLES
    assert [message.id for message in ada.history(thread) if message.content == texts.meant(1)] == [
        question.id
    ]


async def test_a_message_typed_while_the_bot_was_down_answers_its_question(asking: House, ada: Person):
    thread = await asking.play(ada)
    question = await ask(ada, thread, "the boat")
    await recorded(asking, thread)
    await asking.stop()
    await ada.say(thread, "the swan")
    await asking.start()
    await asking.next_board(ada, thread)
    turn = await only_turn(asking, thread)
    assert (turn.utterance, turn.retracted, turn.chosen) == ("the swan", "the boat", False)
    await too_late(ada, question)


async def test_a_message_that_was_asked_about_can_be_edited_and_deleted(
    asking: House, ada: Person, policy: ObedientPolicy
):
    thread = await asking.play(ada)
    first = await ask(ada, thread, "the boat")
    await recorded(asking, thread)
    message = next(each for each in ada.history(thread) if each.content == "the boat")
    policy.logp = SURE
    await ada.edit(message, CLEAR)
    await asking.next_board(ada, thread)
    turn = await only_turn(asking, thread)
    assert (turn.utterance, turn.action, turn.logp, turn.retracted) == (CLEAR, CLEAR, SURE, None)
    await too_late(ada, first)

    policy.logp = UNSURE
    second = await ask(ada, thread, "the swan")
    await ada.delete(next(each for each in ada.history(thread) if each.content == "the swan"))
    await asking.eventually(lambda: none_waiting(asking, thread))
    await too_late(ada, second)
    assert len(await asking.turns(thread)) == 1


async def test_what_is_edited_or_said_while_the_policy_thinks_raises_no_question_about_the_old_words(
    asking: House, ada: Person, policy: ObedientPolicy
):
    thread = await asking.play(ada)
    policy.open.clear()
    message = await ada.say(thread, "the boat")
    await asking.eventually(lambda: policy.asked)
    await ada.edit(message, "the swan")
    await asking.eventually(lambda: waits(asking, thread, "the swan"))
    policy.open.set()
    question = await question_in(ada, thread)
    assert policy.asked[-1].utterance == "the swan"
    await answered(ada, question, "1")
    await asking.next_board(ada, thread)
    assert (await only_turn(asking, thread)).utterance == "the swan"

    policy.open.clear()
    asked = len(policy.asked)
    await ada.say(thread, "the duck")
    await asking.eventually(lambda: len(policy.asked) > asked)
    await ada.say(thread, "the horse")
    await asking.eventually(lambda: waits(asking, thread, "the duck", "the horse"))
    policy.open.set()
    await answered(ada, await question_in(ada, thread), "1")  # about what was said last
    await asking.eventually(lambda: played(asking, thread, 3))
    assert [turn.utterance for turn in await asking.turns(thread)] == ["the swan", "the duck", "the horse"]


async def test_the_end_of_a_burst_that_was_asked_about_is_deleted(
    asking: House, ada: Person, policy: ObedientPolicy
):
    await asking.stop()
    asking.with_settings(play={"burst": 0.5})
    await asking.start()
    thread = await asking.play(ada)
    await ada.say(thread, "the boat")
    end = await ada.say(thread, "with two sails")
    question = await question_in(ada, thread)
    await recorded(asking, thread)  # as silent as after a question about one message
    await ada.delete(end)
    again = await question_in(ada, thread)
    assert again.id != question.id and policy.asked[-1].utterance == "the boat"
    await answered(ada, again, "1")
    await asking.next_board(ada, thread)
    assert (await only_turn(asking, thread)).utterance == "the boat"


async def test_words_that_were_asked_about_before_a_proxy_said_them_are_asked_about_again(
    asking: House, ada: Person
):
    thread = await asking.play(ada)
    question = await ask(ada, thread, "L: the boat")
    await recorded(asking, thread)
    own = next(each for each in ada.history(thread) if each.content == "L: the boat")
    posted = post(asking, thread, "the boat")
    await ada.delete(own)
    again = await question_in(ada, thread)
    await too_late(ada, question)
    await answered(ada, again, "1")
    await asking.next_board(ada, thread)
    turn = await only_turn(asking, thread)
    assert (turn.utterance, turn.message_id, turn.chosen) == ("the boat", str(posted.id), True)


async def none_waiting(house: House, thread: Channel) -> bool:
    return not await house.waiting(thread)


async def waits(house: House, thread: Channel, *words: str) -> bool:
    return await house.waiting(thread) == [*words]


async def played(house: House, thread: Channel, turns: int) -> bool:
    return len(await house.turns(thread)) == turns


async def test_a_question_is_over_with_its_game(asking: House, ada: Person):
    thread = await asking.play(ada)
    question = await ask(ada, thread, "the boat")
    board = asking.boards(ada, thread)[-1]
    await ada.press_labelled(board, texts.GIVE_UP)
    sure = await ada.wait_message(lambda message: message.content == texts.GIVE_UP_SURE)
    await ada.press_labelled(sure, texts.GIVE_UP_YES)
    await asking.next_board(ada, thread)
    await too_late(ada, question)
    assert not await asking.turns(thread) and not await asking.waiting(thread)


async def test_a_game_that_is_given_up_while_the_policy_is_asked_raises_no_question(
    asking: House, ada: Person, policy: ObedientPolicy
):
    thread = await asking.play(ada)
    policy.open.clear()
    await ada.say(thread, "the boat")
    await asking.eventually(lambda: policy.asked)
    await ada.press_labelled(asking.boards(ada, thread)[-1], texts.GIVE_UP)
    sure = await ada.wait_message(lambda message: message.content == texts.GIVE_UP_SURE)
    await ada.press_labelled(sure, texts.GIVE_UP_YES)
    await asking.next_board(ada, thread)
    policy.open.set()
    await asking.settled(thread)
    assert len(policy.asked) == 1 and not any("not sure" in each.content for each in ada.history(thread))


async def test_a_double_click_is_one_turn(asking: House, ada: Person, policy: ObedientPolicy):
    thread = await asking.play(ada)
    question = await ask(ada, thread, "the boat")
    sampled = [each.action for each in dict.fromkeys(policy.answers.values())]
    for label in ("2", "2", "1"):
        await ada.press_labelled(question, label)
    await asking.next_board(ada, thread)
    for _ in range(2):
        await ada.wait_message(lambda found: found.ephemeral and found.content == texts.QUESTION_OVER)
    await asking.settled(thread)
    turn = await only_turn(asking, thread)
    assert turn.chosen and turn.action in sampled
    assert asking.discord.world.message(thread.id, question.id).content.startswith("You meant picture")


async def test_a_question_is_answered_by_who_may_play_and_nobody_else(
    asking: House, ada: Person, bob: Person
):
    thread = await asking.play(ada)
    question = await ask(ada, thread, "the boat")
    await bob.press_labelled(question, "1")
    refused = await bob.wait_message(lambda message: message.ephemeral)
    assert refused.content == texts.not_yours(str(ada.id))
    assert not await asking.turns(thread) and buttons(question)
    await answered(ada, question, "1")
    await asking.next_board(ada, thread)


async def test_a_team_answers_together(asking: House, ada: Person, bob: Person):
    thread = await asking.play(bob, who="everybody")
    question = await ask(ada, thread, "the swan")
    await answered(bob, question, "1")
    await asking.next_board(ada, thread)
    (turn,) = await asking.turns(thread)
    assert turn.chosen and turn.player_id is not None  # who said the words

    await ask(ada, thread, "the boat")
    await asking.turn(bob, thread, "the duck")
    *_, turn = await asking.turns(thread)
    assert (turn.utterance, turn.player_id, turn.retracted) == ("the duck", None, None)
    await ask(ada, thread, "the fox")
    await asking.turn(ada, thread, "the ox")
    *_, turn = await asking.turns(thread)
    assert turn.retracted == "the fox"
    with asking.database.session() as session:
        game = session.get_one(Game, turn.game_id)
        *_, kept = export_player(session, game.player_id)["games"][0]["turns"]
    assert kept["utterance"] == kept["retracted"] == SOMEBODY_ELSE


async def test_a_form_is_asked_about_too(asking: House, ada: Person):
    thread = await asking.play(ada)
    await ada.press_labelled(asking.boards(ada, thread)[-1], texts.DESCRIBE)
    await ada.submit_modal(await ada.wait_modal(), {"utterance": "The Boat"})
    question = await ada.wait_message(lambda message: "I'm not sure" in message.content, where=thread)
    assert question.content.startswith("> The Boat\n")
    await answered(ada, question, "1")
    await asking.next_board(ada, thread)
    assert (await only_turn(asking, thread)).source == "modal"


async def test_only_what_the_policy_played_is_trained_on(asking: House, ada: Person):
    thread = await asking.play(ada)
    await answered(ada, await ask(ada, thread, "the boat"), "1")
    await asking.next_board(ada, thread)
    await ask(ada, thread, "no, not this one")
    await asking.turn(ada, thread, "the swan")
    await allow(asking, unsure=False)
    await asking.turn(ada, thread, await asking.winning_words(thread))
    await asking.settled(thread)
    with asking.database.session() as session:
        (interaction,) = usable_interactions(session, None)
    assert interaction.chosen == {0} and interaction.logps == (None, UNSURE, UNSURE)
    assert interaction.retracted == {1: "no, not this one"}
    assert [step.utterance for step in interaction.steps][:2] == ["the boat", "the swan"]


async def test_a_game_whose_question_nobody_answers_is_silent(asking: House, ada: Person):
    thread = await asking.play(ada)
    question = await ask(ada, thread, "the boat")
    await recorded(asking, thread)
    await answered(ada, question, texts.NONE_OF_THESE)
    async with asking.database.async_session() as session:
        ((silent, _since),) = await idle_games(session, now())
    assert silent.thread_id == str(thread.id)


async def test_the_option_is_off_until_a_moderator_switches_it_on(house: House, ada: Person):
    grace = await house.discord.people.join("Grace", moderator=True)
    for options, said in (({}, "I guess"), ({"unsure": True}, "I ask."), ({"unsure": False}, "I guess")):
        await grace.slash("play", "setup", options)
        assert said in (await grace.wait_message(lambda message: message.ephemeral)).content


# --- what the policy is unsure of -------------------------------------------------------------------------


def answer(action: str, probability: float) -> TurnAnswer:
    return TurnAnswer(action=action, logp=log(probability), adapter="base", base_model="m", seconds=0.0)


REQUEST = TurnRequest(
    request_id="g:1",
    game_id="g",
    images="classic",
    context=tuple("abcdefghij"),
    state="",
    utterance="the boat",
    adapter="base",
)


@pytest.mark.parametrize(
    ("sampled", "found"),
    [
        ([("select A", 0.9)], []),
        ([("select A", 0.4), ("select B", 0.7)], []),
        ([("select A", 0.2), ("select B", 0.69), *[("select A", 0.2)] * 3], ["select B", "select A"]),
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
    asked: list[str] = []

    async def sample(request: TurnRequest) -> TurnAnswer:
        asked.append(request.request_id)
        return answer(*sampled[len(asked) - 1])

    assert await doubts(REQUEST, sample) == found
    assert asked == [f"g:1:{number}" for number in range(len(sampled))]

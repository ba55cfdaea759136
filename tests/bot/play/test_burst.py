"""Messages sent shortly after one another are one instruction."""

from datetime import UTC, datetime, timedelta

import pytest
from bot_house import House, ObedientPolicy
from discord.utils import time_snowflake

from bot import texts
from bot.play.burst import first_burst, is_asked_about
from bot.play.utterances import LONGEST
from local_discord import Person
from store.models import Instruction, now

LONG = 30.0
"""Seconds that no test waits for."""


def queued(*messages: tuple[float, str], source: str = "message") -> list[Instruction]:
    """A queue of messages: (seconds at which it was sent, text)."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Instruction(
            id=number,
            game_id="g",
            text=text,
            source=source,
            message_id=str(time_snowflake(start + timedelta(seconds=seconds))),
        )
        for number, (seconds, text) in enumerate(messages)
    ]


def test_the_time_between_two_messages_counts_not_their_whole_length():
    queue = queued((0, "no"), (1.5, "the other one"), (3.4, "with the tail"), (5.5, "now the duck"))
    burst = first_burst(queue, 2.0)
    assert burst is not None and burst.complete
    assert burst.utterance == "no, the other one, with the tail"
    assert burst.earlier_message_ids == [queue[0].message_id, queue[1].message_id]
    assert burst.last is queue[2]
    rest = first_burst(queue[3:], 2.0)
    assert rest is not None and rest.utterance == "now the duck" and rest.earlier_message_ids is None


def test_no_burst_is_longer_than_an_utterance_may_be():
    words = "very " * (LONGEST // 10)
    burst = first_burst(queued((0, words), (1, words), (2, words)), 2.0)
    assert burst is not None and len(burst.instructions) == 2 and burst.complete
    assert len(burst.utterance) <= LONGEST


def test_what_is_said_after_a_question_is_said_anew():
    first, asked, anew = queue = queued((0, "no"), (1, "the boat"), (60, "with two sails"))
    asked.doubts = ["select A", "select B"]
    assert first_burst([first, asked], 2.0) is None and is_asked_about([first, asked])
    assert not is_asked_about(queue)
    burst = first_burst(queue, 2.0)
    assert burst is not None and burst.instructions == (anew,) and burst.queued == tuple(queue)
    assert (burst.utterance, burst.retracted_words) == ("with two sails", "no, the boat")
    assert burst.earlier_message_ids == [first.message_id, asked.message_id]
    assert not burst.may_be_asked_about
    asked.doubts = []  # none of the pictures was right, and so there may be another question
    burst = first_burst(queue, 2.0)
    assert burst is not None and burst.retracted_words == "no, the boat" and burst.may_be_asked_about


def test_what_was_answered_with_a_button_is_played_on_its_own():
    asked, _more = queue = queued((0, "the boat"), (1, "now the duck"))
    asked.doubts, asked.chosen = ["select A"], "select A"
    assert not is_asked_about([asked])
    for waiting in (queue, [asked]):
        burst = first_burst(waiting, 2.0)
        assert burst is not None and burst.instructions == (asked,) and burst.complete and not burst.retracted


def test_what_others_of_a_team_took_back_is_not_said_by_who_says_it_anew():
    asked, anew = queue = queued((0, "the boat"), (9, "the swan"))
    asked.doubts, anew.player_id = ["select A"], 7
    burst = first_burst(queue, 0.0)
    assert burst is not None and burst.retracted == (asked,) and burst.retracted_words is None


def test_what_came_last_is_waited_for_unless_it_is_a_form():
    (message,) = queued((0, "the duck"))
    message.received_at = now()
    burst = first_burst([message], LONG)
    assert burst is not None and LONG - 5 < burst.seconds_left(LONG) <= LONG
    message.received_at -= timedelta(seconds=LONG)
    assert burst.seconds_left(LONG) <= 0
    message.received_at += timedelta(hours=1)  # the clock was set back since
    assert burst.seconds_left(LONG) <= LONG
    for alone in (first_burst(queued((0, "a"), source="modal"), LONG), first_burst(queued((0, "a")), 0.0)):
        assert alone is not None and alone.seconds_left(LONG) <= 0
    assert first_burst([], LONG) is None


def test_forms_stay_apart_from_messages():
    queue = [*queued((0, "the duck")), *queued((0.5, "the boat"), source="modal"), *queued((1, "the cat"))]
    for number in range(3):
        burst = first_burst(queue[number:], LONG)
        assert burst is not None and burst.instructions == (queue[number],)


@pytest.mark.parametrize(
    ("messages", "utterance"),
    [
        (("The duck.", "> which one?", "the left one"), "The duck. which one? the left one"),
        (("it’s the", "**big** one"), "it's the, big one"),
        (("👍", "now the boat"), "👍, now the boat"),
    ],
)
def test_each_message_is_read_as_if_it_were_alone(messages: tuple[str, ...], utterance: str):
    burst = first_burst(queued(*((at, text) for at, text in enumerate(messages))), 2.0)
    assert burst is not None and burst.utterance == utterance


async def test_a_burst_is_one_turn_and_typing_shows_while_it_is_waited_for(
    stopped_house: House, ada: Person, policy: ObedientPolicy
):
    house = stopped_house
    house.with_settings(play={"burst": 1.0})
    await house.start()
    thread = await house.play(ada)
    ada.act()
    said = [await ada.say(thread, words) for words in ("hi!", "the tall one", "lol", "with a hat")]
    await ada.wait_for("TYPING_START", lambda data: data["channel_id"] == str(thread.id))
    assert not policy.asked
    board = await house.next_board(ada, thread)
    assert board.reference and board.reference["message_id"] == str(said[3].id)
    (turn,) = await house.turns(thread)
    assert turn.utterance == "the tall one, with a hat"
    assert (turn.message_id, turn.earlier_message_ids) == (str(said[3].id), [str(said[1].id)])
    assert [asked.utterance for asked in policy.asked] == [turn.utterance]
    await ada.edit(said[1], "the short one")
    await ada.wait_message(lambda message: message.content == texts.EDITED_TOO_LATE, where=thread)
    assert not await house.waiting(thread) and len(await house.turns(thread)) == 1


async def test_a_restart_in_the_middle_of_a_burst_changes_nothing(stopped_house: House, ada: Person):
    house = stopped_house
    house.with_settings(play={"burst": 3.0})
    await house.start()
    thread = await house.play(ada)
    await ada.say(thread, "no")
    await ada.say(thread, "the tall one")

    async def both_wait() -> bool:
        return len(await house.waiting(thread)) == 2

    await house.eventually(both_wait)
    await house.stop()
    last = await ada.say(thread, "with a hat")
    await house.start()
    await house.next_board(ada, thread)
    await house.settled(thread)
    await house.stop()
    await house.start()
    (turn,) = await house.turns(thread)
    assert turn.utterance == "no, the tall one, with a hat" and turn.message_id == str(last.id)
    assert len(house.boards(ada, thread)) == 2 and not await house.waiting(thread)


async def test_a_burst_that_was_missed_is_one_turn(stopped_house: House, ada: Person):
    house = stopped_house
    house.with_settings(play={"burst": 1.0})
    await house.start()
    thread = await house.play(ada)
    await house.settled(thread)
    await house.stop()
    for words in ("the tall one", "help", "with a hat"):
        await ada.say(thread, words)
    await house.start()
    await house.next_board(ada, thread)
    assert [turn.utterance for turn in await house.turns(thread)] == ["the tall one, with a hat"]


async def test_messages_of_a_burst_follow_their_edits_and_deletions(
    stopped_house: House, ada: Person, policy: ObedientPolicy
):
    house = stopped_house
    house.with_settings(play={"burst": 0.5})
    await house.start()
    thread = await house.play(ada)
    policy.open.clear()
    first, second = await ada.say(thread, "the tall one"), await ada.say(thread, "with a hat")
    await house.eventually(lambda: policy.asked)
    await ada.edit(first, "select A")
    await ada.delete(second)

    async def edited() -> bool:
        return await house.waiting(thread) == ["select A"]

    await house.eventually(edited)
    policy.open.set()
    await house.next_board(ada, thread)
    (turn,) = await house.turns(thread)
    assert (turn.action, turn.message_id) == ("select A", str(first.id))


async def test_nobody_waits_for_a_burst_to_give_up_or_to_stop(
    stopped_house: House, ada: Person, bob: Person, policy: ObedientPolicy
):
    house = stopped_house
    house.with_settings(play={"burst": LONG})
    await house.start()
    thread, other = await house.play(ada), await house.play(bob)
    await ada.say(thread, "the tall one")
    await bob.say(other, "the tall one")
    await ada.slash(thread, "giveup")
    sure = await ada.wait_message(lambda message: message.content == texts.GIVE_UP_SURE)
    await ada.press_labelled(sure, "Yes, give up")
    assert "Given up" in (await house.next_board(ada, thread, timeout=LONG / 2)).content
    await house.stop()
    assert not policy.asked and await house.waiting(other) == ["the tall one"]

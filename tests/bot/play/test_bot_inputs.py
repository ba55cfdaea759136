"""What people type, edit, delete and attach."""

import pytest
from bot_house import House, ObedientPolicy, has_board

from bot import texts
from bot.play.utterances import LONGEST, Unplayable, Utterance, read
from games.words import plain
from local_discord import Person, Upload


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("the **big** _dog_ with ~~three~~ `four` legs", "the big dog with four legs"),
        ("~~yes~~ no, the other duck", "no, the other duck"),
        ("first line\n\n> quoted\n- item\n# heading", "first line; item, heading"),
        ("- The duck\n- a House\n* the tree!", "The duck; a House; the tree!"),
        ("1. duck\n2) house\n\n3. tree", "1. duck; house; tree"),
        ("no:\n- the duck\nthe house - a tall one", "no: the duck, the house - a tall one"),
        ("-5\n-6 feet", "-5, -6 feet"),
        ("> the dog\nnot this one", "not this one"),
        (">>> yes", "yes"),
        ("that isn’t it, it’s the “big” one…", "that isn't it, it's the \"big\" one..."),
        ("the dog https://tenor.com/view/dog-12 <https://a.b/c>", "the dog"),
        ("½ a dog", "1⁄2 a dog"),
        ("```py\nthe boat\n```", "the boat"),
        ("||spoiler|| and __underlined__ and ***both***", "spoiler and underlined and both"),
        ("[the dog](https://example.org/x) <@123> <#45> <:smile:6>", "the dog :smile:"),
        ("snake_case_stays and 2 * 3 * 4", "snake_case_stays and 2 * 3 * 4"),
        ("\\*a dog", "*a dog"),
        ("zero\u200bwidth\u202e and\ttabs", "zerowidth and tabs"),
        ("der knieende Mann, 犬", "der knieende Mann, 犬"),
        ("<the one on the left>", "<the one on the left>"),
    ],
)
def test_the_policy_is_given_plain_words(written: str, words: str):
    assert plain(written) == words
    assert plain(words) == words


@pytest.mark.parametrize("written", ["!!!", "<@12>", "**", "```\n```", "\u200b", "~~the dog~~", "…"])
def test_a_message_without_words_is_not_a_turn(written: str):
    assert read(written) == Unplayable(texts.WORDS_PLEASE)


@pytest.mark.parametrize("written", ["https://tenor.com/view/dog-gif-123", "<https://example.org>"])
def test_a_link_alone_costs_no_turn(written: str):
    assert read(written) == Unplayable(texts.NO_ATTACHMENTS)


@pytest.mark.parametrize("written", ["👍", "🐕🐕🐕", "<:dog:123>", "👎🏿", "✅"])
def test_emoji_are_words(written: str):
    assert read(written) == Utterance(written)


@pytest.mark.parametrize(("character", "length"), [("½", 3), ("\ufdfa", 18)])
def test_the_limit_counts_what_the_policy_reads(character: str, length: int):
    assert read(character * (LONGEST // length)) == Utterance(character * (LONGEST // length))
    assert isinstance(read(character * LONGEST), Unplayable)


def test_what_is_chatter_and_what_is_an_instruction():
    assert read("// lol") is None
    assert read("((brb))") is None
    assert read("   ") is None
    assert read("", extras=True) == Unplayable(texts.NO_ATTACHMENTS)
    assert read("  the dog \n") == Utterance("the dog")
    assert isinstance(read("x" * (LONGEST + 1)), Unplayable)
    assert isinstance(read("x" * LONGEST), Utterance)


async def test_unplayable_messages_are_answered_and_cost_no_turn(house: House, ada: Person):
    thread = await house.play(ada)
    png = Upload("dog.png", b"\x89PNG\r\n\x1a\n", "image/png")
    for content, files, answer in (
        ("?!", (), texts.WORDS_PLEASE),
        ("https://tenor.com/view/dog-gif-123", (), texts.NO_ATTACHMENTS),
        ("a " * 700, (), texts.too_long(1399, LONGEST)),
        ("", (png,), texts.NO_ATTACHMENTS),
    ):
        said = await ada.say(thread, content, files=files)
        reply = await ada.wait_message(where=thread)
        assert reply.content == answer
        assert reply.reference and reply.reference["message_id"] == str(said.id)
    await ada.say(thread, "// just chatting")
    await house.turn(ada, thread, "select A")
    assert len(await house.turns(thread)) == 1


async def test_a_message_with_a_picture_is_played_by_its_words(house: House, ada: Person):
    thread = await house.play(ada)
    await ada.say(thread, "select A", files=[Upload("x.png", b"x", "image/png")])
    await house.next_board(ada, thread)
    assert (await house.turns(thread))[0].action == "select A"


async def test_waiting_messages_follow_their_edits_and_deletions(
    house: House, ada: Person, policy: ObedientPolicy
):
    thread = await house.play(ada)
    policy.open.clear()
    first = await ada.say(thread, "select A")
    second = await ada.say(thread, "select B")
    third = await ada.say(thread, "select C")

    async def waiting(*words: str) -> bool:
        return await house.waiting(thread) == list(words)

    await house.eventually(lambda: waiting("select A", "select B", "select C"))
    await ada.edit(second, "select D")
    await ada.delete(third)
    await house.eventually(lambda: waiting("select A", "select D"))
    await ada.edit(
        first, "select E"
    )  # the policy already computes the turn; its answer to the old words is dropped
    await house.eventually(lambda: waiting("select E", "select D"))
    policy.open.set()
    await house.eventually(lambda: len(house.boards(ada, thread)) == 3)
    assert [turn.action for turn in await house.turns(thread)] == ["select E", "select D"]


async def test_editing_a_played_message_gets_a_hint(house: House, ada: Person):
    thread = await house.play(ada)
    said = await ada.say(thread, "select A")
    await house.next_board(ada, thread)
    await ada.edit(said, "select B")
    await ada.wait_message(lambda message: message.content == texts.EDITED_TOO_LATE, where=thread)
    assert [turn.action for turn in await house.turns(thread)] == ["select A"]


async def test_a_message_shortened_by_an_edit_is_played(house: House, ada: Person):
    thread = await house.play(ada)
    said = await ada.say(thread, "very " * 300 + "long")
    await ada.wait_message(lambda message: "shorten" in message.content, where=thread)
    await ada.edit(said, "select A")
    await house.next_board(ada, thread)
    assert [turn.message_id for turn in await house.turns(thread)] == [str(said.id)]


async def test_messages_after_the_end_are_ignored(house: House, ada: Person):
    thread = await house.play(ada)
    await house.turn(ada, thread, await house.winning_words(thread))
    await house.settled(thread)
    before = len(ada.history(thread))
    await ada.say(thread, "good game!")
    other = await house.play(ada)
    assert other.id != thread.id
    assert len(ada.history(thread)) == before + 1


async def test_a_direct_message_is_answered(house: House, ada: Person):
    channel = await ada.direct()
    await ada.say(channel, "hello?")
    answer = await ada.wait_message(where=channel)
    assert answer.content == texts.DM_ANSWER and not has_board(answer)

"""What happens in a game besides its turns is kept for researchers: boards, edits, withdrawals, words after the end."""

from bot_house import House, ObedientPolicy
from discord.utils import snowflake_time
from sqlmodel import col, select

from bot import texts
from local_discord import Person
from store.database import Database
from store.models import GameEvent, GameEventKind

Happened = tuple[str, int | None, str | None]


def events(database: Database, kind: GameEventKind | None = None) -> list[Happened]:
    with database.session() as session:
        found = session.exec(select(GameEvent).order_by(col(GameEvent.id))).all()
    return [(str(row.kind), row.turn, row.text) for row in found if kind in (None, row.kind)]


async def test_boards_edits_and_withdrawn_messages_are_events_without_words(house: House, ada: Person):
    thread = await house.play(ada)
    said = await ada.say(thread, "Select A")
    await house.next_board(ada, thread)
    await ada.edit(said, "Select B")
    await ada.wait_message(lambda message: message.content == texts.EDITED_TOO_LATE, where=thread)
    await ada.delete(said)
    await house.eventually(lambda: len(events(house.database)) == 4)
    assert events(house.database) == [
        ("board_shown", None, None),
        ("board_shown", 1, None),
        ("edited", 1, None),
        ("withdrawn", 1, None),
    ]
    with house.database.session() as session:
        shown = [row.at for row in session.exec(select(GameEvent)).all()][:2]
    assert shown == [snowflake_time(board.id) for board in house.boards(ada, thread)]


async def test_an_edit_and_a_withdrawal_before_the_turn_are_events(
    house: House, ada: Person, policy: ObedientPolicy
):
    thread = await house.play(ada)
    policy.open.clear()

    async def waiting(*words: str) -> bool:
        return await house.waiting(thread) == list(words)

    said = await ada.say(thread, "select A")
    await house.eventually(lambda: waiting("select A"))
    await ada.edit(said, "select B")
    await house.eventually(lambda: waiting("select B"))
    await ada.delete(said)
    await house.eventually(waiting)
    policy.open.set()
    assert events(house.database)[1:] == [("edited", None, None), ("withdrawn", None, None)]


async def test_what_is_said_after_the_end_is_kept_with_what_was_said_before(
    house: House, ada: Person, bob: Person
):
    thread = await house.play(ada)
    await house.turn(ada, thread, await house.winning_words(thread))
    await ada.say(thread, "Wow, that’s **quick** 🎉")
    await bob.say(thread, "I have seen it too")
    await ada.say(thread, "thanks!")
    after = GameEventKind.SAID_AFTER
    await house.eventually(lambda: len(events(house.database, after)) == 2)
    assert events(house.database, after) == [
        ("said_after_end", None, "Wow, that's quick 🎉"),
        ("said_after_end", None, "thanks!"),
    ]

"""The message of a round: its progress, its end with the curve, and what its adapter gained later."""

import asyncio

import pytest
from bot_house import House
from rounds_house import add_adapter, ask, finish_a_game, registry_of, rounds, runs, say

from bot.rounds import report_texts, texts
from local_discord import Fault, Person
from store.models import Round, RoundStatus, now
from store.rounds import cancel, latest_events, report


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.rounds.messages.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("bot.rounds.messages.EDIT_SECONDS", 0.1)


def edits(house: House) -> int:
    return sum(record.method == "PATCH" and "/channels/" in record.path for record in house.discord.log)


async def test_one_message_shows_a_round_to_its_end(house: House, ada: Person, grace: Person):
    await finish_a_game(house, ada)
    before = edits(house)
    await say(house, grace, "round start")
    message = await grace.wait_message(lambda found: "training" in found.content, since=0)
    assert message.content.splitlines()[1].startswith("▰") and "about 2 min left" in message.content
    assert f"asked for by <@{grace.id}>" in message.content and not message.mentions
    await asyncio.sleep(0.5)
    assert edits(house) - before <= 2  # nothing has changed since
    (house.settings.store.data_dir / "go").touch()
    end = await grace.wait_message(lambda found: "is done" in found.content, since=0)
    assert end.id == message.id
    assert "(better)" in end.content and "`round-0001-b-sup`" in end.content and "base model" in end.content
    (picture,) = end.attachments
    assert picture.filename == "curve.png" and "base: 100% (" in (picture.description or "")
    assert [
        found.id for found in grace.history("play") if "Round 1" in found.content and not found.ephemeral
    ] == [message.id]


async def test_a_message_that_is_deleted_stops_nothing(house: House, ada: Person, grace: Person):
    await finish_a_game(house, ada)
    moderators = house.discord.channel("moderators")
    await say(house, grace, "setup", reports=moderators.id)
    await say(house, grace, "round start")
    message = await grace.wait_message(lambda found: "training" in found.content, since=0)
    await grace.delete(message)
    (house.settings.store.data_dir / "go").touch()
    assert "is done" in (await grace.wait_message(where=moderators)).content
    assert rounds(house)[0].message_id is None


async def test_where_it_may_not_write_the_answer_shows_the_round(house: House, ada: Person, grace: Person):
    await finish_a_game(house, ada)
    house.discord.faults.add(Fault(kind="forbidden", method="POST", route="/channels/*/messages"))
    answer = await ask(house, grace, "round start")
    assert answer.content == texts.round_queued(1)
    progress = await grace.wait_message(lambda found: "training" in found.content, since=0)
    assert progress.ephemeral
    (house.settings.store.data_dir / "go").touch()
    end = await grace.wait_message(lambda found: "is done" in found.content, since=0)
    assert end.id == progress.id and end.attachments


async def test_a_restarted_bot_goes_on_with_the_message(house: House, ada: Person, grace: Person):
    await finish_a_game(house, ada)
    await say(house, grace, "round start")
    message = await grace.wait_message(lambda found: "training" in found.content, since=0)
    await house.stop()
    await house.start()
    await house.eventually(lambda: runs(house) == 2)
    with house.database.session() as session:
        report(session, rounds(house)[0].id or 0, "evaluate")
    compared = await grace.wait_message(lambda found: "comparing" in found.content, since=0)
    assert compared.id == message.id
    await house.stop()
    with house.database.session() as session:
        cancel(session, rounds(house)[0].id or 0, str(grace.id))
    await house.start()
    end = await grace.wait_message(lambda found: "was cancelled" in found.content, since=0)
    assert end.id == message.id


async def test_the_gain_is_reported_once(stopped_house: House, ada: Person):
    house = stopped_house
    house.with_settings(rounds={"gain_games": 2})
    await house.start()
    grace = await house.discord.people.join("Grace", moderator=True)
    moderators = house.discord.channel("moderators")
    await say(house, grace, "setup", reports=moderators.id)
    await finish_a_game(house, ada)
    name = await add_adapter(house, 1)
    with house.database.session() as session:
        registry_of(house).promote(session, name)
    house.policy.current = name
    for _ in range(3):
        await finish_a_game(house, ada)
    told = await grace.wait_message(where=moderators)
    assert f"`{name}` has won 100% of 2 games" in told.content or "of 3 games" in told.content
    assert "a gain of +0 points (95% interval" in told.content and "not clear yet" in told.content
    await finish_a_game(house, ada)
    assert len(grace.history(moderators)) == 1
    with house.database.session() as session:
        assert [event.action for event in latest_events(session, 9)] == ["gain"]
    assert f"`{name}` against `base`: +0 points" in await say(house, grace, "round history")


def test_the_bar_moves_with_the_stages():
    row = Round(number=1, system="b-sup", status=RoundStatus.RUNNING, started_at=now())
    bars = []
    for stage, progress in {
        "queued": {},
        "decode": {"done": 5, "total": 10},
        "train": {"done": 9, "total": 10},
        "publish": {},
    }.items():
        row.stage, row.progress = stage, progress
        bars.append(report_texts.round_progress(row).count("▰"))
    assert bars == sorted(bars) and bars[0] == 0 and bars[-1] < report_texts.BAR_CELLS

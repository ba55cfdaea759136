"""What becomes of the adapter in use when what it learnt from is erased or withdrawn, as the owner chose."""

from datetime import timedelta

import pytest
from bot_house import House
from rounds_house import add_adapter, ask, erase_turns_of, finish_a_game, press, registry_of, rounds, say
from sqlmodel import Session, select

from bot.language import speaking
from bot.privacy import texts
from bot.rounds import report_texts
from local_discord import Person
from store.migrations import upgrade
from store.models import (
    Adapter,
    AdapterStatus,
    ConsentKind,
    Origin,
    Round,
    RoundAction,
    RoundEvent,
    RoundStatus,
    Turn,
    now,
)
from store.players import give_consent
from store.training import LineageEntry, record_lineage


@pytest.fixture
async def rolls_back(stopped_house: House) -> House:
    """The bot of an owner who chose to roll back at once, with an adapter before the one in use."""
    stopped_house.with_settings(rounds={"after_erasure": "rollback"})
    await stopped_house.start()
    await promoted(stopped_house, 1)
    return stopped_house


async def promoted(house: House, number: int) -> str:
    """A new adapter, which is in use."""
    name = await add_adapter(house, number, AdapterStatus.CANDIDATE)
    await house.database.write_in_thread(lambda session: registry_of(house).promote(session, name))
    return name


async def learn(house: House) -> str:
    """An adapter that is in use and was trained on every turn so far."""
    name = await promoted(house, 2)

    def learnt(session: Session) -> None:
        adapter = session.exec(select(Adapter).where(Adapter.name == name)).one()
        entries = [LineageEntry(turn.id or 0, 1.0, 1.0) for turn in session.exec(select(Turn))]
        record_lineage(session, adapter, entries)

    await house.database.write_in_thread(learnt)
    return name


async def erase(person: Person) -> str:
    await person.slash("play", "privacy")
    panel = await person.wait_message(lambda message: message.ephemeral)
    await person.press_labelled(panel, texts.ERASE)
    sure = await person.wait_message(lambda message: message.content == texts.ERASE_SURE)
    await person.press_labelled(sure, texts.ERASE_YES)
    return (await person.wait_message(lambda message: message.content.startswith("Done."))).content


def events(house: House) -> list[tuple[RoundAction, str | None, str | None, str | None]]:
    with house.database.session() as session:
        return [(row.action, row.by, row.adapter, row.before) for row in session.exec(select(RoundEvent))]


async def test_the_adapter_in_use_waits_for_the_next_round_by_default(house: House, ada: Person):
    await finish_a_game(house, ada)
    name = await learn(house)
    assert await erase(ada) == texts.erased(1, 1)
    assert registry_of(house).current() == name and events(house) == [
        (RoundAction.AFFECTED, None, name, None)
    ]


async def test_the_end_of_a_round_says_what_was_taken_out_of_service(house: House, ada: Person):
    await promoted(house, 1)
    await finish_a_game(house, ada)
    name = await learn(house)
    await erase(ada)
    left = await house.database.write_in_thread(registry_of(house).leave_affected)
    row = Round(number=3, system="b-sup", status=RoundStatus.DONE, results={"out_of_service": left})
    said = {}
    for language in ("en", "de"):
        with speaking(language):
            said[language] = report_texts.round_summary(row, "round-0001-b-sup")
    assert f"`{name}` was trained on turns that have since been erased (" in said["en"]
    assert "So `round-0001-b-sup` took over." in said["en"]
    assert "Deshalb hat `round-0001-b-sup` übernommen." in said["de"]


async def test_it_waits_for_a_round_until_the_deadline_only(house: House, ada: Person):
    await promoted(house, 1)
    await finish_a_game(house, ada)
    name = await learn(house)
    await erase(ada)
    grace = await house.discord.people.join("Grace", moderator=True)
    assert "Even without a round, the one in use plays no new games from <t:" in await say(
        house, grace, "round status"
    )
    for days, current in ((29, name), (31, "round-0001-b-sup")):
        await house.stop()
        with house.database.session() as session:
            event = session.exec(select(RoundEvent)).one()
            event.at = now() - timedelta(days=days)
            session.add(event)
        await house.start()
        assert registry_of(house).current() == current
    assert "I went back to `round-0001-b-sup`" in await say(house, grace, "round history")


async def test_it_is_rolled_back_at_once_where_the_owner_chose_that(rolls_back: House, ada: Person):
    house = rolls_back
    grace = await house.discord.people.join("Grace", moderator=True)
    await say(house, grace, "setup", audit=house.discord.channel("moderators").id)
    await finish_a_game(house, ada)
    name = await learn(house)
    reloads = house.policy.reloads
    assert await erase(ada) == texts.erased(1, 1, at_once=True)
    assert registry_of(house).current() == "round-0001-b-sup"
    assert events(house) == [(RoundAction.ROLLBACK, None, "round-0001-b-sup", name)]
    assert house.policy.reloads == reloads + 1
    line = f"I went back to `round-0001-b-sup` (before: `{name}`): that had learnt from what may no longer be used"
    assert line in await say(house, grace, "round history")
    await house.eventually(
        lambda: any(line in each.content for each in grace.history(house.discord.channel("moderators")))
    )


async def test_nothing_is_rolled_back_for_somebody_it_did_not_learn_from(
    rolls_back: House, ada: Person, bob: Person
):
    await finish_a_game(rolls_back, ada)
    name = await learn(rolls_back)
    await finish_a_game(rolls_back, bob)
    assert await erase(bob) == texts.erased(1)
    assert registry_of(rolls_back).current() == name and not events(rolls_back)


async def test_a_round_that_runs_does_it_at_its_end(rolls_back: House, ada: Person):
    house = rolls_back
    await finish_a_game(house, ada)
    name = await learn(house)
    grace = await house.discord.people.join("Grace", moderator=True)
    await say(house, grace, "round start")
    await house.eventually(lambda: rounds(house)[0].stage == "train")
    assert await erase(ada) == texts.erased(1, 1)
    assert registry_of(house).current() == name


async def test_who_no_longer_agrees_to_training_is_learnt_from_no_more(
    rolls_back: House, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    house = rolls_back
    monkeypatch.setattr(type(house.settings), "origin", Origin.DISCORD)
    await finish_a_game(house, ada)
    async with house.database.async_writing() as session:
        await give_consent(session, 1, ConsentKind.TRAINING, True, "/privacy")
    name = await learn(house)
    assert registry_of(house).current() == name
    shown = await ask(house, ada, "privacy")
    assert "❌" in await press(ada, shown, texts.toggle("training", True))
    assert registry_of(house).current() == "round-0001-b-sup"


async def test_what_was_erased_before_the_owner_chose_it_is_done_at_the_start(stopped_house: House):
    house = stopped_house
    upgrade(house.database)
    await erase_turns_of(house, await promoted(house, 1))
    house.with_settings(rounds={"after_erasure": "rollback"})
    await house.start()
    assert registry_of(house).current() == "base"

"""The console of rounds: cancel, promote, roll back, the schedule, and who did what."""

from datetime import datetime, timedelta

import pytest
from bot_house import House, ObedientPolicy
from rounds_house import (
    add_adapter,
    ask,
    erase_turns_of,
    finish_a_game,
    press,
    registry_of,
    rounds,
    runs,
    say,
)

from bot.rounds import texts
from bot.rounds.cron import Cron
from local_discord import Person
from store.models import AdapterStatus, RoundStatus


async def test_a_round_is_cancelled_after_a_question(
    house: House, ada: Person, grace: Person, policy: ObedientPolicy
):
    assert await say(house, grace, "round cancel") == texts.NO_ROUND
    await finish_a_game(house, ada)
    await say(house, grace, "round start")
    await house.eventually(lambda: rounds(house)[0].stage == "train")
    question, again = [await ask(house, grace, "round cancel") for _ in range(2)]
    assert "Cancel round 1" in question.content and rounds(house)[0].status is RoundStatus.RUNNING
    assert await press(grace, question, texts.CANCEL_YES) == texts.cancelled(1)
    (row,) = rounds(house)
    assert (row.status, row.active, row.error) == (RoundStatus.CANCELLED, None, None)
    log = house.settings.store.data_dir / "logs" / f"round-{row.id}.log"
    assert runs(house) == 1 and "Traceback" not in log.read_text()
    message = await grace.wait_message(lambda found: "was cancelled" in found.content, since=0)
    assert not message.ephemeral
    assert f"**Round 1** cancelled by <@{grace.id}>" in await say(house, grace, "round history")
    assert await press(grace, again, texts.CANCEL_YES) == texts.ROUND_OVER
    assert await say(house, grace, "round start") == texts.round_queued(1)
    await house.eventually(lambda: runs(house) == 2)
    (house.settings.store.data_dir / "go").touch()
    await house.eventually(lambda: rounds(house)[0].status is RoundStatus.DONE)


async def test_a_round_whose_adapter_plays_already_is_not_cancelled(
    house: House, ada: Person, grace: Person, monkeypatch: pytest.MonkeyPatch
):
    await finish_a_game(house, ada)
    await say(house, grace, "round start")
    await house.eventually(lambda: rounds(house)[0].stage == "train")
    name = await add_adapter(house, 1)
    question = await ask(house, grace, "round cancel")
    with house.database.session() as session:
        registry_of(house).promote(session, name)
    (house.settings.store.data_dir / "go").touch()
    assert await press(grace, question, texts.CANCEL_YES) in (texts.TOO_LATE, texts.ROUND_OVER)
    await house.eventually(lambda: rounds(house)[0].status is RoundStatus.DONE)


async def test_adapters_are_promoted_and_rolled_back_after_a_question(
    house: House, grace: Person, policy: ObedientPolicy
):
    assert await say(house, grace, "round rollback") == texts.NOTHING_TO_GO_BACK_TO
    first, second = await add_adapter(house, 1), await add_adapter(house, 2, AdapterStatus.REJECTED)
    erased, foreign = await add_adapter(house, 3), await add_adapter(house, 4, base_model="another")
    unjudged = await add_adapter(house, 5, AdapterStatus.CANDIDATE)
    await erase_turns_of(house, erased)
    offered = await grace.autocomplete("play", "round promote", {"adapter": ""}, "adapter")
    assert [choice["value"] for choice in offered] == [second, first, "base"]
    assert offered[0]["name"] == f"{second} (refused by its gate)"
    offered = await grace.autocomplete("play", "round promote", {"adapter": "0001"}, "adapter")
    assert [choice["value"] for choice in offered] == [first]

    for name, reason in {
        erased: "erased",
        foreign: "was trained on base model another",
        unjudged: texts.never_judged(unjudged),
        "round-0009-b-sup": "There is no adapter",
        "../../etc": "is not an adapter's name",
    }.items():
        assert reason in await say(house, grace, "round promote", adapter=name)

    question, again = [await ask(house, grace, "round promote", adapter=first) for _ in range(2)]
    assert f"`{first}`" in question.content and "all servers" in question.content
    assert registry_of(house).current() == "base"
    assert await press(grace, question, texts.PROMOTE_YES) == texts.promoted(first, "base")
    assert (registry_of(house).current(), policy.reloads) == (first, 1)
    assert await press(grace, again, texts.PROMOTE_YES) == texts.already_current(first)
    question = await ask(house, grace, "round promote", adapter=second)
    assert "refused" in question.content
    await press(grace, question, texts.PROMOTE_YES)

    question, again = [await ask(house, grace, "round rollback") for _ in range(2)]
    assert f"from `{second}` to `{first}`" in question.content
    assert await press(grace, question, texts.ROLLBACK_YES) == texts.promoted(first, second)
    assert registry_of(house).current() == first
    assert await press(grace, again, texts.ROLLBACK_YES) == texts.CHANGED_MEANWHILE
    assert registry_of(house).current() == first
    assert f"`{first}`" in await say(house, grace, "round status")
    told = (await say(house, grace, "round history")).splitlines()
    assert [line.split(" ", 1)[1] for line in told] == [
        f"<@{grace.id}> went back to `{first}` (before: `{second}`)",
        f"<@{grace.id}> promoted `{second}` (before: `{first}`)",
        f"<@{grace.id}> promoted `{first}` (before: `base`)",
    ]


async def test_an_adapter_that_is_erased_after_the_question_is_not_promoted(house: House, grace: Person):
    name = await add_adapter(house, 1)
    question = await ask(house, grace, "round promote", adapter=name)
    await erase_turns_of(house, name)
    assert "since been erased" in await press(grace, question, texts.PROMOTE_YES)
    assert registry_of(house).current() == "base"


async def test_no_adapter_is_changed_while_a_round_may_change_it(house: House, ada: Person, grace: Person):
    name = await add_adapter(house, 1)
    question = await ask(house, grace, "round promote", adapter=name)
    await finish_a_game(house, ada)
    await say(house, grace, "round start")
    assert await press(grace, question, texts.PROMOTE_YES) == texts.round_under_way(1)
    assert await say(house, grace, "round rollback") == texts.round_under_way(1)


async def test_the_schedule_is_kept(house: House, grace: Person):
    assert "no schedule" in await say(house, grace, "round schedule")
    offered = await grace.autocomplete("play", "round schedule", {"cron": "monday"}, "cron")
    assert [choice["value"] for choice in offered] == ["0 4 * * 1"]
    for wrong in ("often", "0 4 * * 8", "0 0 30 2 *"):
        assert "is no schedule" in await say(house, grace, "round schedule", cron=wrong)
    answer = await say(house, grace, "round schedule", cron=" 0 4 * * * ")
    assert "`0 4 * * *`" in answer and answer.count(":f>") == 3 and f"<@{grace.id}>" in answer
    house.with_settings(rounds={"schedule": "0 5 * * *"})
    await house.stop()
    await house.start()
    assert "`0 4 * * *`" in await say(house, grace, "round schedule")
    assert "`0 5 * * *`" in await say(house, grace, "round schedule", cron="default")
    assert "no schedule" in await say(house, grace, "round schedule", cron="off")
    await house.stop()
    await house.start()
    assert "no schedule" in await say(house, grace, "round status")
    told = (await say(house, grace, "round history")).splitlines()
    assert [line.split(" ", 2)[2] for line in told] == [
        "switched the schedule off",
        "went back to the operator's schedule",
        "set the schedule to `0 4 * * *`",
    ]


async def test_a_chosen_schedule_starts_rounds(
    house: House, ada: Person, grace: Person, monkeypatch: pytest.MonkeyPatch
):
    await finish_a_game(house, ada)

    class Soon(Cron):
        def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
            return None if previous_fire_time else now + timedelta(milliseconds=10)

    monkeypatch.setattr("bot.rounds.schedule.Cron", Soon)
    await say(house, grace, "round schedule", cron="0 4 * * *")
    await house.eventually(lambda: [row.trigger for row in rounds(house)] == ["schedule"])
    assert "on schedule" in await say(house, grace, "round history")

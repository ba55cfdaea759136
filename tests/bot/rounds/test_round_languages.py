"""What a server reads of rounds is in its language, whatever the person who asked speaks."""

import pytest
from bot_house import House
from catalogues import languages_in
from rounds_house import add_adapter, ask, finish_a_game

from local_discord import Person
from store.models import AdapterStatus


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.rounds.messages.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("bot.rounds.messages.EDIT_SECONDS", 0.1)


async def test_reports_are_in_the_language_of_the_server(house: House, ada: Person, grace: Person):
    moderators = house.discord.channel("moderators")
    await finish_a_game(house, ada)
    answer = await ask(house, grace, "setup", language="de", reports=moderators.id)
    assert languages_in(answer.content) == {"en"}
    assert languages_in((await ask(house, grace, "round start")).content) == {"en"}
    message = await grace.wait_message(lambda found: "trainiert" in found.content, since=0)
    assert languages_in(message.content) == {"de"}
    assert languages_in((await ask(house, grace, "round status")).content) == {"en"}
    grace.user.locale = "de"
    status = await ask(house, grace, "runde status")
    assert languages_in(status.content) == {"de"} and "3 von 8" in status.content
    (house.settings.store.data_dir / "go").touch()
    end = await grace.wait_message(lambda found: "ist fertig" in found.content, since=0)
    assert end.id == message.id and languages_in(end.content) == {"de"}
    assert languages_in(end.attachments[0].description or "") == {"de"}
    assert languages_in((await ask(house, grace, "runde verlauf")).content) <= {"de"}


async def test_a_report_is_written_once_for_each_language(house: House, ada: Person, grace: Person):
    moderators = house.discord.channel("moderators")
    await finish_a_game(house, ada)
    await ask(house, grace, "setup", reports=moderators.id)
    await ask(house, grace, "round start")
    await grace.delete(await grace.wait_message(lambda found: "training" in found.content, since=0))
    await ask(house, grace, "setup", language="de")
    (house.settings.store.data_dir / "go").touch()
    report = await grace.wait_message(where=moderators, since=0)
    assert "Runde 1 ist fertig" in report.content and languages_in(report.content) == {"de"}


async def test_questions_and_choices_are_in_the_language_of_who_asks(house: House, grace: Person):
    await add_adapter(house, 1, AdapterStatus.REJECTED)
    grace.user.locale = "de"
    offered = await grace.autocomplete("play", "runde einsetzen", {"adapter": ""}, "adapter")
    assert "round-0001-b-sup (von der Prüfung abgelehnt)" in [choice["name"] for choice in offered]
    schedules = await grace.autocomplete("play", "runde zeitplan", {"cron": ""}, "cron")
    assert "0 4 * * *: jeden Tag um vier" in [choice["name"] for choice in schedules]
    question = await ask(house, grace, "runde einsetzen", adapter="round-0001-b-sup")
    assert languages_in(question.content) == {"de"} and "**abgelehnt**" in question.content

"""What is hostile does not stop the bot, ping anybody or change what it must not (`respect bench fuzz` sends more)."""

import pytest
from bot_house import House

from local_discord.request_log import Validator
from sim.bench.fuzz import Fuzz


async def test_hostile_messages_change_nothing(
    house: House, validator: Validator | None, capsys: pytest.CaptureFixture[str]
):
    report = await Fuzz(house.discord, house.database, seed=1, people=10, validator=validator).run(250)
    report.read_log(capsys.readouterr().err)
    assert report.sound and not report.warnings, report
    assert report.turns > 10 and report.requests > 100

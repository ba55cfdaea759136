"""What is hostile does not stop the bot, ping anybody or change what it must not (`respect bench fuzz` sends more)."""

import pytest
from bot_house import House

from local_discord.request_log import Validator
from sim.bench.crowd import SHARES
from sim.bench.fuzz import Fuzz

FEW_TURNS = {**SHARES, "message": 10}
"""Boards take longest."""


async def test_hostile_messages_change_nothing(
    house: House, validator: Validator | None, capsys: pytest.CaptureFixture[str]
):
    fuzz = Fuzz(house.discord, house.database, seed=1, people=6, validator=validator, shares=FEW_TURNS)
    report = await fuzz.run(200)
    report.read_log(capsys.readouterr().err)
    assert report.sound and not report.warnings, report
    assert report.turns >= 5 and report.requests > 100 and report.sent.keys() == SHARES.keys()

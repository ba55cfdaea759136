"""Nothing is lost or played twice while everything fails (`respect bench chaos` plays more, and has rounds)."""

from pathlib import Path

import pytest

from bot.settings import BotSettings
from local_discord.request_log import Validator
from sim.bench.chaos import ChaosOptions, bench_chaos


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_nothing_is_lost_while_everything_fails(tmp_path: Path, validator: Validator | None):
    options = ChaosOptions(
        tmp_path,
        games=6,
        guilds=2,
        players=3,
        forms=0.5,
        names=("pick",),
        drop_seconds=12.0,
        slow_seconds=1.0,
        bot_kills=1,
        service_kills=1,
        round_kills=0,
        worker_kills=0,
        disk_fills=0,
        settings=BotSettings().changed(policy={"threads": 1}),
    )
    report = await bench_chaos(options, validator)
    log = (tmp_path / "bot.log").read_text()
    assert report.sound, (report, log[log.find("Traceback") :][:5_000] if report.tracebacks else "")
    assert report.games == 6 and report.turns == report.messages + report.forms - report.refused
    assert (report.bot_kills, report.service_kills) == (1, 2) and report.forms and report.gateway_drops, (
        report
    )

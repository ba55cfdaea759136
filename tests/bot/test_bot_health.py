"""The running bot's health page."""

import socket

import aiohttp
import discord
import pytest
from bot_house import House, ObedientPolicy

from local_discord import Person
from store.logs import configure_logging


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_health_and_metrics_of_a_running_bot(stopped_house: House, ada: Person, policy: ObedientPolicy):
    house = stopped_house
    house.with_settings(web={"port": free_port()})
    await house.start()
    await house.turn(ada, await house.play(ada), "select A")
    url = f"http://127.0.0.1:{house.settings.web.port}"
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url}/healthz") as response:
            assert response.status == 200
        async with http.get(f"{url}/metrics") as response:
            text = await response.text()
        assert "respect_games_open 1.0" in text and "respect_turns_total 1.0" in text
        policy.away = True
        async with http.get(f"{url}/healthz") as response:
            assert response.status == 503
            assert "PolicyError" in (await response.json())["checks"]["policy"]


async def test_a_start_warns_of_no_voice(
    stopped_house: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    for warning in ("warn_nacl", "warn_dave"):
        monkeypatch.setattr(discord.VoiceClient, warning, True, raising=False)
    configure_logging()
    await stopped_house.start()
    said = "".join(capfd.readouterr())
    assert "health and metrics" in said and "voice" not in said

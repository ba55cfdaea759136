"""The running bot's health page, and the policy service it starts for itself."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import aiohttp
import discord
import pytest
from bot_house import House, ObedientPolicy

from local_discord import Person
from store.logs import configure_logging

WEIGHTS = Path(__file__).parents[2] / "learner" / "policy" / "tiny" / "weights" / "config.json"


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


def policy_pids(folder: Path) -> list[int]:
    """Policy services that this process has started with `folder` as the data folder."""
    mine = f"--parent\0{os.getpid()}\0".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line, environment = path.read_bytes(), path.with_name("environ").read_bytes()
        except OSError:
            continue
        if b"learner.serving" in line and mine in line and os.fsencode(folder) in environment:
            found.append(int(path.parent.name))
    return found


async def kill_first_policy(folder: Path) -> int:
    """Kill the policy service as soon as there is one, and give its process id."""
    while not (pids := policy_pids(folder)):  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.02)
    os.kill(pids[0], signal.SIGKILL)
    return pids[0]


@pytest.mark.skipif(not WEIGHTS.exists(), reason="the embedded policy's weights have not been built")
async def test_a_policy_killed_at_its_start_and_during_a_turn_loses_nothing(
    stopped_house: House, ada: Person
):
    house = stopped_house
    house.with_settings(service={"url": None}, policy={"device": "cpu", "threads": 1})
    killing = asyncio.create_task(kill_first_policy(house.settings.store.data_dir))
    await house.start(timeout=300)
    killed = await killing
    thread = await house.play(ada)
    await ada.say(thread, "the one that looks like a running man")
    await house.next_board(ada, thread)
    (pid,) = policy_pids(house.settings.store.data_dir)
    assert pid != killed
    await ada.say(thread, "no, the other one")
    os.kill(pid, signal.SIGKILL)
    await ada.say(thread, "and the boat")
    await house.eventually(lambda: len(house.boards(ada, thread)) == 4)
    turns = await house.turns(thread)
    assert [turn.number for turn in turns] == [1, 2, 3]
    assert all(turn.logp < 0 and turn.base_model for turn in turns)
    await house.stop()
    await house.eventually(lambda: not policy_pids(house.settings.store.data_dir))

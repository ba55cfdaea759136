"""The real bot on real sockets: a local Discord, a SQLite file, and a policy that follows orders."""

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from bot_house import CHANNELS, House, ObedientPolicy, house_of

from games.core import Deal, Game
from games.difficulty import deal_board
from games.figures import ImageSet
from local_discord import LocalDiscord, Person
from local_discord.feed import PATIENCE_SECONDS
from local_discord.openapi import OpenApi
from local_discord.request_log import Validator


@pytest.fixture(autouse=True)
def no_game_is_won_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests say "select A" to "select D", which may not be all targets of a game with several."""

    def deal(rules: Game, images: ImageSet, rng: random.Random, *options: Any) -> Deal:
        while True:
            dealt = deal_board(rules, images, rng, *options)
            if len(dealt.targets) == 1 or not dealt.targets <= {*dealt.listener[:4]}:
                return dealt

    monkeypatch.setattr("bot.play.opening.deal_board", deal)


@pytest.fixture
async def policy() -> AsyncIterator[ObedientPolicy]:
    policy = ObedientPolicy()
    policy.open.set()
    app = web.Application()
    app.router.add_post("/v1/act", policy.act)
    app.router.add_get("/v1/status", policy.status)
    app.router.add_post("/v1/finished", policy.finished)
    app.router.add_post("/v1/reload", policy.reload)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    policy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield policy
    policy.open.set()
    await runner.cleanup()


@pytest.fixture(scope="session")
def validator() -> Validator | None:
    """Discord's description of its API, if RESPECT_TEST_OPENAPI names its file."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "discord-openapi.json"
    path = Path(os.environ.get("RESPECT_TEST_OPENAPI", beside))
    return OpenApi.read(path).problems if path.is_file() else None


@pytest.fixture
async def discord_service(validator: Validator | None) -> AsyncIterator[LocalDiscord]:
    async with LocalDiscord(
        channels=CHANNELS, response_window=PATIENCE_SECONDS, validator=validator
    ) as service:
        yield service
        assert not [
            problem for record in service.log for problem in record.problems or () if record.status < 400
        ]


@pytest.fixture
async def stopped_house(
    discord_service: LocalDiscord, policy: ObedientPolicy, tmp_path: Path
) -> AsyncIterator[House]:
    """A `House` whose bot has not been started."""
    async with house_of(discord_service, policy, tmp_path) as house:
        yield house


@pytest.fixture
async def house(stopped_house: House) -> House:
    """A `House` with the bot running."""
    await stopped_house.start()
    return stopped_house


@pytest.fixture
async def ada(discord_service: LocalDiscord) -> Person:
    return await discord_service.people.join("Ada")


@pytest.fixture
async def bob(discord_service: LocalDiscord) -> Person:
    return await discord_service.people.join("Bob")

"""Bot, workers and page as processes of their own, each with a data folder as on a machine of its own, over one
PostgreSQL database and adapters at a URL. `make test-postgres` runs it."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest
from sqlmodel import col, select

from local_discord import LocalDiscord
from sim.community import CommunityMember, Pace
from sim.players import open_players
from store.database import Database
from store.migrations import upgrade
from store.models import Game, Round
from tests.postgres import VARIABLE, database_url
from tests.web.stored_games import TOKEN, Elements

pytestmark = pytest.mark.skipif(VARIABLE not in os.environ, reason="`make test-postgres` runs it: it is slow")
CHANNEL = "general"
GAMES_BEFORE, PATIENCE = 4, 300


class Machines:
    """Starts programs, each with a data folder of its own."""

    def __init__(self, folder: Path, discord: LocalDiscord) -> None:
        self.folder, self.discord = folder, discord
        self.database = Database(database_url(folder))
        self.running: list[asyncio.subprocess.Process] = []

    async def start(self, machine: str, *command: str, **changes: str) -> asyncio.subprocess.Process:
        """Start `python …`; what it says is in its log."""
        folder = self.folder / machine
        folder.mkdir(exist_ok=True)
        environment = {
            "RESPECT_STORE__DATA_DIR": str(folder),
            "RESPECT_STORE__DATABASE_URL": database_url(self.folder),
            "RESPECT_STORE__ADAPTERS_URL": f"file://{self.folder / 'share'}",
            "RESPECT_DISCORD__TOKEN": self.discord.token,
            "RESPECT_DISCORD__API": self.discord.rest_url,
            "RESPECT_DISCORD__GATEWAY": self.discord.gateway_url,
            "RESPECT_PLAY__IMAGES": "classic:20",
            "RESPECT_PLAY__COOLDOWN": "0",
            "RESPECT_PLAY__BURST": "0",
            "RESPECT_ROUNDS__ELSEWHERE": "true",
            "RESPECT_ROUNDS__MANAGED_BY": "moderators",
            "RESPECT_ROUNDS__LEAST_GAMES": "0",
            "RESPECT_ROUNDS__LEASE": "2",
            "RESPECT_ROUNDS__SEED_GAMES": "none",
            "RESPECT_TRAINING__EPOCHS": "1",
            "RESPECT_TRAINING__LEAST_STEPS": "0",
            "RESPECT_TRAINING__GROUNDING_EPOCHS": "2",
            "RESPECT_WEB__PORT": "0",
            "PYTHONPATH": str(Path.cwd()),
            **changes,
        }
        with (folder / f"{machine}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *command),
                env={**os.environ, **environment},
                cwd=folder,
                stdout=asyncio.subprocess.PIPE if machine == "page" else log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    async def until(self, reached: Callable[[], bool], *processes: asyncio.subprocess.Process) -> None:
        """Wait for something. The processes must run meanwhile."""
        async with asyncio.timeout(PATIENCE):
            while not reached():
                for process in processes:
                    assert process.returncode is None, self.logs()
                await asyncio.sleep(0.2)

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self.folder.glob("*/*.log"))

    def round(self) -> Round | None:
        with self.database.session() as session:
            return session.exec(select(Round)).one_or_none()

    async def stop(self) -> None:
        for process in self.running:
            if process.returncode is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
                await process.wait()
        await self.database.aclose()


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[Machines]:
    async with LocalDiscord(response_window=60) as discord:
        machines = Machines(tmp_path, discord)
        upgrade(machines.database)
        try:
            yield machines
        finally:
            await machines.stop()


@asynccontextmanager
async def page_of(machines: Machines) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """`respect page`, and a browser that has logged in."""
    token = machines.folder / "token"
    token.write_text(TOKEN)
    program = "from cli.main import app; app()"
    arguments = ("page", "--port", "0", "--token-file", str(token))
    process = await machines.start("page", "-c", program, *arguments)
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode()
    url = next(word.rstrip(";") for word in line.split() if word.startswith("http"))
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        await http.post(f"{url}/login", data={"token": TOKEN})

        async def text(path: str) -> str:
            async with http.get(f"{url}{path}") as response:
                return " ".join(Elements(await response.text()).text.split())

        yield text


async def test_a_round_queued_by_the_bot_is_trained_by_workers_and_played_by_the_bot(machines: Machines):
    """Two processes train in each worker. The first worker is killed in the middle, another finishes."""
    discord, database = machines.discord, machines.database
    bot = await machines.start("bot", "-m", "bot")
    ada = await discord.people.join("Ada")
    grace = await discord.people.join("Grace", moderator=True)
    await machines.until(
        lambda: discord.gateway.connected and any(each["name"] == "play" for each in ada.commands(CHANNEL)),
        bot,
    )
    member = CommunityMember(ada, open_players("patient"), database, random.Random(1), Pace())
    for _ in range(GAMES_BEFORE):
        await member.play(CHANNEL)

    await grace.slash(CHANNEL, "round start")
    await machines.until(lambda: machines.round() is not None, bot)
    worker = ("-c", "from cli.main import app; app()", "round", "worker")
    first = await machines.start(
        "first", *worker, RESPECT_TRAINING__EPOCHS="2000", RESPECT_ROUNDS__PROCESSES="2"
    )
    await machines.until(
        lambda: (
            (row := machines.round()) is not None and row.stage == "train" and row.progress.get("done", 0) > 0
        ),
        bot,
        first,
    )
    children = psutil.Process(first.pid).children(recursive=True)
    assert len(children) >= 3  # the launcher and what it started
    first.send_signal(signal.SIGKILL)
    await first.wait()
    second = await machines.start("second", *worker, "--once", RESPECT_ROUNDS__PROCESSES="2")
    assert await asyncio.wait_for(second.wait(), PATIENCE) == 0, machines.logs()
    row = machines.round()
    assert row is not None and (row.status, row.error) == ("done", None), machines.logs()
    assert row.worker and str(second.pid) in row.worker
    assert row.results["training"]["processes"] == 2
    await machines.until(lambda: not any(child.is_running() for child in children), bot)
    assert row.results["promoted"], row.results  # so few games are not judged by
    adapter = row.results["adapter"]
    await machines.until((machines.folder / "bot" / "adapters" / adapter / "card.json").exists, bot)

    async def played_with() -> str:
        await member.play(CHANNEL)
        with database.session() as session:
            return session.exec(select(Game.adapter).order_by(col(Game.started_at).desc())).first() or ""

    for _ in range(5):  # the service looks for a new adapter every ten seconds
        if await played_with() == adapter:
            break
    else:
        raise AssertionError(machines.logs())
    async with page_of(machines) as page:
        overview = await page("/")
        assert f"New games are played with {adapter}." in overview and "1 b-sup done" in overview
        assert adapter in await page(f"/policies/{adapter}")
        assert f"multiref 1 {adapter} local" in await page(f"/games?adapter={adapter}")

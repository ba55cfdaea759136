"""The rounds of `respect bench chaos`, whose processes and workers are killed."""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from local_discord.invoke import ActionRefused
from local_discord.model import Channel
from sim.bench.trouble import kill_bot, killed, runs
from sim.bench.watch import until
from sim.demo import Demo
from store.environment import variable
from store.folder import private_file
from store.models import Round, RoundStatus
from store.rounds import latest_rounds

LEASE_SECONDS = 5.0
WORKERS = 2
ROUND_SECONDS = 600.0
TRIES = 3
"""Rounds that may fail for another reason, for example the full disk, before the last one is done."""


class KilledRounds:
    """Has a moderator ask for rounds, and kills those who run them."""

    def __init__(self, demo: Demo, channel: Channel, rng: random.Random) -> None:
        """`channel`: where the moderator asks."""
        self._demo = demo
        self._channel = channel
        self._rng = rng
        self.ended: list[str] = []
        """How each round ended."""
        self.round_kills = self.worker_kills = self.bot_kills = 0

    async def run(self, round_kills: int, worker_kills: int) -> None:
        """Kill the process of one round after another, then workers that have a round; let the last round end."""
        for _ in range(round_kills):
            number = await self._begin()
            self.round_kills += await killed(runs("learner.rounds"), wait=60.0)
            await self._end_of(number)
        if not worker_kills:
            await self._until_one_is_done()
            return
        async with self._workers() as start_another:
            for _ in range(worker_kills):
                number = await self._begin()
                self.worker_kills += await self._kill_worker_of(number)
                await start_another()
                await self._end_of(number)
            await self._until_one_is_done()

    async def _until_one_is_done(self) -> None:
        for _ in range(TRIES):
            if self.ended and self.ended[-1] == RoundStatus.DONE:
                return
            await self._end_of(await self._begin())

    @asynccontextmanager
    async def _workers(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Have rounds run by workers from now on. Gives what starts another worker."""
        bot, started = self._demo.bot, list[asyncio.subprocess.Process]()
        bot.environment[variable("rounds", "elsewhere")] = "true"
        bot.environment[variable("rounds", "lease")] = str(LEASE_SECONDS)
        kept = {name: value for name, value in bot.environment.items() if "DISCORD" not in name}

        async def start() -> None:
            logs = self._demo.options.data_dir / "logs"
            with private_file(logs / f"worker-{len(started)}.log").open("ab") as output:
                started.append(
                    await asyncio.create_subprocess_exec(
                        *(sys.executable, "-c", "from cli.main import app; app()", "round", "worker"),
                        env=kept,
                        stdout=output,
                        stderr=output,
                    )
                )

        try:
            for _ in range(WORKERS):
                await start()
            self.bot_kills += await kill_bot(bot)  # which reads its settings at its start
            yield start
        finally:
            for process in started:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            await asyncio.gather(*(process.wait() for process in started))

    async def _begin(self) -> int:
        """Have a moderator ask for a round until there is a new one, and give its number."""
        before = await self._last()
        while (row := await self._last()) is None or (before is not None and row.id == before.id):
            with contextlib.suppress(ActionRefused, TimeoutError):
                await self._demo.moderator.slash(self._channel, "round start")
            await asyncio.sleep(2)
        assert row.id is not None
        return row.id

    async def _kill_worker_of(self, round_id: int) -> bool:
        """Kill the worker that has a round, some time after it began."""

        async def has_worker() -> bool:
            row = await self._last()
            return row is not None and row.id == round_id and row.worker is not None

        if not await until(has_worker, ROUND_SECONDS):
            return False
        await asyncio.sleep(self._rng.uniform(0, 5))
        row = await self._last()
        assert row is not None and row.worker is not None
        pid = int(row.worker.rsplit("-", 2)[1])
        return await killed(lambda found: found.pid == pid)

    async def _end_of(self, round_id: int) -> None:
        async def ended() -> bool:
            row = await self._last()
            return row is None or row.id != round_id or row.active is None

        await until(ended, ROUND_SECONDS)
        row = await self._last()
        self.ended.append(row.status.value if row is not None else "gone")

    async def _last(self) -> Round | None:
        async with self._demo.database.async_session() as session:
            rows = await session.run_sync(lambda sync: latest_rounds(sync, 1))  # pyright: ignore[reportArgumentType]
        return rows[0] if rows else None

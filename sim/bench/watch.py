"""What benchmarks of a running bot share: waiting, and the longest stall of its event loop."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import aiohttp

LOOK_SECONDS = 0.25


async def until(check: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Whether something becomes true within this time."""
    deadline = monotonic() + seconds
    while not await check():
        if monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True


@dataclass
class Stall:
    """The longest time for which a bot's event loop did not run."""

    seconds: float = 0.0
    busy_seconds: float = 0.0
    """The longest time for which its thread computed, however busy the machine was with other work."""


@asynccontextmanager
async def longest_stall(log_file: Path) -> AsyncIterator[Stall]:
    """Context manager: reads the stall from the metrics of a bot, whose log names their address.

    The bot counts anew with every start.
    """
    stall = Stall()
    task = asyncio.create_task(_watch(log_file, stall))
    try:
        yield stall
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(log_file: Path, stall: Stall) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(2)) as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                if (url := _metrics_url(log_file)) is not None:
                    async with session.get(url) as response:
                        text = await response.text()
                    stall.seconds = max(stall.seconds, _gauge("respect_loop_stall_seconds", text))
                    stall.busy_seconds = max(stall.busy_seconds, _gauge("respect_loop_busy_seconds", text))
            await asyncio.sleep(0.5)


def _gauge(name: str, metrics: str) -> float:
    found = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _metrics_url(log_file: Path) -> str | None:
    with contextlib.suppress(OSError):
        found = re.findall(r"url=(http://127\.0\.0\.1:\d+)", log_file.read_text(errors="replace"))
        return f"{found[-1]}/metrics" if found else None
    return None

"""Health and metrics over HTTP. Knows the bot only as checks that it is handed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from store.logs import message_of
from web.metrics import Metrics

CHECK_SECONDS = 5.0

Check = Callable[[], Awaitable[str | None]]
"""Gives what is wrong in a sentence, or None if all is well. It may raise: that is wrong too."""


@dataclass(frozen=True)
class Running:
    """Where the pages are served."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


async def problems(checks: Mapping[str, Check]) -> dict[str, str]:
    """name -> what is wrong, for every check that does not pass. They are made side by side."""

    async def one(check: Check) -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await check()
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:.0f} s"
        except Exception as error:  # a check fails in as many ways as what it checks
            return message_of(error)

    found = await asyncio.gather(*(one(check) for check in checks.values()))
    return {name: problem for name, problem in zip(checks, found, strict=True) if problem is not None}


def make_app(
    checks: Mapping[str, Check], metrics: Metrics, refresh: Callable[[], Awaitable[None]] | None = None
) -> web.Application:
    """`/healthz` (503 with reasons when something is wrong) and `/metrics`.

    `refresh` brings gauges up to date before they are read.
    """

    async def healthz(_request: web.Request) -> web.Response:
        wrong = await problems(checks)
        body = {
            "status": "failing" if wrong else "ok",
            "checks": {name: wrong.get(name, "ok") for name in checks},
        }
        return web.json_response(body, status=503 if wrong else 200)

    async def show_metrics(_request: web.Request) -> web.Response:
        if refresh is not None:
            await refresh()
        return web.Response(body=metrics.text(), headers={"Content-Type": metrics.content_type})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", show_metrics)
    return app


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[Running]:
    """Serve an application; port 0 takes a free one. Raises OSError if the address is taken."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, shutdown_timeout=2.0)
        await site.start()
        yield Running(host, runner.addresses[0][1])
    finally:
        await runner.cleanup()

"""Health and metrics over HTTP. The caller passes the checks to run."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from store.logs import message_of
from web.metrics import Metrics

CHECK_SECONDS = 5.0

Check = Callable[[], Awaitable[str | None]]
"""Gives a sentence about the problem, or None if there is none. An exception counts as a problem."""


@dataclass(frozen=True)
class Running:
    """The address at which the pages are served."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


async def problems(checks: Mapping[str, Check]) -> dict[str, str]:
    """name -> problem, for every check that fails. The checks run concurrently."""

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
    """`/healthz` (status 503 with the problems if there are any) and `/metrics`.

    `refresh` updates the gauges before they are read.
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
    """Serve an application; port 0 takes a free port. Raises OSError if the address is in use."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, shutdown_timeout=2.0)
        await site.start()
        yield Running(host, runner.addresses[0][1])
    finally:
        await runner.cleanup()

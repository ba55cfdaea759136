"""Health checks and metrics."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from web.app import Check, make_app, serving
from web.metrics import Metrics


async def fine() -> None:
    return None


async def bad() -> str:
    return "not connected to the gateway"


async def worse() -> None:
    raise OSError("disk I/O error")


async def hangs() -> None:
    await asyncio.sleep(60)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def health(http: aiohttp.ClientSession, checks: dict[str, Check]) -> tuple[int, dict[str, Any]]:
    async with (
        serving(make_app(checks, Metrics()), "127.0.0.1", 0) as pages,
        http.get(f"{pages.url}/healthz") as response,
    ):
        return response.status, await response.json()


async def test_health_is_200_only_if_every_check_passes(
    http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    assert await health(http, {"database": fine}) == (200, {"status": "ok", "checks": {"database": "ok"}})
    monkeypatch.setattr("web.app.CHECK_SECONDS", 0.5)
    checks = {"database": worse, "gateway": bad, "policy": hangs, "disk": fine}
    status, body = await health(http, checks)
    found = body["checks"]
    assert status == 503
    assert found["database"] == "OSError: disk I/O error"
    assert found["gateway"] == "not connected to the gateway"
    assert found["policy"].startswith("no answer within")
    assert found["disk"] == "ok"


async def test_metrics_are_in_the_prometheus_format(http: aiohttp.ClientSession):
    metrics = Metrics()

    async def refresh() -> None:
        metrics.games_open.set(3)

    metrics.turns.inc()
    metrics.games_finished.labels(outcome="won").inc()
    async with (
        serving(make_app({}, metrics, refresh), "127.0.0.1", 0) as pages,
        http.get(f"{pages.url}/metrics") as response,
    ):
        text = await response.text()
    assert "respect_turns_total 1.0" in text
    assert 'respect_games_finished_total{outcome="won"} 1.0' in text
    assert "respect_games_open 3.0" in text


async def test_two_bots_have_separate_metrics():
    first, second = Metrics(), Metrics()
    first.turns.inc()
    assert b"respect_turns_total 0.0" in second.text()

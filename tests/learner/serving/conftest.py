"""One policy service for all tests of this folder."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pydantic import SecretStr

import learner.serving.client
from learner.settings import LearnerSettings
from tests.learner.serving.started import Started


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Started]:
    """A service that was killed while it started."""
    settings = LearnerSettings().changed(
        store={"data_dir": tmp_path_factory.mktemp("service")},
        policy={"device": "cpu", "threads": 1, "temperature": 0.7},
        service={"secret": SecretStr("between us")},
    )
    policy = Started(settings)
    killing = asyncio.create_task(policy.kill_first())
    async with policy:
        await killing
        assert policy.starts >= 2
        policy.client._patience = 300.0  # of a turn that waits for a start, which is slow on a busy machine
        yield policy


@pytest_asyncio.fixture(loop_scope="session")
async def service(started: Started) -> Started:
    """The service without adapters and games."""
    await started.over()
    return started


@pytest.fixture
def quickly_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that hangs is started again after two probes of half a second."""
    monkeypatch.setattr(learner.serving.client, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(learner.serving.client, "HANGING_PROBES", 2)
    monkeypatch.setattr(learner.serving.client, "STOP_SECONDS", 0.5)

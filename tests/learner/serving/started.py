"""The policy service of the tests: a real process that can be killed and started again."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from learner.protocol import BASE_ADAPTER, TurnAnswer, TurnRequest
from learner.serving.client import LocalPolicy
from learner.settings import LearnerSettings

SITECUSTOMIZE = """
import ctypes, signal, threading
def end_the_worker(*_):
    for thread in threading.enumerate():
        if thread.name == "policy":
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
signal.signal(signal.SIGUSR1, end_the_worker)
"""
"""In the service, this signal ends the worker's thread."""


def point_at(settings: LearnerSettings, name: str) -> None:
    settings.adapters_dir.mkdir(parents=True, exist_ok=True)
    partial = settings.adapters_dir / "current.partial"
    partial.write_text(json.dumps({"name": name, "before": []}))
    partial.rename(settings.adapters_dir / "current.json")


class Started(LocalPolicy):
    """The service of all tests. Each plays games of other names: a request that is repeated is not played again."""

    def __init__(self, settings: LearnerSettings) -> None:
        super().__init__(settings)
        self.settings = settings
        self.games: set[str] = set()

    async def act(self, request: TurnRequest) -> TurnAnswer:
        self.games.add(request.game_id)
        return await super().act(request)

    async def over(self) -> None:
        """End all games, and go back to the base model."""
        while self.games:
            await self.finished(self.games.pop())
        point_at(self.settings, BASE_ADAPTER)
        status = await self.client.reload()
        assert (status.current, status.loaded) == (BASE_ADAPTER, ())

    async def _start(self) -> str:
        folder = self.settings.store.data_dir
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        with pytest.MonkeyPatch.context() as patch:
            path = f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', Path.cwd())}"
            patch.setenv("PYTHONPATH", path)
            return await super()._start()

    async def kill_first(self) -> None:
        """Kill the service as soon as there is one."""
        while self.pid is None:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)

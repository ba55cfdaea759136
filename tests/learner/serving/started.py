"""The policy service of the tests: a process of its own that can be killed and started again.

It is forked, which is quicker; `tests/bot/test_bot_health.py` starts it as the bot does.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import threading
from typing import Any

from learner.policy import Policy
from learner.protocol import BASE_ADAPTER, TurnAnswer, TurnRequest
from learner.serving.__main__ import main
from learner.serving.client import LocalPolicy
from learner.settings import LearnerSettings
from tests.learner.forks import forks


def serve_in_a_fork(environment: dict[str, str], options: tuple[str, ...]) -> None:
    """Runs the service in this process, whose worker ends at SIGUSR1; SIGUSR2 stops the turns, or lets them go on."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["serving", *options, "--parent", str(os.getppid())]

    def end_the_worker(*_: object) -> None:
        for thread in threading.enumerate():
            if thread.name == "policy":
                kind = ctypes.py_object(SystemExit)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), kind)

    going_on = threading.Event()
    going_on.set()
    act = Policy.act

    def act_when_it_goes_on(*arguments: Any, **options: Any) -> Any:
        going_on.wait()
        return act(*arguments, **options)

    Policy.act = act_when_it_goes_on  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR1, end_the_worker)
    signal.signal(signal.SIGUSR2, lambda *_: going_on.clear() if going_on.is_set() else going_on.set())
    Policy.warming = lambda self: iter(())  # seconds of processor time at each start
    main()


class ForkedService:
    """A service in a process that was forked, used as an `asyncio.subprocess.Process`."""

    def __init__(self, settings: LearnerSettings, options: tuple[str, ...]) -> None:
        self._process = forks.Process(
            target=serve_in_a_fork, args=(settings.environment(LearnerSettings), options), daemon=True
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self.terminate = self._process.terminate
        self.kill = self._process.kill

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    async def wait(self) -> int:
        while (code := self.returncode) is None:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.02)
        return code


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

    async def _spawn(self, *options: str) -> Any:
        return await asyncio.to_thread(ForkedService, self.settings, options)

    async def kill_first(self) -> None:
        """Kill the service as soon as there is one."""
        while self.pid is None:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)

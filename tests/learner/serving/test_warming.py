"""An idle worker warms up, and turns do not wait for it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from games import GAMES
from games.figures import open_images
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER, TurnRequest
from learner.registry import AdapterRegistry
from learner.serving.worker import Worker

FIGURES = open_images("classic").ids[:10]


def turn(number: int) -> TurnRequest:
    return TurnRequest(
        request_id=f"g{number}:1",
        game_id=f"g{number}",
        images="classic",
        context=FIGURES,
        history=(),
        state="",
        utterance="the duck",
        adapter=BASE_ADAPTER,
    )


async def test_an_idle_worker_warms_up_to_the_end_and_turns_come_first(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    quick = Policy(policy.backend, games={"pick": GAMES["pick"]})
    expected = sum(1 for _ in quick.warming())
    loop, warm = asyncio.get_running_loop(), asyncio.Event()
    steps, steps_before_turns, draw = 0, [], policy.draw

    def counted() -> Iterator[None]:
        nonlocal steps
        for _ in quick.warming():
            steps += 1
            yield
        loop.call_soon_threadsafe(warm.set)

    def drawn(*turns: Any) -> Any:
        steps_before_turns.append(steps)
        return draw(*turns)

    monkeypatch.setattr(policy, "warming", counted)
    monkeypatch.setattr(policy, "draw", drawn)
    worker = Worker(policy, AdapterRegistry(tmp_path))
    turns = [asyncio.ensure_future(worker.act(turn(number))) for number in range(3)]
    await asyncio.sleep(0)  # so that they are in the queue before the worker starts
    worker.start()
    try:
        for action, logp in await asyncio.gather(*turns):
            assert action.startswith("select") and logp <= 0
        assert set(steps_before_turns) == {0}
        await asyncio.wait_for(warm.wait(), 60)
        assert steps == expected > 10
        assert await worker.act(turn(3))
    finally:
        worker.stop()

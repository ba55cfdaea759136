"""The policy service: a real process, a real model, adapters that change under it."""

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from pydantic import SecretStr

from games import GAMES
from games.figures import open_images
from learner.adapters import AdapterRegistry, Card
from learner.client import LocalPolicy, PolicyClient
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER, PolicyError, TurnRequest
from learner.settings import LearnerSettings

rules = GAMES["multiref"]
images = open_images("classic")


def request(name: str, adapter: str = BASE_ADAPTER) -> TurnRequest:
    deal = rules.deal(images.ids, random.Random(name))
    return TurnRequest(
        request_id=f"{name}:1",
        game_id=name,
        images="classic",
        context=deal.listener,
        state="",
        utterance=images[deal.speaker[0]].names[0],
        adapter=adapter,
    )


def publish(settings: LearnerSettings, number: int) -> str:
    """A new adapter, current at once."""
    policy = Policy.load("tiny", "cpu")
    policy.new_adapter("new", rank=2, alpha=4, dropout=0.0, seed=number)
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.add_(0.05)
    registry = AdapterRegistry(settings.adapters_dir)
    name = f"round-{number:04d}-b-sup"
    card = Card(
        name=name,
        base_model=policy.fingerprint,
        system="b-sup",
        round=number,
        round_id=number,
        created=datetime.now(UTC),
        games={},
        turns=0,
        training={},
    )
    registry.publish(card, lambda folder: policy.save_adapter("new", folder))
    point_at(settings, name)
    return name


def point_at(settings: LearnerSettings, name: str) -> None:
    settings.adapters_dir.mkdir(parents=True, exist_ok=True)
    partial = settings.adapters_dir / "current.partial"
    partial.write_text(json.dumps({"name": name, "before": []}))
    partial.rename(settings.adapters_dir / "current.json")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[tuple[LearnerSettings, LocalPolicy]]:
    settings = LearnerSettings(  # pyright: ignore[reportCallIssue]
        data_dir=tmp_path, device="cpu", threads=1, policy_secret=SecretStr("between us")
    )
    async with LocalPolicy(settings) as policy:
        yield settings, policy


async def test_a_game_stays_on_its_adapter_while_new_ones_take_the_next(
    service: tuple[LearnerSettings, LocalPolicy],
):
    settings, policy = service
    assert (await policy.status()).current == BASE_ADAPTER
    before = await policy.act(request("one"))
    name = await asyncio.to_thread(publish, settings, 1)
    assert (await policy.client.reload()).current == name
    again, new = await asyncio.gather(policy.act(request("one-b")), policy.act(request("two", name)))
    assert (before.adapter, again.adapter, new.adapter) == (BASE_ADAPTER, BASE_ADAPTER, name)


async def test_a_broken_adapter_is_refused_and_changes_nothing(
    service: tuple[LearnerSettings, LocalPolicy],
):
    settings, policy = service
    name = await asyncio.to_thread(publish, settings, 1)
    assert (await policy.client.reload()).current == name
    broken = settings.adapters_dir / "round-0002-b-sup"
    broken.mkdir()
    for file in (settings.adapters_dir / name).iterdir():
        (broken / file.name).write_bytes(file.read_bytes()[:100])
    point_at(settings, broken.name)
    assert (await policy.client.reload()).current == name
    with pytest.raises(PolicyError, match="round-0002-b-sup"):
        await policy.act(request("three", broken.name))
    assert (await policy.act(request("four", name))).adapter == name


async def test_a_killed_service_comes_back_and_no_turn_is_lost(service: tuple[LearnerSettings, LocalPolicy]):
    _, policy = service
    first = await policy.act(request("one"))
    assert policy.pid is not None
    turns = [asyncio.create_task(policy.act(request(f"game {i}"))) for i in range(8)]
    os.kill(policy.pid, signal.SIGKILL)
    answers = await asyncio.gather(*turns)
    assert len(answers) == 8
    assert policy.starts == 2
    repeated = await policy.act(request("one"))
    assert (repeated.action, repeated.logp) == (first.action, pytest.approx(first.logp, abs=1e-4))


async def test_the_same_request_sent_twice_is_one_turn(service: tuple[LearnerSettings, LocalPolicy]):
    _, policy = service
    one, other = await asyncio.gather(policy.act(request("one")), policy.act(request("one")))
    assert one == other
    assert (await policy.status()).turns == 1


async def test_a_wrong_secret_and_a_wrong_request_are_refused_in_words(
    service: tuple[LearnerSettings, LocalPolicy],
):
    _, policy = service
    async with PolicyClient(policy.client.url, SecretStr("guess")) as stranger:
        with pytest.raises(PolicyError, match="RESPECT_POLICY_SECRET"):
            await stranger.status()
    with pytest.raises(PolicyError, match="is not a state"):
        await policy.act(request("one").model_copy(update={"state": "Z"}))
    with pytest.raises(PolicyError, match="not-published"):
        await policy.act(request("one", "not-published"))


async def test_a_model_that_cannot_be_loaded_is_said_at_the_start(tmp_path: Path):
    settings = LearnerSettings(data_dir=tmp_path, policy=str(tmp_path / "nothing"))  # pyright: ignore[reportCallIssue]
    with pytest.raises(PolicyError, match="did not start"):
        async with LocalPolicy(settings):
            pass

"""The policy service: a real process with a real model, while adapters change."""

import asyncio
import itertools
import os
import random
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import torch
from pydantic import SecretStr

from games import GAMES
from games.figures import open_images
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER, PolicyError, TurnRequest
from learner.registry import AdapterRegistry, Card
from learner.serving.__main__ import main
from learner.serving.client import LocalPolicy, PolicyClient
from learner.serving.service import MAX_WAITING_EACH
from learner.settings import LearnerSettings
from tests.learner.serving.started import Started, point_at

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


numbers = itertools.count(1)
"""Of adapters."""


def publish(settings: LearnerSettings, policy: Policy, shift: float = 0.05) -> str:
    """A new adapter, current at once, all of whose weights are moved by `shift`."""
    number = next(numbers)
    policy.new_adapter("new", rank=2, alpha=4, dropout=0.0, seed=number)
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.add_(shift)
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
    policy.unload_adapter("new")
    point_at(settings, name)
    return name


with_service = pytest.mark.asyncio(loop_scope="session")


@with_service
async def test_the_service_samples_at_the_temperature_that_is_set(service: Started, shared_policy: Policy):
    answer = await service.act(request("tempered"))
    for temperature, same in ((0.7, True), (1.0, False)):
        policy = Policy(shared_policy.backend, temperature=temperature)
        logp = policy.all_action_logps(request("tempered"))[answer.action]
        assert (answer.logp == pytest.approx(logp, abs=1e-4)) is same


@with_service
async def test_a_game_stays_on_its_adapter_while_new_ones_take_the_next(
    service: Started, shared_policy: Policy
):
    assert (await service.status()).current == BASE_ADAPTER
    before = await service.act(request("stays one"))
    name = await asyncio.to_thread(publish, service.settings, shared_policy)
    assert (await service.client.reload()).current == name
    again, new = await asyncio.gather(
        service.act(request("stays one-b")), service.act(request("stays two", name))
    )
    assert (before.adapter, again.adapter, new.adapter) == (BASE_ADAPTER, BASE_ADAPTER, name)


@with_service
async def test_an_adapter_can_be_loaded_after_all_others_were_released(
    service: Started, shared_policy: Policy
):
    for _ in range(2):
        name = await asyncio.to_thread(publish, service.settings, shared_policy)
        assert (await service.client.reload()).current == name
        point_at(service.settings, BASE_ADAPTER)
        assert (await service.client.reload()).loaded == ()


@with_service
async def test_an_adapter_is_released_when_the_last_game_on_it_ends(service: Started, shared_policy: Policy):
    old = await asyncio.to_thread(publish, service.settings, shared_policy)
    await service.client.reload()
    await asyncio.gather(service.act(request("released one", old)), service.act(request("released two", old)))
    new = await asyncio.to_thread(publish, service.settings, shared_policy)
    assert (await service.client.reload()).loaded == (old, new)
    await service.finished("released one")
    assert (await service.status()).loaded == (old, new)
    await service.finished("released two")
    assert (await service.status()).loaded == (new,)
    assert (
        await service.act(request("released three", old))
    ).adapter == old  # one that opened before the change


@with_service
async def test_a_broken_adapter_is_refused_and_changes_nothing(service: Started, shared_policy: Policy):
    name = await asyncio.to_thread(publish, service.settings, shared_policy)
    assert (await service.client.reload()).current == name
    broken = service.settings.adapters_dir / f"round-{next(numbers):04d}-b-sup"
    broken.mkdir()
    for file in (service.settings.adapters_dir / name).iterdir():
        (broken / file.name).write_bytes(file.read_bytes()[:100])
    point_at(service.settings, broken.name)
    assert (await service.client.reload()).current == name
    with pytest.raises(PolicyError, match=broken.name):
        await service.act(request("broken three", broken.name))
    assert (await service.act(request("broken four", name))).adapter == name


@with_service
async def test_an_adapter_that_cannot_act_is_refused_after_a_probe(service: Started, shared_policy: Policy):
    name = await asyncio.to_thread(
        publish, service.settings, shared_policy, 1e30
    )  # the values are finite, so the check of files passes
    assert (await service.client.reload()).current == BASE_ADAPTER
    with pytest.raises(PolicyError, match="probe turn"):
        await service.act(request("probed one", name))
    assert (await service.status()).loaded == ()
    assert (await service.act(request("probed two"))).adapter == BASE_ADAPTER


@with_service
async def test_a_service_that_hangs_is_started_again(service: Started, quickly_restarted: None):
    assert service.pid is not None
    starts = service.starts
    os.kill(service.pid, signal.SIGSTOP)
    answer = await service.act(request("hanging one"))
    assert (answer.adapter, service.starts) == (BASE_ADAPTER, starts + 1)


@with_service
async def test_a_community_with_too_many_turns_is_refused_and_others_are_served(
    service: Started,
):

    def of(community: str, number: int) -> TurnRequest:
        return request(f"{community} {number}").model_copy(update={"community": community})

    assert service.pid is not None
    secret = SecretStr("between us")
    async with PolicyClient(service.client.url, secret, patience=0.0) as impatient:
        os.kill(service.pid, signal.SIGUSR2)
        busy = [asyncio.create_task(impatient.act(of("busy", number))) for number in range(100)]
        await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
        quiet = asyncio.create_task(impatient.act(of("quiet", 0)))
        await asyncio.sleep(0.2)
        assert not quiet.done()
        os.kill(service.pid, signal.SIGUSR2)
        assert (await quiet).adapter == BASE_ADAPTER
        answers = await asyncio.gather(*busy, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, PolicyError)]
    assert len(refused) == len(answers) - MAX_WAITING_EACH
    assert {str(error) for error in refused} == {
        "Too many turns of this community are waiting; try again in a moment"
    }


@with_service
async def test_a_killed_service_comes_back_and_no_turn_is_lost(service: Started):
    first = await service.act(request("killed one"))
    assert service.pid is not None
    starts = service.starts
    turns = [asyncio.create_task(service.act(request(f"killed {i}"))) for i in range(8)]
    os.kill(service.pid, signal.SIGKILL)
    answers = await asyncio.gather(*turns)
    assert len(answers) == 8
    assert service.starts == starts + 1
    repeated = await service.act(request("killed one"))
    assert (repeated.action, repeated.logp) == (first.action, pytest.approx(first.logp, abs=1e-4))


@with_service
async def test_the_same_request_sent_twice_is_one_turn(service: Started):
    before = (await service.status()).turns
    one, other = await asyncio.gather(service.act(request("twice one")), service.act(request("twice one")))
    assert one == other
    assert (await service.status()).turns == before + 1


@with_service
async def test_a_wrong_secret_and_a_wrong_request_are_refused_with_a_sentence(
    service: Started,
):
    async with PolicyClient(service.client.url, SecretStr("guess")) as stranger:
        with pytest.raises(PolicyError, match="RESPECT_SERVICE__SECRET"):
            await stranger.status()
    async with aiohttp.ClientSession() as http:
        for given in ("Bearer gu\xe9ss", "Bearer \u2603", "\xff", ""):
            headers = {"Authorization": given}
            async with http.get(f"{service.client.url}/v1/status", headers=headers) as response:
                assert response.status == 401
    with pytest.raises(PolicyError, match="Not a turn request") as refused:
        await service.client._ask("POST", "/v1/act", {"utterance": "the one like a swan", "game": 7})
    assert "swan" not in str(refused.value)
    with pytest.raises(PolicyError, match="cannot play this turn"):
        await service.act(request("stranger one").model_copy(update={"state": "Z"}))
    with pytest.raises(PolicyError, match="not-published"):
        await service.act(request("stranger one", "not-published"))


def test_a_service_for_other_machines_needs_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RESPECT_SERVICE__HOST", "0.0.0.0")
    monkeypatch.delenv("RESPECT_SERVICE__SECRET", raising=False)
    monkeypatch.setattr(sys, "argv", ["serving"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "needs a secret: set RESPECT_SERVICE__SECRET" in capsys.readouterr().err


async def test_a_model_that_cannot_be_loaded_is_reported_at_the_start(tmp_path: Path):
    settings = LearnerSettings().changed(
        store={"data_dir": tmp_path}, policy={"model": str(tmp_path / "nothing")}
    )
    with pytest.raises(PolicyError, match="did not start"):
        async with LocalPolicy(settings):
            pass


def test_a_folder_without_a_model_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RESPECT_POLICY__MODEL", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["serving"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "Cannot load the policy" in capsys.readouterr().err

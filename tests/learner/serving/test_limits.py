"""Nobody stops the service for the others: long words, long requests, half-open connections, a dead worker."""

import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import socket
import time

import aiohttp
import psutil
import pytest
from pydantic import SecretStr

from games import GAMES
from games.core import Step
from games.figures import open_images
from learner.policy import Policy
from learner.policy.batch import within_budget
from learner.protocol import BASE_ADAPTER, PolicyError, TurnRequest, TurnTooLong, turn_request
from learner.serving.client import PolicyClient
from tests.learner.serving.started import Started

rules = GAMES["multiref"]
images = open_images("classic")
PILLS = ("½" * 1000, "\ufdfa" * 1000, "½" * 4000, "\ufdfa" * 4000, "½ " * 2000)
"""Up to 4,000 characters each, as many as a request may have, and thousands of tokens: the tokenizer takes them apart
(NFKC)."""
PILL_SECONDS = 10.0
"""In which one of them must be refused on a busy machine. It took a minute when the time grew with the square."""
HALF_OPEN = 1_000


def request(name: str, said: str | None = None, steps: int = 0) -> TurnRequest:
    """A turn after so many turns in which the same was said."""
    deal = rules.deal(images.ids, random.Random(name))
    words = said or images[deal.speaker[0]].names[0]
    past = [Step("", words, "select A") for _ in range(steps)]
    return turn_request(
        game_id=name,
        game="multiref",
        images="classic",
        context=deal.listener,
        steps=past,
        state="A" if steps else "",
        utterance=words,
        adapter=BASE_ADAPTER,
    )


async def seconds_of_turns(policy: Started, name: str, turns: int = 10) -> float:
    """The median of so many first turns."""
    found = []
    for number in range(turns):
        began = time.monotonic()
        await policy.act(request(f"{name} {number}"))
        found.append(time.monotonic() - began)
    return sorted(found)[turns // 2]


@pytest.mark.long
@pytest.mark.asyncio(loop_scope="session")
async def test_a_service_killed_while_it_starts_is_started_again(service: Started):
    assert (await service.act(request("started"))).adapter == BASE_ADAPTER
    assert service.starts >= 2


@pytest.mark.asyncio(loop_scope="session")
async def test_what_is_more_than_the_model_takes_is_refused_in_words(service: Started):
    await service.act(request("before"))
    assert service.pid is not None
    before = psutil.Process(service.pid).memory_info().rss
    for number, pill in enumerate(PILLS):
        for steps in (0, 9):
            began = time.monotonic()
            with pytest.raises(TurnTooLong, match="fewer words"):
                await service.act(request(f"pill {number} {steps}", pill, steps))
            assert time.monotonic() - began < PILL_SECONDS
    assert psutil.Process(service.pid).memory_info().rss < 1.2 * before
    usual = request("long but usual", "the one that looks like " + "a very " * 100 + "big dog", 0)
    assert (await service.act(usual)).adapter == BASE_ADAPTER


@pytest.mark.asyncio(loop_scope="session")
async def test_a_game_that_said_a_lot_can_still_be_played_to_its_end(service: Started, policy: Policy):
    said = "the dog " * 100
    spent = 0
    while spent < rules.max_turns:
        try:
            await service.act(request(f"talkative {spent}", said, spent))
        except TurnTooLong:
            break
        spent += 1
    assert 0 < spent < rules.max_turns
    deal = rules.deal(images.ids, random.Random("terse"))
    past = [Step("", said, "select A")] * spent + [Step("", "the dog", "select A")] * (9 - spent)
    last = turn_request(
        game_id="terse",
        game="multiref",
        images="classic",
        context=deal.listener,
        steps=past,
        state="A",
        utterance="the dog",
        adapter=BASE_ADAPTER,
    )
    assert (await service.act(last)).adapter == BASE_ADAPTER


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xfe\x00", {}, 422),
        (b"{}", {"Content-Type": "application/json; charset=evil"}, 422),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400),
        (b"[" * 100_000, {}, 422),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_in_words(
    service: Started, body: bytes, headers: dict[str, str], status: int
):
    headers = {"Authorization": "Bearer between us", **headers}
    async with (
        aiohttp.ClientSession(service.client.url) as session,
        session.post("/v1/act", data=body, headers=headers) as answer,
    ):
        assert (answer.status, list(await answer.json())) == (status, ["error", "retry"])


@pytest.mark.asyncio(loop_scope="session")
async def test_requests_over_the_limits_are_refused_before_they_are_read(service: Started):
    headers = {"Authorization": "Bearer between us"}
    long = {**request("long").model_dump(), "utterance": "word " * 40_000}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(f"{service.client.url}/v1/act", json=long) as response:
            answer = await response.json()
            assert response.status == 422 and "4000 characters" in answer["error"]
            assert "word word" not in answer["error"] and not answer["retry"]
        async with session.post(f"{service.client.url}/v1/act", data=b" " * 2**20) as response:
            assert response.status == 413 and "KiB" in (await response.json())["error"]
    with pytest.raises(TurnTooLong, match="utterance"):
        request("long", "word " * 40_000)
    assert (await service.act(request("after"))).adapter == BASE_ADAPTER


@pytest.mark.asyncio(loop_scope="session")
async def test_half_open_connections_take_no_place_from_turns(service: Started):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < HALF_OPEN + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, HALF_OPEN + 500), hard))
    assert service.pid is not None
    process = psutil.Process(service.pid)
    host, port = service.client.url.removeprefix("http://").split(":")
    usual, before = await seconds_of_turns(service, "usual"), process.memory_info().rss
    sockets: list[socket.socket] = []
    try:
        for number in range(HALF_OPEN):
            sockets.append(socket.create_connection((host, int(port)), timeout=10))
            if number % 2:
                sockets[-1].sendall(b"POST /v1/act HTTP/1.1\r\nContent-Length: 100\r\n")
            if not number % 50:
                await asyncio.sleep(0)
        during = await seconds_of_turns(service, "during")
        open_there = len(process.net_connections(kind="tcp"))
        after = process.memory_info().rss
    finally:
        for each in sockets:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert open_there < 400
    assert during < 2 * usual + 2  # on a busy machine; without the limit no turn is answered at all
    assert after < 1.2 * before
    assert (await service.status()).turns > 0


@pytest.mark.asyncio(loop_scope="session")
async def test_a_body_that_never_ends_is_closed(monkeypatch: pytest.MonkeyPatch):
    from aiohttp import web

    from learner.serving.connections import Connections

    connections = Connections(seconds=0.3)

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application(middlewares=[connections.reading])
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    server, host, port = await connections.listen(runner, "127.0.0.1", 0)
    try:
        for sent in (
            b"",
            b"POST / HTTP/1.1\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
        ):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(sent)
            async with asyncio.timeout(10):
                with pytest.raises(ConnectionError):
                    if await reader.read() == b"":
                        raise ConnectionResetError
            writer.close()
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.post(f"http://{host}:{port}/", data=b"abc") as response:
                    assert response.status == 200
    finally:
        server.close()
        await runner.cleanup()


@pytest.mark.asyncio(loop_scope="session")
async def test_a_service_whose_worker_has_ended_is_started_again(service: Started, quickly_restarted: None):
    assert (await service.act(request("one"))).adapter == BASE_ADAPTER
    assert service.pid is not None
    starts = service.starts
    os.kill(service.pid, signal.SIGUSR1)
    async with PolicyClient(service.client.url, SecretStr("between us"), patience=0) as impatient:
        async with asyncio.timeout(300):
            while service.starts == starts:
                with contextlib.suppress(PolicyError):  # the thread ends when it next runs
                    await impatient.act(request(f"poke {random.random()}"))
                await asyncio.sleep(0.1)
    assert (await service.act(request("two"))).adapter == BASE_ADAPTER


def test_a_batch_is_cut_where_its_attention_scores_are_over_the_budget():
    parts = list(within_budget([10, 10, 10, 30, 10, 40, 1, 1], 1000))
    assert parts == [slice(0, 3), slice(3, 4), slice(4, 5), slice(5, 6), slice(6, 8)]
    assert list(within_budget([], 1000)) == []


def test_long_turns_played_in_parts_are_played_the_same(policy: Policy, monkeypatch: pytest.MonkeyPatch):
    requests = [request(f"game {number}", f"the {'very ' * number}big dog") for number in range(6)]
    whole = policy.act(requests, 3)
    monkeypatch.setattr("learner.policy.sampling.PLAYING_BUDGET", 10_000)
    policy.cache.forget()
    assert [action for action, _ in policy.act(requests, 3)] == [action for action, _ in whole]
    assert json.dumps(requests[0].model_dump())

"""Benchmarks of serving: speed against the naive way and of batching, latency, adapter swaps, kills, memory.

All but the first number are measured with a real service in a subprocess, as the bot uses it.
"""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import psutil
import structlog
import torch

from games.figures import ImageSet, open_images
from learner.policy import Policy
from learner.policy.loading import choose_device, load_base
from learner.policy.sampling import source_of
from learner.protocol import BASE_ADAPTER
from learner.registry import AdapterRegistry, Card
from learner.serving.client import LocalPolicy
from learner.settings import LearnerSettings
from sim.bench.load import LoadResult, Match, play
from sim.bench.naive import NaivePolicy
from store.database import Database
from store.migrations import upgrade
from store.settings import OWN_STORE

log = structlog.get_logger(__name__)

TURN = 5
ADAPTERS = 4
PROPENSITY_ERROR = 1e-3
"""A logged propensity that differs by more than this from a recomputation was of another adapter."""
SWAP_SECONDS, LOOK_SECONDS = 15.0, 0.1
"""How long a swap may take, and how often it is looked for."""
WARM_SECONDS = 15.0
"""Seconds after which an idle service has finished `Policy.warming`."""


@dataclass(frozen=True)
class Sizes:
    """Amounts of work to measure with."""

    games: int = 60
    """Number of games whose turn 5 is played both ways."""
    repeats: int = 5
    turns_alone: int = 100
    turns_together: int = 1_000
    turns_of_16: int = 3_000
    swaps: int = 20
    swap_seconds: float = 2.0
    first_turns: int = 1_000
    last_turns: int = 20_000
    kills: int = 12
    kill_seconds: float = 10.0


QUICK = Sizes(games=15, repeats=3, turns_alone=30, turns_together=200, turns_of_16=400, swap_seconds=0.5,
              first_turns=200, last_turns=1_000, kills=2)  # fmt: skip


@dataclass(frozen=True)
class ServingBench:
    """The results."""

    turn_speedup_over_naive: float
    batch_speedup_32: float
    p95_over_median_16: float
    swaps: int
    lost: int
    doubled: int
    wrong_adapter: int
    memory_ratio: float
    games_broken_by_kills: int


def bench_serving(sizes: Sizes = Sizes(), policy: str = "tiny") -> ServingBench:
    """Run all measurements. Raises `PolicyLoadError` or `PolicyError` if the policy cannot be loaded or served."""
    images = open_images("classic")
    with tempfile.TemporaryDirectory(prefix="respect-bench-") as folder:
        settings = LearnerSettings().changed(
            store={**OWN_STORE, "data_dir": Path(folder)},
            policy={"model": policy},
            service={"url": None, "port": 0},
        )
        speedup = _turn_speedup(settings, images, sizes.games)
        return asyncio.run(_through_a_service(settings, images, sizes, speedup))


async def _through_a_service(
    settings: LearnerSettings, images: ImageSet, sizes: Sizes, speedup: float
) -> ServingBench:
    async with LocalPolicy(settings) as service:
        batch = await _batch_speedup(service, images, sizes)
        spread = await _spread(service, images, sizes)
        swaps, lost, doubled, wrong = await _swaps(settings, service, images, sizes)
    async with LocalPolicy(settings) as service:
        memory = await _memory_ratio(service, images, sizes)
    async with LocalPolicy(settings) as service:
        broken = await _kills(service, images, sizes)
    return ServingBench(speedup, batch, spread, swaps, lost, doubled, wrong, memory, broken)


def _turn_speedup(settings: LearnerSettings, images: ImageSet, games: int) -> float:
    """Median time of turn 5 by the naive way divided by ours, measured alternately on one model after a warm-up."""
    torch.set_num_threads(settings.policy.threads_each)
    base = load_base(settings.policy.model, choose_device(settings.policy.device))
    ours, naive = Policy(base), NaivePolicy(base, images)
    for _ in ours.warming():
        pass
    seconds: dict[str, list[float]] = {"ours": [], "naive": []}
    for number in range(-3, games):  # the first three are the warm-up
        match = Match(f"turn/{number}", images, BASE_ADAPTER)
        while len(match.steps) < TURN - 1:
            request = match.request()
            match.played(request, *ours.act([request])[0])
            if match.over:
                match = Match(f"{match.name}+", images, BASE_ADAPTER)
        request = match.request()
        ways: list[tuple[str, Callable[[], object]]] = [
            ("naive", lambda request=request: naive.act(request, source_of(0, request.request_id))),
            ("ours", lambda request=request: ours.act([request])[0]),
        ]
        for name, act in ways if number % 2 else reversed(ways):
            began = time.perf_counter()
            act()
            if number >= 0:
                seconds[name].append(time.perf_counter() - began)
    slow, fast = median(seconds["naive"]), median(seconds["ours"])
    log.warning("turn 5", naive_ms=round(slow * 1e3, 1), ours_ms=round(fast * 1e3, 1))
    return slow / fast


async def _batch_speedup(service: LocalPolicy, images: ImageSet, sizes: Sizes) -> float:
    """Median turns per second with 32 concurrent games divided by those with one, measured alternately."""
    await play(service, images, "warm", 32, _turns(sizes.turns_together))
    alone, together = [], []
    for repeat in range(sizes.repeats):
        alone.append(await play(service, images, f"1/{repeat}", 1, _turns(sizes.turns_alone)))
        together.append(await play(service, images, f"32/{repeat}", 32, _turns(sizes.turns_together)))
    one, many = (median(result.turns_per_second for result in results) for results in (alone, together))
    log.warning("turns per second", one_game=round(one, 1), games_32=round(many, 1))
    return many / one


async def _spread(service: LocalPolicy, images: ImageSet, sizes: Sizes) -> float:
    """95th percentile of a turn's latency divided by its median, with 16 concurrent games."""
    result = await play(service, images, "16", 16, _turns(sizes.turns_of_16))
    cuts = quantiles(result.latencies, n=20)
    log.warning("latency at 16 games", median_ms=round(cuts[9] * 1e3), p95_ms=round(cuts[18] * 1e3))
    return cuts[18] / cuts[9]


async def _swaps(
    settings: LearnerSettings, service: LocalPolicy, images: ImageSet, sizes: Sizes
) -> tuple[int, int, int, int]:
    """(swaps, turns lost, turns played twice, turns by the wrong adapter) with 16 concurrent games."""
    policy = await asyncio.to_thread(
        Policy.load,
        settings.policy.model,
        settings.policy.device,
        settings.policy.threads_each,
        temperature=settings.policy.temperature,
    )
    registry = AdapterRegistry(settings.adapters_dir)
    names = [await asyncio.to_thread(_publish, policy, registry, number) for number in range(1, ADAPTERS + 1)]
    database = Database.of(settings.store)
    upgrade(database)
    before = (await service.status()).turns
    done = False
    load = asyncio.create_task(play(service, images, "swaps", 16, lambda result: not done))
    try:
        swaps = 0
        for number in range(sizes.swaps):
            with database.session() as session:
                if number % 4 == 3:
                    registry.rollback(session)
                else:
                    registry.promote(session, names[number % ADAPTERS])
            swaps += await _follows(service, registry.current())
            await asyncio.sleep(sizes.swap_seconds)
    finally:
        done = True
        result = await load
        database.close()
    played = (await service.status()).turns - before
    wrong = result.wrong_adapter + await asyncio.to_thread(_other_propensities, policy, result.matches)
    log.warning("swaps", turns=result.turns, asked_twice=result.twice, games=len(result.matches))
    return swaps, result.apologies + result.broken, result.differed + abs(played - result.turns), wrong


async def _follows(service: LocalPolicy, name: str) -> bool:
    """Whether the service switches to the current adapter."""
    for _ in range(int(SWAP_SECONDS / LOOK_SECONDS)):
        if (await service.status()).current == name:
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return False


def _publish(policy: Policy, registry: AdapterRegistry, number: int) -> str:
    """Publish an adapter that plays differently from the others."""
    name = f"round-{number:04d}-b-sup"
    policy.new_adapter(name, rank=4, alpha=8, dropout=0.0, seed=number)
    generator = torch.Generator().manual_seed(number)
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter.device) * 0.05)
    policy.eval()
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
    registry.publish(card, lambda folder: policy.save_adapter(name, folder))
    return name


def _other_propensities(policy: Policy, matches: Sequence[Match]) -> int:
    """Turns whose logged propensity is not that of the adapter that their game is pinned to."""
    wrong = 0
    for adapter in sorted({match.adapter for match in matches}):
        played = [match for match in matches if match.adapter == adapter and match.steps]
        for start in range(0, len(played), 32):
            some = played[start : start + 32]
            logps = policy.action_logps([match.example() for match in some], adapter).tolist()
            logged = [logp for match in some for logp in match.logps]
            pairs = zip(logps, logged, strict=True)
            wrong += sum(abs(one - other) > PROPENSITY_ERROR for one, other in pairs)
    return wrong


async def _memory_ratio(service: LocalPolicy, images: ImageSet, sizes: Sizes) -> float:
    """The service's resident memory after the last turns divided by that after the first ones."""
    assert service.pid is not None
    process = psutil.Process(service.pid)
    await asyncio.sleep(WARM_SECONDS)
    await play(service, images, "memory/first", 32, _turns(sizes.first_turns))
    first = process.memory_info().rss
    await play(service, images, "memory/last", 32, _turns(sizes.last_turns - sizes.first_turns))
    last = process.memory_info().rss
    log.warning("memory", first_mb=first >> 20, last_mb=last >> 20, turns=sizes.last_turns)
    return last / first


async def _kills(service: LocalPolicy, images: ImageSet, sizes: Sizes) -> int:
    """Games that cannot continue when the service is killed repeatedly with 16 concurrent games."""
    done, kills = False, 0
    load = asyncio.create_task(play(service, images, "kills", 16, lambda result: not done))
    try:
        while kills < sizes.kills:
            await asyncio.sleep(sizes.kill_seconds)
            if service.pid is not None:
                os.kill(service.pid, signal.SIGKILL)
            kills += 1
        await asyncio.sleep(sizes.kill_seconds)
    finally:
        done = True
        result = await load
    log.warning("kills", kills=kills, turns=result.turns, apologies=result.apologies, starts=service.starts)
    return result.broken


def _turns(count: int) -> Callable[[LoadResult], bool]:
    return lambda result: result.turns < count

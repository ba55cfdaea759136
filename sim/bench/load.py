"""Load generator for a policy service: concurrent games with a simple speaker, whose answers are verified."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from games import DEFAULT_GAME, GAMES
from games.core import Outcome, Step
from games.figures import ImageSet
from learner.policy import Example
from learner.protocol import PolicyError, PolicyStatus, TurnAnswer, TurnRequest, turn_request

RULES = GAMES[DEFAULT_GAME]
SENT_TWICE_SHARE = 0.05
"""Share of turns that are requested twice at once, as after a lost answer."""


class ServedPolicy(Protocol):
    """A client of a policy service."""

    async def act(self, request: TurnRequest) -> TurnAnswer: ...

    async def finished(self, game_id: str) -> None: ...

    async def status(self) -> PolicyStatus: ...


class Match:
    """One game between a simple speaker and the policy."""

    def __init__(self, name: str, images: ImageSet, adapter: str) -> None:
        self.name = name
        self.adapter = adapter
        self.deal = RULES.deal(images.ids, random.Random(name))
        self.steps: list[Step] = []
        self.logps: list[float] = []
        self.state = RULES.initial_state(self.deal.listener)
        self._images = images
        self._rng = random.Random(f"{name}/words")

    @property
    def over(self) -> bool:
        """Whether the game is won or out of turns."""
        return RULES.outcome(self.deal, self.state, len(self.steps)) is not Outcome.OPEN

    def request(self) -> TurnRequest:
        """The next turn: it describes a target to select, or a selected non-target to deselect."""
        selected = set(RULES.selected(self.deal.listener, self.state))
        wrong, missing = sorted(selected - self.deal.targets), sorted(self.deal.targets - selected)
        figure = self._rng.choice(wrong or missing)
        words = self._rng.choice(self._images[figure].names)
        return turn_request(
            game_id=self.name,
            game=RULES.name,
            images=self._images.spec,
            context=self.deal.listener,
            steps=self.steps,
            state=self.state,
            utterance=f"no, not the {words}" if wrong else f"the {words}",
            adapter=self.adapter,
        )

    def played(self, request: TurnRequest, action: str, logp: float) -> None:
        """Apply an answer. Raises `IllegalAction`."""
        after = RULES.apply(self.state, action)
        self.steps.append(Step(self.state, request.utterance, action))
        self.logps.append(logp)
        self.state = after

    def example(self) -> Example:
        """The whole game, asking for the probability of each of its actions."""
        wanted = tuple((step.action,) for step in self.steps)
        return Example(self._images.spec, self.deal.listener, tuple(self.steps), wanted, RULES.name)


@dataclass
class LoadResult:
    """What happened under load."""

    turns: int = 0
    twice: int = 0
    """Number of turns that were requested twice."""
    differed: int = 0
    """Of those, turns with two different answers, that is, played twice."""
    wrong_adapter: int = 0
    """Number of answers by another adapter than the game's."""
    apologies: int = 0
    """Turns that failed, after which the game continued."""
    broken: int = 0
    """Games that could not continue."""
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    """All games, with their turns."""

    @property
    def turns_per_second(self) -> float:
        return self.turns / self.seconds


async def play(
    service: ServedPolicy, images: ImageSet, name: str, at_once: int, go_on: Callable[[LoadResult], bool]
) -> LoadResult:
    """Play `at_once` concurrent games, starting a new one for each that ends, while `go_on` returns true."""
    result, started, rng = LoadResult(), time.perf_counter(), random.Random(name)

    async def seat(number: int) -> None:
        games = 0
        while go_on(result):
            match = Match(f"{name}/{number}/{games}", images, (await _status(service)).current)
            result.matches.append(match)
            games += 1
            while not match.over and go_on(result):
                if not await _turn(service, match, rng, result):
                    result.broken += 1
                    break
            await service.finished(match.name)

    await asyncio.gather(*(seat(number) for number in range(at_once)))
    result.seconds = time.perf_counter() - started
    return result


async def _turn(service: ServedPolicy, match: Match, rng: random.Random, result: LoadResult) -> bool:
    """Play one turn; if it fails once, retry with another request. False if the game cannot continue."""
    for again in range(2):
        request = match.request()
        if again:
            request = request.model_copy(update={"request_id": f"{request.request_id}:again"})
        asked = time.perf_counter()
        try:
            if rng.random() < SENT_TWICE_SHARE:
                result.twice += 1
                answer, other = await asyncio.gather(service.act(request), service.act(request))
                result.differed += (answer.action, answer.logp) != (other.action, other.logp)
            else:
                answer = await service.act(request)
            match.played(request, answer.action, answer.logp)
        except (PolicyError, ValueError):
            result.apologies += 1
            continue
        result.latencies.append(time.perf_counter() - asked)
        result.turns += 1
        result.wrong_adapter += answer.adapter != match.adapter
        return True
    return False


async def _status(service: ServedPolicy) -> PolicyStatus:
    """The status, with retries."""
    while True:
        try:
            return await service.status()
        except PolicyError:
            await asyncio.sleep(0.2)

"""The policy played by a vLLM server, with the registry's adapters and turns in the form that the learner trains
on.

A turn is played only if its action is legal and has the same tokens as in training. A probe has verified that the
server's log-probabilities are those of the distribution that it samples from.
"""

import asyncio
import contextlib
import hashlib
import json
import math
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import structlog

from learner.protocol import BASE_ADAPTER, PolicyError, PolicyStatus, TurnAnswer, TurnRequest
from learner.registry import AdapterError, AdapterRegistry
from learner.registry.recorded import recorded_in
from learner.serving.http import PATIENCE_SECONDS
from learner.serving.idempotency import IdempotencyCache
from learner.serving.vllm.adapters import ServedAdapters
from learner.serving.vllm.messages import Conversations
from learner.serving.vllm.probing import Checked, look_at, probe
from learner.serving.vllm.server import Completion, VllmServer
from learner.settings import TINY_MODEL_TYPE, LearnerSettings, base_model_folder

log = structlog.get_logger(__name__)

DRAWS = 4
"""Number of samples after which a turn fails if none had the learner's tokens."""


class VllmPolicy:
    """Plays through one vLLM server; same interface as `PolicyClient`. Use it as an async context manager."""

    def __init__(self, url: str, settings: LearnerSettings, *, patience: float = PATIENCE_SECONDS) -> None:
        """Raises `PolicyError` if vLLM cannot serve the base model."""
        if _is_embedded(settings.policy.model):
            raise PolicyError(
                "vLLM cannot serve the embedded model: set RESPECT_POLICY__MODEL to the model that the server at "
                f"{url} serves, or RESPECT_SERVICE__URL to a policy service of ours",
                retry=False,
            )
        self._server = VllmServer(url, settings.service.secret, patience=patience)
        self._policy = settings.policy.model
        self._seed = settings.training.seed
        self._temperature = settings.policy.temperature
        store = settings.store
        self._registry = AdapterRegistry(
            settings.adapters_dir.resolve(), store.adapters_url, recorded_in(store)
        )
        self._adapters = ServedAdapters(self._server, self._registry, settings.policy.model)
        self._conversations = Conversations()
        self._answers = IdempotencyCache()
        self._spelling: dict[str, list[int]] = {}
        self._checked: Checked | None = None
        self._looking: asyncio.Task[Checked] | None = None
        self._current = BASE_ADAPTER
        self._refused: str | None = None
        self._turns = 0
        self._started = time.monotonic()

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._answers.close()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._server.__aexit__(kind, error, trace)

    async def act(self, request: TurnRequest) -> TurnAnswer:
        """Play a turn, with retries. Raises `PolicyError` after `patience` seconds."""
        return await self._answers.once(request.request_id, lambda: self._play(request))

    async def status(self) -> PolicyStatus:
        """The state of the server, without retries. Raises `PolicyError`."""
        with self._doubting():
            await self._follow(await self._ready())
            await self._server.models()
        return PolicyStatus(
            base_model=self._adapters.base_model(),
            current=self._current,
            loaded=self._adapters.names,
            turns=self._turns,
            waiting=self._answers.waiting,
            uptime_seconds=time.monotonic() - self._started,
        )

    async def finished(self, game_id: str) -> None:
        """Record that a game is over. Its adapter is unloaded if no other game is pinned to it."""
        self._adapters.end(game_id)
        if self._checked is not None:
            with contextlib.suppress(PolicyError):
                await self._adapters.release_idle(self._current)

    async def reload(self) -> PolicyStatus:
        """Look for a newly published adapter now, also for one that was refused before."""
        self._refused = None
        try:
            await asyncio.to_thread(self._registry.pull)
        except (AdapterError, OSError) as error:
            log.error("adapters could not be fetched, the old one stays", reason=str(error))
        return await self.status()

    async def _play(self, request: TurnRequest) -> TurnAnswer:
        async for attempt in self._server.patiently():
            with attempt, self._doubting():
                return await self._turn(request)
        raise AssertionError("unreachable")

    async def _turn(self, request: TurnRequest) -> TurnAnswer:
        began = time.monotonic()
        checked = await self._ready()
        await self._use(checked, request.adapter)
        self._adapters.hold(request.adapter, request.game_id)
        action, logp = await self._draw(checked, request)
        self._turns += 1
        return TurnAnswer(
            action=action,
            logp=logp,
            adapter=request.adapter,
            base_model=self._adapters.base_model(request.adapter),
            seconds=time.monotonic() - began,
            temperature=self._temperature,
            seed=self._seed,
        )

    async def _draw(self, checked: Checked, request: TurnRequest) -> tuple[str, float]:
        """An action in the learner's tokens, with its log-propensity."""
        try:
            choices = [checked.lead + action for action in self._conversations.legal_actions(request)]
            messages = await asyncio.to_thread(self._conversations.of, request)
        except (KeyError, ValueError, OSError) as error:
            raise PolicyError(f"The policy cannot play this turn: {error}", retry=False) from error
        model = checked.model if request.adapter == BASE_ADAPTER else request.adapter
        for number in range(DRAWS):
            seed = seed_of(self._seed, request.request_id, number)
            answer = await self._server.complete(
                model, messages, choices, seed, temperature=self._temperature
            )
            if answer.text not in choices or answer.finish_reason != "stop":
                raise PolicyError(
                    f"The vLLM server answered {answer.text[:80]!r}, which is not legal in this state; it is not "
                    "played. The server must know the parameter structured_outputs (vLLM 0.12 or newer)"
                )
            if answer.token_ids == [*await self._spelt(checked, answer.text), checked.end]:
                return answer.text[len(checked.lead) :], _logp(answer)
            log.info("an action in other tokens is drawn again", request=request.request_id)
        raise PolicyError(
            f"The vLLM server wrote actions in other tokens than the learner's, {DRAWS} times in a row: models of "
            "this class cannot be played through it",
            retry=False,
        )

    async def _spelt(self, checked: Checked, words: str) -> list[int]:
        """The tokens of an answer in training."""
        if words not in self._spelling:
            self._spelling[words] = await self._server.tokens(checked.model, words)
        return self._spelling[words]

    async def _ready(self) -> Checked:
        """Check the server before its first use and again after a failure. Raises `PolicyError`."""
        if self._checked is not None:
            return self._checked
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> Checked:
        models = await self._server.models()
        self._adapters.take_stock(models)
        self._refused = None  # a server that was started again may take what it did not before
        checked = await look_at(self._server, self._policy, models, self._conversations)
        await self._follow(checked)
        self._checked = checked
        log.info("plays through vLLM", url=self._server.url, model=checked.model)
        return checked

    @contextlib.contextmanager
    def _doubting(self) -> Iterator[None]:
        """After an error that can be retried, the server is checked again, because it may have been restarted."""
        try:
            yield
        except PolicyError as error:
            if error.retry:
                self._checked = None
            raise

    async def _use(self, checked: Checked, name: str) -> None:
        await self._adapters.use(name, lambda: probe(self._server, name, checked.lead, self._conversations))

    async def _follow(self, checked: Checked) -> None:
        """Switch to the registry's current adapter when it is served; keep the old one if it is refused."""
        try:
            wanted = self._registry.current()
            if wanted in (self._current, self._refused):
                return
            await self._use(checked, wanted)
        except (PolicyError, AdapterError, OSError) as error:
            if isinstance(error, PolicyError) and error.retry:
                raise
            log.error("an adapter is refused, the old one stays", current=self._current, reason=str(error))
            with contextlib.suppress(AdapterError):
                self._refused = self._registry.current()
            return
        log.info("new games take another adapter", adapter=wanted, before=self._current)
        self._current, self._refused = wanted, None
        await self._adapters.release_idle(wanted)


def seed_of(seed: int, request_id: str, number: int = 0) -> int:
    """The seed of the n-th sample of a request, 63 bits as the server requires."""
    digest = hashlib.sha256(f"{seed}:{request_id}:{number}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def _logp(answer: Completion) -> float:
    """Log-probability, in nats, of a whole answer with its end token."""
    total = math.fsum(drawn.logprob for drawn in answer.drawn)
    if not total > -1000.0:  # a server writes -9999 for a token that has none
        raise PolicyError("The vLLM server gives no log-probability for what it sampled", retry=False)
    return min(total, 0.0)


def _is_embedded(model: str) -> bool:
    """Whether a base model is of the embedded kind, which vLLM does not know; a model id of a hub never is."""
    try:
        config = json.loads((base_model_folder(model) / "config.json").read_text("utf-8"))
        return config["model_type"] == TINY_MODEL_TYPE
    except (OSError, ValueError, KeyError, TypeError):
        return False

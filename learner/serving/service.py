"""The policy service over HTTP: `/v1/act`, `/v1/finished`, `/v1/status`, `/v1/reload`, `/healthz`."""

import asyncio
import contextlib
import hmac
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from aiohttp import web
from pydantic import SecretStr, ValidationError

from learner.protocol import (
    BASE_ADAPTER,
    PROTOCOL_VERSION,
    GameFinished,
    PolicyError,
    PolicyStatus,
    TurnAnswer,
    TurnRequest,
    TurnTooLong,
    over_limits,
)
from learner.registry import AdapterError, AdapterRegistry
from learner.serving.connections import Connections
from learner.serving.idempotency import IdempotencyCache
from learner.serving.worker import Worker

log = structlog.get_logger(__name__)

WATCH_SECONDS = 0.5
PULL_SECONDS = 10.0
"""Between two looks at the URL of the adapters, if they have one; and the longest that a start waits for it."""
MAX_WAITING, MAX_WAITING_EACH = 512, 64
"""Maximum number of turns without an answer: in total, and of one community."""
MAX_BODY = 256 * 2**10


class PolicyService:
    """Serves turns through an idempotency cache and follows the registry's current adapter."""

    def __init__(
        self, worker: Worker, registry: AdapterRegistry, base_model: str, secret: SecretStr | None = None
    ) -> None:
        self._worker = worker
        self._registry = registry
        self._base_model = base_model
        self._secret = secret
        self._answers = IdempotencyCache()
        self.connections = Connections()
        self._current = BASE_ADAPTER
        self._following = asyncio.Lock()
        self._refused: str | None = None
        self._not_pulled: str | None = None
        """Why the adapters could not be pulled the last time."""
        self._waiting: Counter[str] = Counter()
        """Turns without an answer, by community."""
        self._turns = 0
        self._started = time.monotonic()

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[self._guard, self.connections.reading], client_max_size=MAX_BODY)
        app.router.add_post("/v1/act", self._act)
        app.router.add_post("/v1/finished", self._finished)
        app.router.add_get("/v1/status", self._status)
        app.router.add_post("/v1/reload", self._reload)
        app.router.add_get("/healthz", self._healthz)
        app.cleanup_ctx.append(self._watching)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self._secret is not None and request.path != "/healthz":
            given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
            if not hmac.compare_digest(given, f"Bearer {self._secret.get_secret_value()}".encode()):
                return _refusal("The shared secret is wrong: check RESPECT_SERVICE__SECRET", 401)
        try:
            return await handler(request)
        except TurnTooLong as error:
            return _refusal(str(error), 413)
        except PolicyError as error:
            return _refusal(str(error), 503 if error.retry else 409, error.retry)
        except web.HTTPRequestEntityTooLarge:
            return _refusal(f"A request may have {MAX_BODY // 2**10} KiB", 413)
        except ValidationError as error:
            return _refusal(over_limits(error), 422)
        except web.RequestPayloadError:
            return _refusal("The body cannot be read: is it compressed as its Content-Encoding says?", 400)

    async def _act(self, request: web.Request) -> web.Response:
        turn = TurnRequest.model_validate_json(await request.read())
        if turn.protocol != PROTOCOL_VERSION:
            raise PolicyError(
                f"This service speaks protocol {PROTOCOL_VERSION}, the request {turn.protocol}", retry=False
            )
        if trouble := self._worker.trouble():
            raise PolicyError(trouble)
        if turn.request_id not in self._answers:
            self._admit(turn)
        played = await self._answers.once(turn.request_id, lambda: self._play(turn))
        return web.json_response(played.model_dump())

    def _admit(self, turn: TurnRequest) -> None:
        """Count a turn as waiting. Raises `PolicyError` if too many are."""
        if self._waiting.total() >= MAX_WAITING:
            raise PolicyError("Too many turns are waiting; try again in a moment")
        if self._waiting[turn.community] >= MAX_WAITING_EACH:
            raise PolicyError("Too many turns of this community are waiting; try again in a moment")
        self._waiting[turn.community] += 1

    async def _play(self, turn: TurnRequest) -> TurnAnswer:
        """Play a turn that was admitted."""
        began = time.monotonic()
        try:
            action, logp = await self._worker.act(turn)
        finally:
            self._waiting[turn.community] -= 1
            if not self._waiting[turn.community]:
                del self._waiting[turn.community]
        self._turns += 1
        return TurnAnswer(
            action=action,
            logp=min(logp, 0.0),
            adapter=turn.adapter,
            base_model=self._base_model,
            seconds=time.monotonic() - began,
            temperature=self._worker.temperature,
            seed=self._worker.seed,
        )

    async def _finished(self, request: web.Request) -> web.Response:
        await self._worker.finished(GameFinished.model_validate_json(await request.read()).game_id)
        return web.json_response({})

    async def _status(self, _request: web.Request) -> web.Response:
        if trouble := self._worker.trouble():
            raise PolicyError(trouble)
        await self._follow()  # a game that opens asks, and takes the newest
        return web.json_response(self.status().model_dump())

    async def _reload(self, _request: web.Request) -> web.Response:
        await self._pull()
        await self._follow()
        return web.json_response(self.status().model_dump())

    async def _healthz(self, _request: web.Request) -> web.Response:
        trouble = self._worker.trouble()
        found = {"ok": trouble is None, "worker": trouble, "refused_adapter": self._refused}
        return web.json_response(found, status=200 if trouble is None else 503)

    def status(self) -> PolicyStatus:
        """The state of the service."""
        return PolicyStatus(
            base_model=self._base_model,
            current=self._current,
            loaded=self._worker.loaded,
            turns=self._turns,
            waiting=self._waiting.total(),
            uptime_seconds=time.monotonic() - self._started,
        )

    async def _watching(self, _app: web.Application) -> AsyncIterator[None]:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pull(), PULL_SECONDS)
        await self._follow()
        watchers = [asyncio.create_task(each) for each in (self._watch(), self._watch_url())]
        yield
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await self._follow()

    async def _watch_url(self) -> None:
        while self._registry.has_url:
            await asyncio.sleep(PULL_SECONDS)
            await self._pull()

    async def _pull(self) -> None:
        """Bring the registry up to date with its URL, if it has one; if that fails, what is here stays."""
        try:
            await asyncio.to_thread(self._registry.pull)
        except (AdapterError, OSError) as error:
            if (reason := str(error)) != self._not_pulled:
                log.error("adapters could not be fetched, the old one stays", reason=reason)
            self._not_pulled = reason
        else:
            self._not_pulled = None

    async def _follow(self) -> None:
        """Switch to the registry's current adapter; concurrent calls do it once."""
        async with self._following:
            await self._take_over()

    async def _take_over(self) -> None:
        """Switch when the new adapter is loaded; keep the old one if the new one is refused."""
        try:
            wanted = self._registry.current()
            if wanted == self._current or wanted == self._refused:
                return
            await self._worker.load(wanted)
        except (PolicyError, AdapterError, OSError) as error:
            log.error("an adapter is refused, the old one stays", current=self._current, reason=str(error))
            with contextlib.suppress(Exception):
                self._refused = self._registry.current()
            return
        log.info("new games take another adapter", adapter=wanted, before=self._current)
        self._current, self._refused = wanted, None


def _refusal(error: str, status: int, retry: bool = False) -> web.Response:
    return web.json_response({"error": error, "retry": retry}, status=status)

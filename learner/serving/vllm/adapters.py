"""The registry's adapters on a vLLM server: loaded when a game needs them, unloaded when its last game ends."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from learner.protocol import BASE_ADAPTER, PolicyError
from learner.registry import CONFIG, LANGUAGE_LAYERS, AdapterError, AdapterRegistry, Card, adapter_problems
from learner.serving.pins import Pins
from learner.serving.vllm.server import Model, VllmServer

log = structlog.get_logger(__name__)


class ServedAdapters:
    """Which adapters of a registry a server serves, and the games pinned to them."""

    def __init__(self, server: VllmServer, registry: AdapterRegistry, policy: str) -> None:
        """`policy` names the base model, as RESPECT_POLICY__MODEL does."""
        self._server = server
        self._registry = registry
        self._policy = policy
        self._pins = Pins()
        self._cards: dict[str, Card] = {}
        """Cards of the adapters that were checked and belong to this base model."""
        self._moving = asyncio.Lock()
        """Held while an adapter is loaded or unloaded."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the served adapters."""
        return self._pins.names

    def base_model(self, adapter: str = BASE_ADAPTER) -> str:
        """Fingerprint of the base model, from an adapter's card or the newest one.

        A server does not tell its weights' fingerprint, so before the first adapter it is the model's name.
        """
        if adapter in self._cards:
            return self._cards[adapter].base_model
        newest = max(self._cards.values(), key=lambda card: card.created, default=None)
        return newest.base_model if newest else f"vllm:{self._policy}"

    def take_stock(self, models: Sequence[Model]) -> None:
        """Read which adapters a server serves: it may have been restarted, or have served this bot before."""
        for name in self._registry.names():
            with contextlib.suppress(AdapterError):
                card = self._registry.card(name)
                if card.policy == self._policy:
                    self._cards[name] = card
        served = {model.id for model in models if self._is_ours(model)}
        for name in self._pins.names:
            if name not in served:
                self._pins.drop(name)
        for name in served:
            self._pins.use(name)

    async def use(self, name: str, probe: Callable[[], Awaitable[object]]) -> None:
        """Make sure that an adapter is served and has passed a probe. Raises `PolicyError` with the reason if
        not."""
        if name == BASE_ADAPTER:
            return
        if name not in self._pins:
            async with self._moving:
                if name not in self._pins:
                    await self._load(name, probe)
        self._pins.use(name)

    def hold(self, name: str, game_id: str) -> None:
        """Record a game's turn under an adapter."""
        self._pins.hold(name, game_id)

    def end(self, game_id: str) -> None:
        """Record that a game is over."""
        self._pins.end(game_id)

    async def release_idle(self, current: str) -> None:
        """Unload the adapters that neither new games nor games in progress use. Raises `PolicyError`."""
        async with self._moving:
            for name in self._pins.idle(current):
                self._pins.drop(name)
                await self._server.unload(name)
                log.info("adapter released", adapter=name)

    async def _load(self, name: str, probe: Callable[[], Awaitable[object]]) -> None:
        try:
            folder = await asyncio.to_thread(self._registry.fetch, name)
            self._cards[name] = self._fitting(folder)
        except AdapterError as error:
            raise PolicyError(f"Adapter {name!r} is refused: {error}", retry=False) from error
        if not any(self._is_ours(model) for model in await self._server.models() if model.id == name):
            await self._server.load(name, folder)
        try:
            await probe()
        except PolicyError as error:
            with contextlib.suppress(PolicyError):
                await self._server.unload(name)
            if error.retry:
                raise
            raise PolicyError(
                f"Adapter {name!r} is refused, it cannot play a probe turn: {error}", retry=False
            ) from error
        log.info("adapter loaded", adapter=name)

    def _fitting(self, folder: Path) -> Card:
        """The card of an adapter that may be served. Raises `AdapterError`."""
        if problems := adapter_problems(folder):
            raise AdapterError("; ".join(problems))
        card = self._registry.card(folder.name)
        if not _is_servable(folder):
            raise AdapterError(
                "it changes more than the linear layers of the language part (adapters of the embedded model do),"
                " which vLLM cannot serve"
            )
        if card.policy != self._policy:
            raise AdapterError(
                f"it was trained on {card.policy or 'a base model that its card does not name'}, RESPECT_POLICY__MODEL "
                f"is {self._policy}"
            )
        newest = max([card, *self._cards.values()], key=lambda one: one.created)
        if card.base_model != newest.base_model:
            raise AdapterError(
                f"it was trained on other weights of {card.policy} ({card.base_model}) than {newest.name} "
                f"({newest.base_model})"
            )
        return card

    def _is_ours(self, model: Model) -> bool:
        return model.parent is not None and Path(model.root or "") == self._registry.folder / model.id


def _is_servable(folder: Path) -> bool:
    """Whether an adapter changes only modules that vLLM supports."""
    return json.loads((folder / CONFIG).read_text()).get("target_modules") == LANGUAGE_LAYERS

"""Requests to a remote service over HTTP: one session, a shared secret, retries, and errors as sentences."""

import json
from types import TracebackType
from typing import Any, Self

import aiohttp
from pydantic import SecretStr
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from learner.protocol import PolicyError

PATIENCE_SECONDS = 45.0
"""Seconds for which a turn is retried; long enough for a restart of a local service."""
ATTEMPT_SECONDS = 30.0


class Remote:
    """One service. Use it as an async context manager."""

    kind = "The policy service"
    """Name of the service in error messages."""

    def __init__(
        self, url: str, secret: SecretStr | None = None, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._secret = secret
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._secret.get_secret_value()}"} if self._secret else {}
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(total=ATTEMPT_SECONDS)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def patiently(self) -> AsyncRetrying:
        """Attempts at an idempotent request, with exponential back-off, until `patience` seconds are over."""
        return AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, PolicyError) and error.retry),
            wait=wait_exponential_jitter(initial=0.2, max=2.0),
            stop=stop_after_delay(self._patience),
            reraise=True,
        )

    async def fetch(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """HTTP status and body, decoded if it is JSON. Raises `PolicyError` if there is no answer."""
        if self._session is None:
            raise RuntimeError(f"Use {type(self).__name__} as an async context manager")
        try:
            async with self._session.request(method, self.url + path, json=body) as response:
                status, text = response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise PolicyError(
                f"{self.kind} at {self.url} does not answer ({type(error).__name__})"
            ) from error
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

"""Rate limits of the REST API: buckets of a route and its major parameter, and one of all requests together."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

MAJOR = ("channel_id", "guild_id", "webhook_id", "webhook_token")
"""Parameters of a path; the limit of a route holds for each of their values by itself."""
WITHOUT_GLOBAL = ("/interactions/", "/webhooks/{webhook_id}/{webhook_token}")
"""Routes that do not count towards the limit of all requests: answers to interactions."""
MANY_BUCKETS = 10_000


@dataclass(frozen=True)
class Limit:
    """So many requests in so many seconds."""

    requests: int
    seconds: float


GENEROUS = Limit(1000, 1.0)
GLOBAL = Limit(50, 1.0)
OBSERVED: Mapping[str, Limit] = {
    "POST /channels/{channel_id}/messages": Limit(5, 5.0),
    "PATCH /channels/{channel_id}/messages/{message_id}": Limit(5, 5.0),
    "DELETE /channels/{channel_id}/messages/{message_id}": Limit(5, 1.0),
}
"""Discord documents only `GLOBAL`; these are about what clients have met. The limits of other routes are generous."""


@dataclass(frozen=True)
class Exceeded:
    """A request that came too early."""

    retry_after: float
    """Seconds."""
    is_global: bool


class _Bucket:
    """Counts the requests of a window, which begins with the first of them."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.used, self._ends = 0, 0.0

    def take(self) -> bool:
        """Count a request; False if the window has had all that it allows."""
        now = time.monotonic()
        if now >= self._ends:
            self.used, self._ends = 0, now + self.limit.seconds
        allowed = self.used < self.limit.requests
        self.used += allowed
        return allowed

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._ends - time.monotonic())


class RateLimits:
    """The buckets of the bot's requests. Unless `enforced`, limits are generous, and there is none of all requests."""

    def __init__(self, enforced: bool = False) -> None:
        self.enforced = enforced
        self._global = _Bucket(GLOBAL)
        self._buckets: dict[tuple[str, ...], _Bucket] = {}

    def take(
        self, method: str, route: str, parameters: Mapping[str, str]
    ) -> tuple[dict[str, str], Exceeded | None]:
        """Count a request. Gives the headers for its answer, and by what it came too early."""
        name = f"{method} {route}"
        bucket = self._bucket(name, parameters)
        exceeded = None
        if self.enforced and not route.startswith(WITHOUT_GLOBAL) and not self._global.take():
            exceeded = Exceeded(self._global.seconds_left, True)
        elif not bucket.take():
            exceeded = Exceeded(bucket.seconds_left, False)
        left = bucket.seconds_left
        return {
            "X-RateLimit-Limit": str(bucket.limit.requests),
            "X-RateLimit-Remaining": str(bucket.limit.requests - bucket.used),
            "X-RateLimit-Reset": f"{time.time() + left:.3f}",
            "X-RateLimit-Reset-After": f"{left:.3f}",
            "X-RateLimit-Bucket": hashlib.blake2s(name.encode(), digest_size=16).hexdigest(),
        }, exceeded

    def _bucket(self, name: str, parameters: Mapping[str, str]) -> _Bucket:
        key = (name, *(parameters.get(each, "") for each in MAJOR))
        if key not in self._buckets:
            if len(self._buckets) >= MANY_BUCKETS:
                self._buckets = {key: each for key, each in self._buckets.items() if each.seconds_left}
            limit = OBSERVED.get(name, GENEROUS) if self.enforced else GENEROUS
            self._buckets[key] = _Bucket(limit)
        return self._buckets[key]

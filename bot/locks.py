"""A lock for each key, kept only while somebody holds or awaits it."""

import asyncio
from weakref import WeakValueDictionary


class KeyedLocks:
    """First come, first served, for each key on its own."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()

    def __call__(self, key: object) -> asyncio.Lock:
        lock = self._locks.get(key)
        if lock is None:
            self._locks[key] = lock = asyncio.Lock()
        return lock

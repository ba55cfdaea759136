"""One lock per key, kept only while a task holds it or waits for it."""

import asyncio
from weakref import WeakValueDictionary


class KeyedLocks:
    """One lock per key; tasks get it in the order of their requests."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()

    def __call__(self, key: object) -> asyncio.Lock:
        lock = self._locks.get(key)
        if lock is None:
            self._locks[key] = lock = asyncio.Lock()
        return lock

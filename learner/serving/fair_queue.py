"""A round-robin queue per tenant, so that a community with many requests does not delay the others."""

import queue
import threading
from collections import OrderedDict, deque
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class FairQueue(Generic[_Item]):
    """Round robin over tenants, first in first out within one. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._urgent: deque[_Item] = deque()
        self._queues: OrderedDict[str, deque[_Item]] = OrderedDict()

    def put(self, item: _Item, tenant: str) -> None:
        """Add an item at the end of a tenant's queue."""
        with self._changed:
            self._queues.setdefault(tenant, deque()).append(item)
            self._changed.notify()

    def put_urgent(self, item: _Item) -> None:
        """Add an item that comes before those of all tenants."""
        with self._changed:
            self._urgent.append(item)
            self._changed.notify()

    def get(self, timeout: float | None = None) -> _Item:
        """The next item of the tenant that was served longest ago. Raises `queue.Empty` after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._urgent or self._queues, timeout):
                raise queue.Empty
            if self._urgent:
                return self._urgent.popleft()
            tenant, waiting = self._queues.popitem(last=False)
            item = waiting.popleft()
            if waiting:
                self._queues[tenant] = waiting
            return item

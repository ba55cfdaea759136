"""A queue with a line for each community, served in turns: one that asks a lot does not make the others wait."""

import queue
import threading
from collections import OrderedDict, deque
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class FairQueue(Generic[_Item]):
    """Items of several lines; within a line they keep their order. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._urgent: deque[_Item] = deque()
        self._lines: OrderedDict[str, deque[_Item]] = OrderedDict()

    def put(self, item: _Item, line: str) -> None:
        """Add an item to a line."""
        with self._changed:
            self._lines.setdefault(line, deque()).append(item)
            self._changed.notify()

    def put_urgent(self, item: _Item) -> None:
        """Add an item that comes before all lines."""
        with self._changed:
            self._urgent.append(item)
            self._changed.notify()

    def get(self, timeout: float | None = None) -> _Item:
        """The next item: of the line that was served longest ago. Raises `queue.Empty` after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._urgent or self._lines, timeout):
                raise queue.Empty
            if self._urgent:
                return self._urgent.popleft()
            name, line = self._lines.popitem(last=False)
            item = line.popleft()
            if line:
                self._lines[name] = line
            return item

    def waiting(self, line: str) -> int:
        """Items in a line."""
        with self._changed:
            return len(self._lines.get(line, ()))

"""Processes that train one adapter together, as `accelerate launch` starts them, one for each GPU.

The first one runs the round. The others wait for its word, train along with the same seed and end with it.
"""

import os
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast, broadcast_object_list, reduce

_Item = TypeVar("_Item")


class Team:
    """The processes, seen from one of them. Every method but `mine` is to be called by all at once."""

    def __init__(self, cpu: bool) -> None:
        patience = timedelta(days=1)  # the others wait while the first one decodes
        state = PartialState(cpu=cpu, timeout=patience) if in_company() else None
        self.rank = state.process_index if state else 0
        self.size = state.num_processes if state else 1

    def mine(self, parts: Sequence[_Item]) -> Sequence[_Item]:
        """This process's share."""
        return parts[self.rank :: self.size]

    def tell(self, word: _Item) -> _Item:
        """What the first process says, whatever the others say."""
        return broadcast_object_list([word])[0] if self.size > 1 else word

    def totals(self, values: Sequence[float]) -> list[float]:
        """Each value summed over processes."""
        if self.size == 1:
            return list(values)
        device = PartialState().device
        return reduce(torch.tensor(values, dtype=torch.float64, device=device), "sum").tolist()  # pyright: ignore[reportAttributeAccessIssue]

    @torch.no_grad()
    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Give every parameter the sum of its gradients over processes."""
        if self.size > 1:
            for parameter in parameters:
                own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = reduce(own, "sum")  # pyright: ignore[reportAttributeAccessIssue]

    @torch.no_grad()
    def copy_weights(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Give every parameter the first process's value."""
        if self.size > 1:
            for parameter in parameters:
                parameter.copy_(broadcast(parameter.detach().clone()))

    def part(self) -> None:
        """Leave one another, before the process ends."""
        if self.size > 1:
            PartialState().destroy_process_group()


def in_company() -> bool:
    """Whether `accelerate launch` started more than one process."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1

"""Distributed training of one adapter, one process per GPU, as `accelerate launch` or torchrun start them.

Rank 0 runs the round and broadcasts each training job. All ranks train it with the same seed.
"""

import os
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast, broadcast_object_list, reduce

_Item = TypeVar("_Item")

TIMEOUT = timedelta(days=1)
"""Timeout of a collective operation. It is long because the other ranks wait in a broadcast while rank 0
decodes."""


class ProcessGroup:
    """The process group, seen from one rank. Every method but `shard` and `destroy` is collective: all ranks must
    call it."""

    def __init__(self, cpu: bool) -> None:
        state = PartialState(cpu=cpu, timeout=TIMEOUT) if is_distributed() else None
        self.rank = state.process_index if state else 0
        self.size = state.num_processes if state else 1

    def shard(self, items: Sequence[_Item]) -> Sequence[_Item]:
        """This rank's share of the items, every `size`-th from its rank on."""
        return items[self.rank :: self.size]

    def broadcast(self, value: _Item) -> _Item:
        """The value of rank 0, any object that can be pickled; that of other ranks is ignored."""
        return broadcast_object_list([value])[0] if self.size > 1 else value

    def all_reduce_sum(self, values: Sequence[float]) -> list[float]:
        """Each value summed over ranks, in float64."""
        if self.size == 1:
            return list(values)
        device = PartialState().device
        return reduce(torch.tensor(values, dtype=torch.float64, device=device), "sum").tolist()  # pyright: ignore[reportAttributeAccessIssue]

    @torch.no_grad()
    def all_reduce_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace the gradient of every parameter by its sum over ranks."""
        if self.size > 1:
            for parameter in parameters:
                own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = reduce(own, "sum")  # pyright: ignore[reportAttributeAccessIssue]

    @torch.no_grad()
    def broadcast_parameters(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Give every parameter the value that it has on rank 0."""
        if self.size > 1:
            for parameter in parameters:
                parameter.copy_(broadcast(parameter.detach().clone()))

    def destroy(self) -> None:
        """Leave the group, before the process ends."""
        if self.size > 1:
            PartialState().destroy_process_group()


def is_distributed() -> bool:
    """Whether this process is one of several that were launched together."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1

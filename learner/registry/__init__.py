"""The adapter registry: adapters in a folder, and a copy of it at a URL where several machines use them.

It handles folders and database rows, not models. The bot imports it, so it does not import torch.
"""

from learner.registry.card import (
    CARD,
    CONFIG,
    CURRENT,
    LANGUAGE_LAYERS,
    WEIGHTS,
    AdapterError,
    Card,
    adapter_name,
    adapter_problems,
    read_card,
)
from learner.registry.registry import AdapterRegistry

__all__ = [
    "CARD",
    "CONFIG",
    "CURRENT",
    "LANGUAGE_LAYERS",
    "WEIGHTS",
    "AdapterError",
    "AdapterRegistry",
    "Card",
    "adapter_name",
    "adapter_problems",
    "read_card",
]

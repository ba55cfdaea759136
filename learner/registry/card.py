"""An adapter's folder: its files, the card that says how it was made, and whether it can be loaded.

Does not import torch.
"""

import hashlib
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open

from learner.protocol import BASE_ADAPTER

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
CARD = "card.json"
CURRENT = "current.json"
"""The pointer to the adapter in use, beside the folders of adapters."""
LANGUAGE_LAYERS = (
    r"model\.(language_model|text_model)\..*"
    r"\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
)
"""`target_modules` of adapters that change every linear layer of the language part and nothing else."""
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_SHA256 = re.compile("[0-9a-f]{64}")


class AdapterError(RuntimeError):
    """An adapter cannot be used; the message says why."""


class Card(BaseModel):
    """What an adapter was trained from and its metrics. Stored in its folder and in its database row."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    base_model: str
    """Fingerprint of the base model it was trained on."""
    policy: str = ""
    """The value of RESPECT_POLICY__MODEL that the base model was loaded with."""
    prompt_hash: str | None = None
    """`learner.policy.Policy.prompt_hash`; None for adapters of earlier versions."""
    system: str
    """Learning system in the paper's names, e.g. "b-sup"."""
    round: int
    round_id: int
    parent: str | None = None
    """The adapter that training started from; None is the base model."""
    decoder: str = ""
    """Decoder with its version, e.g. "rules 1"."""
    created: datetime
    games: dict[str, int]
    """Game id -> number of its turns that were trained on."""
    turns: int
    training: dict[str, Any]
    """Every hyper-parameter of training, by name."""
    metrics: dict[str, Any] = {}
    """Metrics of training and of the held-out evaluation."""
    sha256: dict[str, str] = {}
    """SHA-256 of its files, by name; empty for adapters of earlier versions."""


def adapter_name(round_number: int, system: str) -> str:
    """The name of a round's adapter, e.g. "round-0003-b-sup"."""
    return f"round-{round_number:04d}-{system}"


def check_name(name: str) -> str:
    """The name of an adapter, which is also that of its folder. Raises AdapterError for what cannot be one."""
    if not NAME.fullmatch(name) or name == BASE_ADAPTER:
        raise AdapterError(f"{name!r} is not an adapter's name: expected one like round-0003-b-sup")
    return name


def adapter_problems(folder: Path, base_model: str | None = None) -> list[str]:
    """What is wrong with an adapter's folder, as sentences; empty if it can be loaded.

    Checks the files, the safetensors header and length, the card, and the fingerprint `base_model` if it is given.
    """
    problems = [
        f"{folder.name} has no {name}" for name in (CONFIG, WEIGHTS, CARD) if not (folder / name).is_file()
    ]
    if problems:
        return problems
    try:
        config = json.loads((folder / CONFIG).read_text())
        if not isinstance(config, dict) or "peft_type" not in config:
            problems.append(f"{folder.name}/{CONFIG} is not a peft configuration")
    except (ValueError, OSError) as error:
        problems.append(f"{folder.name}/{CONFIG} cannot be read: {error}")
    if broken := _broken_safetensors(folder / WEIGHTS):
        problems.append(f"{folder.name}/{WEIGHTS} {broken}")
    try:
        card = read_card(folder)
    except AdapterError as error:
        return [*problems, str(error)]
    if base_model is not None and card.base_model != base_model:
        problems.append(
            f"{folder.name} was trained on base model {card.base_model[:12]}, this one is {base_model[:12]}"
        )
    return problems


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of an adapter's files but the card, of those that are there."""
    return {name: _sha256(folder / name) for name in (CONFIG, WEIGHTS) if (folder / name).is_file()}


def parse_card(name: str, text: str) -> Card:
    """The card of an adapter at the URL. Raises AdapterError if it is not one that names the adapter's files."""
    try:
        card = Card.model_validate_json(text)
    except ValidationError as error:
        raise AdapterError(f"{name}/{CARD} at RESPECT_STORE__ADAPTERS_URL cannot be read") from error
    whole = card.sha256.keys() == {CONFIG, WEIGHTS} and all(map(_SHA256.fullmatch, card.sha256.values()))
    if card.name != name or not whole:
        raise AdapterError(f"{name}/{CARD} at RESPECT_STORE__ADAPTERS_URL does not name the adapter's files")
    return card


def read_card(folder: Path) -> Card:
    """The card of an adapter's folder. Raises AdapterError."""
    try:
        return Card.model_validate_json((folder / CARD).read_text())
    except (OSError, ValidationError, ValueError) as error:
        raise AdapterError(f"{folder.name}/{CARD} cannot be read: {error}") from error


def _broken_safetensors(path: Path) -> str | None:
    """What is wrong with a safetensors file, by its header and length; None if nothing is."""
    try:
        with safe_open(path, framework="numpy") as file:
            return None if list(file.keys()) else "holds no tensors"
    except (SafetensorError, OSError, ValueError) as error:
        return f"is cut short or is not a safetensors file: {error}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

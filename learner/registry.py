"""The adapter registry: one folder per adapter (safetensors and a card), and a pointer to the current adapter.

It handles folders and database rows, not models. The bot imports it, so it does not import torch.
"""

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from sqlmodel import Session, col, select

from learner.protocol import BASE_ADAPTER
from store.folder import private_folder
from store.lineage import affected_adapters
from store.models import Adapter, AdapterStatus, now
from store.players import card_without

log = structlog.get_logger(__name__)

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
CARD = "card.json"
CURRENT = "current.json"
LANGUAGE_LAYERS = (
    r"model\.(language_model|text_model)\..*"
    r"\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
)
"""`target_modules` of adapters that change every linear layer of the language part and nothing else."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


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


def adapter_name(round_number: int, system: str) -> str:
    """The name of a round's adapter, e.g. "round-0003-b-sup"."""
    return f"round-{round_number:04d}-{system}"


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


def read_card(folder: Path) -> Card:
    """The card of an adapter's folder. Raises AdapterError."""
    try:
        return Card.model_validate_json((folder / CARD).read_text())
    except (OSError, ValidationError, ValueError) as error:
        raise AdapterError(f"{folder.name}/{CARD} cannot be read: {error}") from error


class AdapterRegistry:
    """The adapters under one directory. Every change there is one atomic rename."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> tuple[str, ...]:
        """Names of all published adapters, sorted."""
        if not self.folder.is_dir():
            return ()
        return tuple(
            sorted(
                path.name
                for path in self.folder.iterdir()
                if (path / CARD).is_file() and _NAME.fullmatch(path.name)
            )
        )

    def path(self, name: str) -> Path:
        """The folder of an adapter. Raises AdapterError for a name that cannot be one."""
        if not _NAME.fullmatch(name) or name == BASE_ADAPTER:
            raise AdapterError(f"{name!r} is not an adapter's name: expected one like round-0003-b-sup")
        return self.folder / name

    def card(self, name: str) -> Card:
        """The card of a published adapter. Raises AdapterError."""
        return read_card(self.path(name))

    def publish(self, card: Card, write: Callable[[Path], object]) -> Path:
        """Add an adapter's folder, completely or not at all. The adapter does not become current.

        `write(folder)` writes adapter_config.json and adapter_model.safetensors to an empty folder. A folder of the
        same name (left by a failed round) is replaced. Raises AdapterError if the adapter is or was current.
        """
        final = self.path(card.name)
        if card.name in (self.current(), *self._history()):
            raise AdapterError(f"{card.name} is or was current and cannot be written over")
        private_folder(self.folder)
        draft = Path(tempfile.mkdtemp(prefix=f".{card.name}-", dir=self.folder))
        try:
            write(draft)
            (draft / CARD).write_text(card.model_dump_json(indent=2) + "\n")
            if problems := adapter_problems(draft, card.base_model):
                raise AdapterError("; ".join(problems).replace(draft.name, card.name))
            for path in draft.iterdir():
                path.chmod(0o600)
                _fsync(path)
            _fsync(draft)
            if final.exists():
                shutil.rmtree(final)
            draft.replace(final)
            _fsync(self.folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        log.info("adapter published", adapter=card.name, turns=card.turns)
        return final

    def update_card(self, card: Card) -> None:
        """Replace the card of a published adapter, e.g. with the metrics of its evaluation."""
        _write_atomically(self.path(card.name) / CARD, card.model_dump_json(indent=2) + "\n")

    def record(self, session: Session, card: Card) -> Adapter:
        """Insert or update an adapter's database row from its card, and return it."""
        found = session.exec(select(Adapter).where(Adapter.name == card.name)).one_or_none()
        row = found or Adapter(name=card.name, base_model=card.base_model, system=card.system)
        if row.card.get("round_id") != card.round_id:  # new, or left by a round that failed
            row.status, row.erased_turns = AdapterStatus.CANDIDATE, 0
        row.base_model, row.system, row.parent = card.base_model, card.system, card.parent
        row.card = card.model_dump(mode="json")
        session.add(row)
        session.flush()
        return row

    def current(self) -> str:
        """The adapter that new games are pinned to; `BASE_ADAPTER` before the first promotion. Raises
        AdapterError."""
        return self._pointer()[0]

    def previous(self) -> str | None:
        """The adapter that `rollback` would return to; None if no adapter was promoted yet."""
        history = self._history()
        return history[-1] if history else None

    def since(self) -> datetime | None:
        """When the current adapter became current; None before the first promotion. Raises AdapterError."""
        path = self.folder / CURRENT
        if not path.exists():
            return None
        try:
            return datetime.fromisoformat(json.loads(path.read_text())["since"])
        except (OSError, ValueError, KeyError, TypeError):
            self._pointer()  # says what is wrong if the rest of it cannot be read either
            return None

    def usable(self, session: Session, base_model: str | None = None) -> Iterator[str]:
        """Names of the adapters of ended rounds that `promote` would take, the newest first, and the base model last.

        With `base_model` only those that were trained on the base model with this fingerprint. Candidates are left
        out: no gate has judged them, and the next round writes over them.
        """
        affected = affected_adapters(session)
        judged = select(Adapter.name).where(Adapter.status != AdapterStatus.CANDIDATE)
        for name in session.exec(judged.order_by(col(Adapter.id).desc())):
            try:
                sound = not adapter_problems(self.path(name), base_model)
            except AdapterError:
                continue
            if sound and name not in affected:
                yield name
        yield BASE_ADAPTER

    def promote(self, session: Session, name: str, base_model: str | None = None) -> str:
        """Make an adapter (or `BASE_ADAPTER`) current and return the one that was current. Raises AdapterError.

        Refuses a broken folder, an adapter that learnt from what may no longer be used (`store.lineage`) and, with
        `base_model`, one that was trained on another base model than the one with this fingerprint.
        """
        try:
            before, history = self._pointer()
        except AdapterError as error:
            log.warning("pointer lost, written anew", error=str(error))
            before, history = BASE_ADAPTER, []
        if name != before:
            self.refuse_unusable(session, name, base_model)
            self._point(name, [*history, before])
            log.info("adapter promoted", adapter=name, before=before)
        self.sync(session)
        return before

    def rollback(self, session: Session, base_model: str | None = None) -> str:
        """Make the previously current adapter current again and return its name. Raises AdapterError, as
        `promote` does."""
        history = self._history()
        if not history:
            raise AdapterError("There is nothing to go back to: no adapter has been promoted yet")
        name, before = history[-1], self.current()
        self.refuse_unusable(session, name, base_model)
        self._point(name, history[:-1])
        log.info("adapter rolled back", adapter=name, before=before)
        self.sync(session)
        return name

    def leave_affected(self, session: Session) -> dict[str, str] | None:
        """Take the current adapter out of service if it learnt from what may no longer be used (`store.lineage`).

        Gives {"from": it, "to": the one that took over, "reason": a sentence}; None if it may be used. Raises
        AdapterError.
        """
        current = self.current()
        reason = affected_adapters(session).get(current)
        if reason is None:
            return None
        return {
            "from": current,
            "to": self.take_out_of_service(session),
            "reason": f"{current} {reason}",
        }

    def take_out_of_service(self, session: Session) -> str:
        """Leave the current adapter for the newest before it that may be used, or the base; gives its name."""
        before, history = self._pointer()
        name = BASE_ADAPTER
        while history and name == BASE_ADAPTER:
            with contextlib.suppress(AdapterError):
                self.refuse_unusable(session, history[-1])
                name = history[-1]
            history.pop()
        self._point(name, history)
        log.warning("adapter taken out of service", adapter=before, now=name)
        self.sync(session)
        return name

    def forget(self, games: Collection[str], player_id: int) -> None:
        """Take the ids of these games and of their player out of every card. Raises AdapterError, OSError."""
        for name in self.names():
            path = self.path(name) / CARD
            card = self.card(name).model_dump(mode="json")
            if (kept := card_without(card, games, player_id)) != card:
                _write_atomically(path, Card.model_validate(kept).model_dump_json(indent=2) + "\n")

    def reject(self, session: Session, name: str) -> None:
        """Mark an adapter as rejected by the gate. It can still be promoted by a command."""
        if name == self.current():
            raise AdapterError(f"{name} is current: roll back first")
        row = session.exec(select(Adapter).where(Adapter.name == name)).one_or_none()
        if row is not None:
            row.status = AdapterStatus.REJECTED
            session.add(row)

    def sync(self, session: Session) -> None:
        """Set the status of the rows from the folder's pointer, which is authoritative: a crash can separate the
        two."""
        current = self.current()
        rows = session.exec(
            select(Adapter).where(
                (col(Adapter.status) == AdapterStatus.CURRENT) | (col(Adapter.name) == current)
            )
        )
        for row in rows:
            row.status = AdapterStatus.CURRENT if row.name == current else AdapterStatus.RETIRED
            session.add(row)

    def refuse_unusable(self, session: Session | None, name: str, base_model: str | None = None) -> None:
        """Raises AdapterError for an adapter that may not be promoted. `session` None: what was erased is not known."""
        if name == BASE_ADAPTER:
            return
        folder = self.path(name)
        if not folder.is_dir():
            raise AdapterError(f"There is no adapter {name!r}: `respect round history` lists them")
        if problems := adapter_problems(folder, base_model):
            raise AdapterError("; ".join(problems))
        if session is not None and (reason := affected_adapters(session).get(name)):
            raise AdapterError(f"{name} {reason}: start a round")

    def _pointer(self) -> tuple[str, list[str]]:
        path = self.folder / CURRENT
        if not path.exists():
            return BASE_ADAPTER, []
        try:
            found = json.loads(path.read_text())
            return str(found["name"]), [str(name) for name in found["before"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AdapterError(
                f"{path} cannot be read ({error}): promote an adapter by name to write it anew"
            ) from error

    def _history(self) -> list[str]:
        return self._pointer()[1]

    def _point(self, name: str, history: list[str]) -> None:
        private_folder(self.folder)
        found = {"name": name, "before": history, "since": now().isoformat()}
        _write_atomically(self.folder / CURRENT, json.dumps(found, indent=2) + "\n")


def _broken_safetensors(path: Path) -> str | None:
    """What is wrong with a safetensors file, by its header and length; None if nothing is."""
    try:
        with safe_open(path, framework="numpy") as file:
            return None if list(file.keys()) else "holds no tensors"
    except (SafetensorError, OSError, ValueError) as error:
        return f"is cut short or is not a safetensors file: {error}"


def _write_atomically(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        draft = Path(file.name)
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
    _fsync(path.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

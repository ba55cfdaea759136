"""The registry: one folder per adapter (safetensors and a card), and a pointer to the current adapter."""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import structlog
from sqlmodel import Session, col, select

from learner.protocol import BASE_ADAPTER
from learner.registry.card import (
    CARD,
    CURRENT,
    NAME,
    AdapterError,
    Card,
    adapter_problems,
    check_name,
    hashes,
    parse_card,
    read_card,
)
from learner.registry.mirror import Mirror
from learner.registry.recorded import Recorded, record_hashes, recorded_in, without_erased
from learner.settings import LearnerSettings
from store.folder import private_folder, sync, sync_folder, write_atomically
from store.lineage import affected_adapters
from store.models import Adapter, AdapterStatus, now
from store.players import card_without

log = structlog.get_logger(__name__)


class AdapterRegistry:
    """The adapters under one directory. Every change there is one atomic rename.

    With a URL, the directory follows what is there (`pull`, `fetch`), and every change is made there first.
    """

    def __init__(self, folder: Path, url: str | None = None, recorded: Recorded | None = None) -> None:
        """`recorded`: gives the hashes that the files of an adapter at the URL must have."""
        self.folder = folder
        self._mirror = None if url is None else Mirror(folder, url, recorded)

    @classmethod
    def of(cls, settings: LearnerSettings) -> Self:
        """The registry of the settings."""
        return cls(settings.adapters_dir, settings.store.adapters_url, recorded_in(settings.store))

    @property
    def has_url(self) -> bool:
        """Whether the adapters are at a URL, too."""
        return self._mirror is not None

    def pull(self, *, cards: bool = False) -> None:
        """Follow the adapter in use at the URL, if there is one. With `cards`, also what erasures changed in the cards
        of other adapters. Raises AdapterError, and then the old one stays in use."""
        if self._mirror is not None:
            self._mirror.pull(cards=cards)

    def upload(self, name: str) -> None:
        """Copy the files of an adapter to the URL, if there is one. `update_card` makes it visible there. Raises
        AdapterError."""
        if self._mirror is not None:
            self._mirror.upload(name)

    def record_files(self, session: Session) -> None:
        """Record the hashes of the adapters here in the rows that have none. Raises AdapterError."""
        for name in self.names():
            record_hashes(session, self._card_with_hashes(name))

    def _card_with_hashes(self, name: str) -> Card:
        return self.card(name).model_copy(update={"sha256": hashes(self.path(name))})

    def upload_all(self) -> tuple[str, ...]:
        """Copy all adapters to a URL that has no pointer yet, then the pointer; gives their names. Raises
        AdapterError."""
        if self._mirror is None:
            raise AdapterError("There is no URL to copy to: set RESPECT_STORE__ADAPTERS_URL")
        if self._mirror.pointer() is not None:
            raise AdapterError(
                "There are adapters at RESPECT_STORE__ADAPTERS_URL already: nothing was copied"
            )
        for name in self.names():
            self.upload(name)
            self.update_card(self._card_with_hashes(name))
        if (self.folder / CURRENT).exists():
            self._mirror.write(CURRENT, (self.folder / CURRENT).read_text())
        return self.names()

    def fetch(self, name: str) -> Path:
        """The folder of an adapter, which is fetched from the URL if it is not here. Raises AdapterError."""
        folder = self.path(name)
        return self.refresh(name) if self._mirror is not None and adapter_problems(folder) else folder

    def refresh(self, name: str) -> Path:
        """The folder of an adapter, which is made what is at the URL, if there is one. Raises AdapterError."""
        folder = self.path(name)
        if self._mirror is not None:
            try:
                self._mirror.fetch(name)
            except AdapterError as error:
                if adapter_problems(folder):
                    raise
                log.warning("an adapter is used as it is here", adapter=name, error=str(error))
        return folder

    def names(self) -> tuple[str, ...]:
        """Names of all published adapters, sorted."""
        if not self.folder.is_dir():
            return ()
        return tuple(
            sorted(
                path.name
                for path in self.folder.iterdir()
                if (path / CARD).is_file() and NAME.fullmatch(path.name)
            )
        )

    def names_at_url(self) -> tuple[str, ...]:
        """Names of the adapters at the URL; empty without one. Raises AdapterError."""
        return tuple(self._mirror.names()) if self._mirror is not None else ()

    def check_url(self) -> None:
        """Check that adapters can be written to the URL, if there is one. Raises AdapterError."""
        if self._mirror is not None:
            self._mirror.check_writable()

    def path(self, name: str) -> Path:
        """The folder of an adapter. Raises AdapterError for a name that cannot be one."""
        return self.folder / check_name(name)

    def card(self, name: str) -> Card:
        """The card of a published adapter. Raises AdapterError."""
        return read_card(self.path(name))

    def publish(self, card: Card, write: Callable[[Path], object]) -> Card:
        """Add an adapter's folder, completely or not at all; gives its card. The adapter does not become current.

        `write(folder)` writes adapter_config.json and adapter_model.safetensors to an empty folder. A folder of the
        same name (left by a failed round) is replaced. The card gets the hashes of these files. Raises AdapterError
        if the adapter is or was current.
        """
        final = self.path(card.name)
        if card.name in (self.current(), *self._history()):
            raise AdapterError(f"{card.name} is or was current and cannot be written over")
        private_folder(self.folder)
        draft = Path(tempfile.mkdtemp(prefix=f".{card.name}-", dir=self.folder))
        try:
            write(draft)
            card = card.model_copy(update={"sha256": hashes(draft)})
            (draft / CARD).write_text(card.model_dump_json(indent=2) + "\n")
            if problems := adapter_problems(draft, card.base_model):
                raise AdapterError("; ".join(problems).replace(draft.name, card.name))
            for path in draft.iterdir():
                path.chmod(0o600)
            sync_folder(draft)
            if final.exists():
                shutil.rmtree(final)
            draft.replace(final)
            sync(self.folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        log.info("adapter published", adapter=card.name, turns=card.turns)
        return card

    def update_card(self, card: Card) -> None:
        """Replace the card of a published adapter, e.g. with the metrics of its evaluation."""
        self._write(self.path(card.name) / CARD, card.model_dump_json(indent=2) + "\n")

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
        out: no gate has judged them, and the next round writes over them. Those that are not here are taken to be at
        the URL, if there is one, without asking it.
        """
        affected = affected_adapters(session)
        judged = select(Adapter.name, Adapter.base_model).where(Adapter.status != AdapterStatus.CANDIDATE)
        for name, made_for in session.exec(judged.order_by(col(Adapter.id).desc())):
            try:
                sound = not adapter_problems(self.path(name), base_model)
            except AdapterError:
                continue
            sound |= self.has_url and base_model in (None, made_for)
            if sound and name not in affected:
                yield name
        yield BASE_ADAPTER

    def promote(self, session: Session, name: str, base_model: str | None = None) -> str:
        """Make an adapter (or `BASE_ADAPTER`) current and return the one that was current. Raises AdapterError.

        Refuses a broken folder, an adapter that learnt from what may no longer be used (`store.lineage`) and, with
        `base_model`, one that was trained on another base model than the one with this fingerprint.
        """
        with self._changing():
            try:
                before, history = self._pointer()
            except AdapterError as error:
                log.warning("pointer lost, written anew", error=str(error))
                before, history = BASE_ADAPTER, []
            if name != before:
                if name != BASE_ADAPTER:
                    self.refresh(name)  # it may have been made anew
                self.refuse_unusable(session, name, base_model)
                self._point(name, [*history, before])
                log.info("adapter promoted", adapter=name, before=before)
        self.sync(session)
        return before

    def rollback(self, session: Session, base_model: str | None = None) -> str:
        """Make the previously current adapter current again and return its name. Raises AdapterError, as
        `promote` does."""
        with self._changing():
            history = self._history()
            if not history:
                raise AdapterError("There is nothing to go back to: no adapter has been promoted yet")
            name, before = history[-1], self.current()
            self.refuse_unusable(session, name, base_model)
            self._point(name, history[:-1])
        log.info("adapter rolled back", adapter=name, before=before)
        self.sync(session)
        return name

    def leave_affected(self, session: Session) -> dict[str, Any] | None:
        """Take the current adapter out of service if it learnt from what may no longer be used (`store.lineage`).

        Gives {"from": it, "to": the one that took over, "reason": a sentence, "why": `store.lineage.Affected`}; None
        if it may be used. Raises AdapterError.
        """
        self.pull()
        current = self.current()
        reason = affected_adapters(session).get(current)
        if reason is None:
            return None
        return {
            "from": current,
            "to": self.take_out_of_service(session),
            "reason": f"{current} {reason}",
            "why": asdict(reason),
        }

    def take_out_of_service(self, session: Session) -> str:
        """Leave the current adapter for the newest before it that may be used, or the base; gives its name."""
        with self._changing():
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
            if text := _forgotten(self.card(name), games, player_id):
                write_atomically(self.path(name) / CARD, text)
        for card in self._cards_at_url():
            if text := _forgotten(card, games, player_id):
                self._write_at_url(card.name, text)

    def forget_erased(self, session: Session) -> None:
        """Take what was erased out of the cards at the URL, for when it could not be reached at an erasure. Raises
        AdapterError."""
        for card in self._cards_at_url():
            if kept := without_erased(session, card):
                self._write_at_url(card.name, kept.model_dump_json(indent=2) + "\n")
                log.info("what was erased was taken out of a card at the URL", adapter=card.name)

    def _cards_at_url(self) -> Iterator[Card]:
        """Those that can be read."""
        for name in self.names_at_url():
            found = self._mirror.card(name) if self._mirror is not None else None
            try:
                if found is not None:
                    yield parse_card(name, found)
            except AdapterError as error:
                log.warning("a card at the URL is left alone", adapter=name, error=str(error))

    def _write_at_url(self, name: str, text: str) -> None:
        if self._mirror is not None:
            self._mirror.write(f"{name}/{CARD}", text)

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
        folder = self.fetch(name)
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
        self._write(self.folder / CURRENT, json.dumps(found, indent=2) + "\n")

    def _write(self, path: Path, text: str) -> None:
        if self._mirror is not None:
            self._mirror.write(path.relative_to(self.folder).as_posix(), text)
        write_atomically(path, text)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Nobody else on this machine changes the pointer meanwhile, which is what it is at the URL."""
        with self._mirror.lock if self._mirror is not None else contextlib.nullcontext():
            self.pull()
            yield


def _forgotten(card: Card, games: Collection[str], player_id: int) -> str | None:
    """A card without what is about a player; None if nothing is."""
    found = card.model_dump(mode="json")
    kept = card_without(found, games, player_id)
    return None if kept == found else Card.model_validate(kept).model_dump_json(indent=2) + "\n"

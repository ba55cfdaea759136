"""What the database says about the files of adapters, and which games their cards may name.

Who can write to RESPECT_STORE__ADAPTERS_URL can replace an adapter's files together with its card, but not the hashes
that the round wrote to the database.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from learner.registry.card import AdapterError, Card
from store.database import Database
from store.logs import message_of
from store.models import Adapter
from store.settings import StoreConfig

log = structlog.get_logger(__name__)

Recorded = Callable[[str], Mapping[str, str] | None]
"""Name of an adapter -> SHA-256 of its files by name, empty if the database does not know the adapter or its files;
None if there is no database to ask."""


def recorded_in(config: StoreConfig) -> Recorded:
    """Looks into the database of the settings, which is opened for each question: there are few."""

    def look(name: str) -> Mapping[str, str] | None:
        database = Database(config.url, config.database_timeout, read_only=True)
        if database.is_blank:
            return None
        try:
            with database.session() as session:
                return recorded_hashes(session, name)
        except SQLAlchemyError as error:
            raise AdapterError(f"{name} cannot be compared with the database: {message_of(error)}") from error
        finally:
            database.close()

    return look


def recorded_hashes(session: Session, name: str) -> dict[str, str]:
    """SHA-256 of an adapter's files by name, as its round recorded them; empty if they are not known."""
    card = session.exec(select(Adapter.card).where(Adapter.name == name)).first()
    return dict((card or {}).get("sha256") or {})


def record_hashes(session: Session, card: Card) -> None:
    """Add the hashes of a card to the adapter's row, if that has none because a version before wrote it."""
    row = session.exec(select(Adapter).where(Adapter.name == card.name)).one_or_none()
    if row is not None and not row.card.get("sha256"):
        row.card = {**row.card, "sha256": card.sha256}
        session.add(row)


def refuse_replaced(card: Card, recorded: Recorded | None) -> None:
    """Raises AdapterError for a card at the URL whose files are not those that the database knows."""
    known = recorded(card.name) if recorded is not None else None
    if known is None:
        log.debug("an adapter is not compared with a database: there is none here", adapter=card.name)
    elif not known:
        raise AdapterError(
            f"{card.name} is at RESPECT_STORE__ADAPTERS_URL, but the database does not know its files: it is not "
            "fetched. If it is an adapter of an earlier version, run `respect round upload` where it was made"
        )
    elif known != card.sha256:
        raise AdapterError(
            f"{card.name} at RESPECT_STORE__ADAPTERS_URL is not what its round recorded in the database: its files "
            "have other hashes. Somebody replaced it there: promote another adapter, and change who may write there"
        )


def without_erased(session: Session, card: Card) -> Card | None:
    """A card without the games and players that its row no longer has, because they were erased; None if there is
    nothing to take out, or no row."""
    row = session.exec(select(Adapter.card).where(col(Adapter.name) == card.name)).first()
    if row is None:
        return None
    kept = {game: turns for game, turns in card.games.items() if game in row.get("games", {})}
    metrics: dict[str, Any] = dict(card.metrics)
    trust = (row.get("metrics") or {}).get("trust")
    if metrics.get("trust") and trust:
        metrics["trust"] = trust
    if kept == card.games and metrics == card.metrics:
        return None
    return card.model_copy(update={"games": kept, "metrics": metrics})

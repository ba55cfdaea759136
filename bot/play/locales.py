"""Keeps the locales of players up to date: threads of games and direct messages are written in them."""

from collections import OrderedDict

import structlog
from sqlalchemy.exc import SQLAlchemyError

from store.database import Database
from store.models import Origin
from store.players import change_locale

log = structlog.get_logger(__name__)

REMEMBERED = 10_000


class Locales:
    """The locales that interactions came with last, and the store's, which is changed only where they differ."""

    def __init__(self, database: Database, origin: Origin) -> None:
        self._database = database
        self._origin = origin
        self._last: OrderedDict[str, str] = OrderedDict()

    async def keep(self, user_id: str, locale: str) -> None:
        """Record the locale of a person's interaction, if the person is a player."""
        if self._last.get(user_id) == locale:
            return
        try:
            async with self._database.async_writing() as session:
                await change_locale(session, self._origin, user_id, locale)
        except SQLAlchemyError as error:
            log.warning("locale not kept", error=str(error.__cause__ or error))
            return
        self._last[user_id] = locale
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

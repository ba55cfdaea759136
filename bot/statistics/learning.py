"""The lines of a game's first and last board that say what is learnt, and from what."""

import asyncio
import time

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.settings import BotSettings
from bot.statistics import texts
from games.core import Outcome
from store.database import Database
from store.models import Game, Origin
from store.rounds import in_quarantine
from store.standings import Learnt, learnt_by
from store.studies import is_assigned
from store.training import may_be_trained_on

log = structlog.get_logger(__name__)

KEPT_SECONDS = 300.0
"""How long the count of an adapter is kept. It changes only when somebody erases their games."""


class LearningNotes:
    """Says with a board what the bot has learnt from, or that it will learn from this game."""

    def __init__(self, database: Database, settings: BotSettings) -> None:
        self._database = database
        self._settings = settings
        self._counted: tuple[str, float, Learnt | None] | None = None
        """Newest adapter that was counted, when, and what it learnt from."""

    async def with_board(self, game: Game, turns: int) -> str | None:
        """The line for the board after so many turns, if there is one. A board is shown without it if it cannot be
        read."""
        try:
            if game.outcome is not Outcome.OPEN:
                return await self.after(game)
            return await self.before(game) if turns == 0 else None
        except SQLAlchemyError as error:
            log.warning("learning not counted", game=game.id, error=str(error.__cause__ or error))
            return None

    async def before(self, game: Game) -> str | None:
        """What the adapter that plays a game has learnt from; None if it has not learnt, and for a game in a study,
        where it would show the arm."""
        async with self._database.async_session() as session:
            if await is_assigned(session, game.id):
                return None
        found = await self._learnt_by(game.adapter)
        return texts.learnt(found) if found else None

    async def after(self, game: Game) -> str | None:
        """That the next round will use a finished game; None if it will not."""
        if self._settings.rounds.system == "control" or not await asyncio.to_thread(self._usable, game):
            return None
        return texts.WILL_LEARN_AGREED if game.origin is Origin.DISCORD else texts.WILL_LEARN

    def _usable(self, game: Game) -> bool:
        asked = self._settings.rounds
        with self._database.session() as session:
            return may_be_trained_on(
                session, game.id, asked.discord_permission, local_games=asked.local_games
            ) and not in_quarantine(session, game)

    async def _learnt_by(self, adapter: str) -> Learnt | None:
        if self._counted is not None:
            name, at, found = self._counted
            if name == adapter and time.monotonic() - at < KEPT_SECONDS:
                return found
        async with self._database.async_session() as session:
            found = await learnt_by(session, adapter)
        self._counted = (adapter, time.monotonic(), found)
        return found

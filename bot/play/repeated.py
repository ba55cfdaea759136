"""Work that is done again and again while the bot runs."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from discord.ext import tasks
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger(__name__)


class Repeated:
    """Does something at once and then every so many seconds. What fails is logged and tried again the next time."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._name = name
        self._work = work
        self._loop = tasks.loop(seconds=seconds)(self._once)

    def start(self) -> None:
        """Begin, unless it has begun."""
        if not self._loop.is_running():
            self._loop.start()

    async def close(self) -> None:
        """Stop."""
        self._loop.cancel()
        if (task := self._loop.get_task()) is not None:
            await asyncio.gather(task, return_exceptions=True)

    async def _once(self) -> None:
        try:
            await self._work()
        except SQLAlchemyError as error:
            log.error("database not available", work=self._name, error=str(error.__cause__ or error))
        except Exception:  # the loop would end with it
            log.exception("repeated work failed", work=self._name)

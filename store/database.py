"""Database connections: async for the bot, sync for the learner."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import Session, create_engine
from sqlmodel.ext.asyncio.session import AsyncSession

BUSY_SECONDS = 10.0

ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class Database:
    """One database with a sync and an async engine, both created lazily. Close it with `await aclose()` or
    `close()`."""

    def __init__(self, url: str, busy_seconds: float = BUSY_SECONDS) -> None:
        """`busy_seconds`: seconds that SQLite waits for a file that another process has locked."""
        self.url = make_url(url)
        self._busy_seconds = busy_seconds
        if self.url.get_backend_name() == "sqlite" and self.url.database not in (None, "", ":memory:"):
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine: sa.Engine | None = None
        self._async_engine: AsyncEngine | None = None
        self._turn_to_write = asyncio.Lock()

    @property
    def is_blank(self) -> bool:
        """Whether it is an SQLite file that is not there or has no bytes."""
        if self.url.get_backend_name() != "sqlite" or self.url.database in (None, "", ":memory:"):
            return False
        file = Path(self.url.database)
        return not file.exists() or file.stat().st_size == 0

    @property
    def engine(self) -> sa.Engine:
        """The sync engine."""
        if self._engine is None:
            self._engine = create_engine(self.url)
            self._prepare(self._engine)
        return self._engine

    @property
    def async_engine(self) -> AsyncEngine:
        """The async engine."""
        if self._async_engine is None:
            driver = ASYNC_DRIVERS.get(self.url.get_backend_name(), self.url.drivername)
            self._async_engine = create_async_engine(self.url.set(drivername=driver))
            self._prepare(self._async_engine.sync_engine)
        return self._async_engine

    def _prepare(self, engine: sa.Engine) -> None:
        if engine.dialect.name != "sqlite":
            return

        @event.listens_for(engine, "connect")
        def on_connect(connection, _record) -> None:  # pyright: ignore[reportMissingParameterType]
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={int(self._busy_seconds * 1000)}")
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.close()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back on an error."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def async_session(self) -> AsyncIterator[AsyncSession]:
        """The same with the async engine, for reading."""
        async with AsyncSession(self.async_engine, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def async_writing(self) -> AsyncIterator[AsyncSession]:
        """The same with the async engine, for writing: one at a time in this process, in order of arrival.

        SQLite allows one writer at a time and the others poll, so that under load some would time out.
        """
        async with self._turn_to_write, self.async_session() as session:
            yield session

    def close(self) -> None:
        """Close the sync connections."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    async def aclose(self) -> None:
        """Close every connection."""
        self.close()
        if self._async_engine is not None:
            await self._async_engine.dispose()
            self._async_engine = None

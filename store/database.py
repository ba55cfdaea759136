"""Database connections: async for the bot, sync for the learner."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import Session, create_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from store.encryption import Cipher, encrypt_with, read_keys
from store.folder import private_file
from store.settings import StoreConfig

T = TypeVar("T")

BUSY_SECONDS = 10.0

ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class Database:
    """One database with a sync and an async engine, both created lazily. Close it with `await aclose()` or
    `close()`."""

    def __init__(
        self,
        url: str,
        busy_seconds: float = BUSY_SECONDS,
        *,
        read_only: bool = False,
        cipher: Cipher | None = None,
    ) -> None:
        """`busy_seconds`: seconds that SQLite waits for a file that another process has locked.

        With `read_only`, the sync engine creates and changes no file. `cipher` encrypts what people say.
        """
        self._cipher = cipher
        self.url = make_url(url)
        self._busy_seconds = busy_seconds
        self._read_only = read_only
        self._engine: sa.Engine | None = None
        self._async_engine: AsyncEngine | None = None
        self._turn_to_write = asyncio.Lock()

    @classmethod
    def of(cls, config: StoreConfig, *, read_only: bool = False) -> "Database":
        """The database of the settings. Raises `EncryptionError`."""
        keys = config.encryption_key
        cipher = read_keys(keys.get_secret_value() if keys else None, config.encryption_key_file)
        return cls(config.url, config.database_timeout, read_only=read_only, cipher=cipher)

    @property
    def file(self) -> Path | None:
        """SQLite's file; None for another database and for one in memory."""
        name = self.url.database or ":memory:"
        in_file = self.url.get_backend_name() == "sqlite" and not name.startswith((":memory:", "file:"))
        return Path(name) if in_file else None

    @property
    def missing(self) -> bool:
        """Whether SQLite's file is not there yet."""
        return self.file is not None and not self.file.exists()

    @property
    def is_blank(self) -> bool:
        """Whether it is an SQLite file that is not there or has no bytes."""
        return self.missing or (self.file is not None and self.file.stat().st_size == 0)

    def _url_to_read(self) -> sa.URL:
        """SQLite opens a file in WAL mode without writing only if nobody writes, or with the log that is there."""
        if self.file is None:
            return self.url
        log = self.file.with_name(f"{self.file.name}-wal")
        query = {"uri": "true", "mode": "ro", **({} if log.exists() else {"immutable": "1"})}
        return self.url.set(database=f"file:{quote(str(self.file))}", query=query)

    @property
    def engine(self) -> sa.Engine:
        """The sync engine."""
        if self._engine is None:
            url = self._url_to_read() if self._read_only else self.url
            self._engine = create_engine(url, hide_parameters=True)  # its errors quote them
            self._prepare(self._engine)
        return self._engine

    @property
    def async_engine(self) -> AsyncEngine:
        """The async engine."""
        if self._async_engine is None:
            driver = ASYNC_DRIVERS.get(self.url.get_backend_name(), self.url.drivername)
            self._async_engine = create_async_engine(self.url.set(drivername=driver), hide_parameters=True)
            self._prepare(self._async_engine.sync_engine)
        return self._async_engine

    def _prepare(self, engine: sa.Engine) -> None:
        encrypt_with(self._cipher, engine.dialect)
        if engine.dialect.name != "sqlite" or self._read_only:
            return

        @event.listens_for(engine, "do_connect")
        def before_connecting(*_: object) -> None:
            if self.file is not None:
                private_file(self.file)

        @event.listens_for(engine, "connect")
        def on_connect(connection, _record) -> None:  # pyright: ignore[reportMissingParameterType]
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={int(self._busy_seconds * 1000)}")
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA secure_delete=ON")  # erased rows are overwritten with zeros
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

    async def write_in_thread(self, work: Callable[[Session], T]) -> T:
        """What `work` gives, with a sync session in another thread: for what would keep the event loop busy.

        It takes its turn among those who write with `async_writing`.
        """

        def run() -> T:
            with self.session() as session:
                return work(session)

        async with self._turn_to_write:
            return await asyncio.to_thread(run)

    def scrub(self) -> bool:
        """Empty SQLite's write-ahead log, which holds deleted rows until then. To be called after an erasure.

        False if another process kept it from being emptied for as long as this one waits for a locked file.
        """
        if self.engine.dialect.name != "sqlite":
            return True
        with self.engine.connect() as connection:
            busy, _, _ = connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
        return not busy

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

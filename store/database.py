"""Database connections: async for the bot, sync for the learner."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import Session, SQLModel, create_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from games.words import storable
from store import postgres
from store.encryption import Cipher, encrypt_with, read_keys
from store.folder import private_file
from store.settings import StoreConfig

T = TypeVar("T")

BUSY_SECONDS = 10.0


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
        """`url`: of SQLite or PostgreSQL, whatever driver it names. `busy_seconds`: seconds to wait for a file (SQLite)
        or for rows (PostgreSQL) that another process has locked.

        With `read_only`, the sync engine creates and changes no file, and no row. `cipher` encrypts what people say.
        """
        self._cipher = cipher
        given = make_url(url)
        name = given.get_backend_name()
        self.url = given.set(drivername="postgresql" if name in postgres.NAMES else name)
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
    def has_keys(self) -> bool:
        """Whether what people say is encrypted."""
        return self._cipher is not None

    @property
    def on_postgres(self) -> bool:
        """Whether it is on a PostgreSQL server."""
        return self.url.get_backend_name() in postgres.NAMES

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

    def not_read(self, error: SQLAlchemyError | OSError) -> str:
        """The sentence for an error of a query that only reads."""
        why = str(error.__cause__ or error).strip()
        older = "no such" in why or "does not exist" in why  # a table or a column
        hint = "; `respect db check` says whether it is migrated" if older else ""
        return f"{self.url.render_as_string()} could not be read: {why}{hint}"

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
        """The sync engine. Raises `store.postgres.DriverMissing`."""
        if self._engine is None:
            url, options = self._url_to_read() if self._read_only else self.url, {}
            if self.on_postgres:
                url, options = url.set(drivername=postgres.SYNC_DRIVER), {"pool_pre_ping": True}
            try:
                self._engine = create_engine(url, hide_parameters=True, **options)  # its errors quote them
            except ModuleNotFoundError:
                raise postgres.DriverMissing(postgres.INSTALL) from None
            self._prepare(self._engine)
        return self._engine

    @property
    def async_engine(self) -> AsyncEngine:
        """The async engine. Raises `store.postgres.DriverMissing`."""
        if self._async_engine is None:
            url, options = self.url.set(drivername="sqlite+aiosqlite"), {}
            if self.on_postgres:
                url = self.url.set(drivername=postgres.ASYNC_DRIVER, query={})
                options = {"pool_pre_ping": True, "async_creator": postgres.async_connector(self.url)}
            self._async_engine = create_async_engine(url, hide_parameters=True, **options)
            self._prepare(self._async_engine.sync_engine)
        return self._async_engine

    def _prepare(self, engine: sa.Engine) -> None:
        encrypt_with(self._cipher, engine.dialect)
        event.listen(engine, "before_cursor_execute", _storable_parameters, retval=True)

        @event.listens_for(engine, "connect")
        def on_connect(connection, _record) -> None:  # pyright: ignore[reportMissingParameterType]
            if self.on_postgres:
                postgres.set_up(connection, self._busy_seconds, self._read_only)
            elif not self._read_only:
                cursor = connection.cursor()
                cursor.execute(f"PRAGMA busy_timeout={int(self._busy_seconds * 1000)}")
                cursor.execute("PRAGMA journal_mode=WAL")
                cursor.execute("PRAGMA synchronous=FULL")
                cursor.execute("PRAGMA foreign_keys=ON")
                cursor.execute("PRAGMA secure_delete=ON")  # erased rows are overwritten with zeros
                cursor.close()

        @event.listens_for(engine, "do_connect")
        def before_connecting(*_: object) -> None:
            if self.file is not None and not self._read_only:
                private_file(self.file)

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

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A connection on which all queries see one state of the database, regardless of concurrent writes."""
        with self.engine.connect() as connection:
            if self.on_postgres:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            else:
                connection.exec_driver_sql("BEGIN")  # sqlite3 does not begin a transaction for reading
            try:
                yield connection
            finally:
                with suppress(SQLAlchemyError):
                    connection.rollback()

    def scrub(self) -> bool:
        """Remove deleted rows from the database's files. To be called after an erasure.

        SQLite keeps them in its write-ahead log until then, PostgreSQL in its tables. False if another process kept it
        from that for as long as this one waits for a lock.
        """
        if self.on_postgres:
            return postgres.vacuum(self.engine, sorted(SQLModel.metadata.tables))
        with self.engine.connect() as connection:
            busy, _, _ = connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
        return not busy

    @contextmanager
    def used_by_one_bot(self) -> Iterator[None]:
        """Nobody else enters this on the same PostgreSQL database, from whatever machine. Raises
        `store.postgres.InUse`. An SQLite file is as safe as the data folder that it is in, which the bot locks."""
        if self.on_postgres:
            with postgres.alone(self.engine):
                yield
        else:
            yield

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


def _storable_parameters(
    _connection: object, _cursor: object, statement: str, parameters: Any, _context: object, _many: bool
) -> tuple[str, Any]:
    """Nothing that a person writes makes a statement fail."""
    return statement, storable_values(parameters)


def storable_values(value: Any) -> Any:
    """A value, or values of rows, with every text as `games.words.storable` gives it: PostgreSQL refuses NUL, and
    neither database takes half of a surrogate pair."""
    match value:
        case str():
            return storable(value, "replace")
        case dict():
            return {name: storable_values(inner) for name, inner in value.items()}
        case tuple():
            return tuple(map(storable_values, value))
        case list():
            return list(map(storable_values, value))
        case _:
            return value

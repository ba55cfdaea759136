"""PostgreSQL: its drivers and what the store sets on each connection.

psycopg serves the sync engine and asyncpg the async one. People write `postgresql://…` in the form of libpq, and both
drivers get that.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, SQLAlchemyError

NAMES = ("postgresql", "postgres")
"""What a URL of PostgreSQL begins with."""
SYNC_DRIVER = "postgresql+psycopg"
ASYNC_DRIVER = "postgresql+asyncpg"
INSTALL = "PostgreSQL needs two drivers that are not installed: run `pip install 'respect[postgres]'`"
CONNECT_SECONDS = 10
ONE_BOT = 0x7265_7370_6563_74
MIGRATION = ONE_BOT + 1
"""Keys of advisory locks: of the bot that uses the database, and of a migration ("respect" in ASCII)."""

_OF_ASYNCPG = frozenset(
    {
        *("host", "port", "dbname", "user", "password", "passfile", "service", "target_session_attrs"),
        *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib"),
        *("application_name", "options"),
    }
)
"""Parameters of a URL that asyncpg knows or passes to the server. It would pass the others of libpq too, such as
`channel_binding`, and the server would refuse them."""


class DriverMissing(SQLAlchemyError):
    """A driver is not installed; the message says how to install it."""


class _Connection(Protocol):
    """A connection of either driver."""

    def cursor(self) -> Any: ...

    def commit(self) -> None: ...


class InUse(SQLAlchemyError):
    """Another bot uses the database."""


def async_connector(url: sa.URL) -> Callable[[], Awaitable[Any]]:
    """What opens a connection with asyncpg. Raises `DriverMissing`."""
    try:
        import asyncpg  # an optional dependency
    except ImportError:
        raise DriverMissing(INSTALL) from None
    known = {name: value for name, value in url.query.items() if name in _OF_ASYNCPG}
    timeout = url.query.get("connect_timeout")
    plain = url.set(drivername="postgresql", query=known).render_as_string(hide_password=False)
    seconds = int(timeout) if isinstance(timeout, str) else CONNECT_SECONDS

    async def connect() -> Any:
        try:
            return await asyncpg.connect(plain, timeout=seconds)
        except OSError as error:  # SQLAlchemy gives the driver's own errors its own types, but not this one
            raise asyncpg.InterfaceError(f"the server cannot be reached: {error}") from error

    return connect


def set_up(connection: _Connection, lock_seconds: float, read_only: bool) -> None:
    """What each new connection gets: how long it waits for a locked row or table (0 s: for good), and whether it may
    write."""
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = {int(lock_seconds * 1000)}")
    if read_only:
        cursor.execute("SET default_transaction_read_only = on")
    cursor.close()
    connection.commit()


def vacuum(engine: sa.Engine, tables: list[str]) -> bool:
    """Remove deleted rows from the tables' files. False if a lock kept it from that for as long as one waits."""
    names = ", ".join(engine.dialect.identifier_preparer.quote(name) for name in tables)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"VACUUM {names}")
    except OperationalError:
        return False
    return True


def set_sequences(connection: sa.Connection, tables: Iterable[sa.Table]) -> None:
    """New rows get ids after those in the tables. To be called after rows were written with ids."""
    for table in tables:
        if (key := table.autoincrement_column) is not None:
            sequence = sa.func.pg_get_serial_sequence(sa.func.quote_ident(table.name), key.name)
            newest = sa.select(sa.func.max(key)).scalar_subquery()
            connection.execute(sa.select(sa.func.setval(sequence, newest)).where(newest.is_not(None)))


@contextmanager
def alone(engine: sa.Engine) -> Iterator[None]:
    """Hold the lock of the bot that uses the database, on a connection of its own. Raises `InUse`.

    The server releases it when the connection ends.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(ONE_BOT))):
            raise InUse("another bot is using this database")
        try:
            yield
        finally:
            connection.invalidate()  # so that it does not go back to the pool with the lock

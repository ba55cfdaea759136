"""PostgreSQL: its drivers and what the store sets on each connection.

psycopg serves the sync engine and asyncpg the async one. People write `postgresql://…` in the form of libpq, and both
drivers get that.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

NAMES = ("postgresql", "postgres")
"""What a URL of PostgreSQL begins with."""
SYNC_DRIVER = "postgresql+psycopg"
ASYNC_DRIVER = "postgresql+asyncpg"
INSTALL = "PostgreSQL needs two drivers that are not installed: run `pip install 'respect[postgres]'`"
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


def async_connector(url: sa.URL) -> Callable[[], Any]:
    """What opens a connection with asyncpg. Raises `DriverMissing`; the result raises OSError if the server cannot be
    reached."""
    try:
        import asyncpg  # an optional dependency
    except ImportError:
        raise DriverMissing(INSTALL) from None
    known = {name: value for name, value in url.query.items() if name in _OF_ASYNCPG}
    timeout = url.query.get("connect_timeout")
    plain = url.set(drivername="postgresql", query=known).render_as_string(hide_password=False)
    seconds = {"timeout": float(timeout)} if isinstance(timeout, str) else {}
    return partial(asyncpg.connect, plain, **seconds)


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
    except sa.exc.OperationalError:
        return False
    return True

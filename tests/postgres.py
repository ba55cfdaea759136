"""A temporary PostgreSQL server for tests, and databases on it.

`python -m tests.postgres COMMAND` starts one, runs the command with `RESPECT_TEST_POSTGRES` set to its URL, and removes
it. It listens on a Unix socket only, and a crash would lose its data, which makes it quick.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from store.database import Database
from store.migrations import upgrade

VARIABLE = "RESPECT_TEST_POSTGRES"
GUARDED = "guarded"
"""Name of a role, which a test must create, that cannot connect without its password. Others need none."""
TEMPLATE = "respect_template"
QUICK = {
    **{"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"},
    **{"listen_addresses": "", "max_connections": "200", "shared_buffers": "32MB"},
}


def binaries() -> Path | None:
    """The folder with PostgreSQL's programs, the newest version first; None if it is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda path: float(path.parent.name), default=None)


NOT_INSTALLED = "PostgreSQL's programs are not on this machine (`apt-get install postgresql`)"


@contextmanager
def server(folder: Path | None = None) -> Iterator[str]:
    """A server while the block runs; gives its URL, to which the name of a database is added."""
    programs = binaries()
    assert programs is not None, NOT_INSTALLED
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        user = "nobody" if os.name == "posix" and os.geteuid() == 0 else None  # it refuses to run as root
        if user:
            shutil.chown(home, user)

        def run(program: str, *arguments: str) -> None:
            command = [programs / program, *arguments]
            subprocess.run(
                command, check=True, user=user, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )

        data, log = str(home / "data"), str(home / "log")
        run("initdb", "-D", data, "-U", "respect", "--auth=trust", "--encoding=UTF8", "--no-sync")
        rules = Path(data, "pg_hba.conf")
        rules.write_text(f"local all {GUARDED} scram-sha-256\n{rules.read_text()}")
        options = " ".join(f"-c {key}='{value}'" for key, value in QUICK.items()) + f" -k {home}"
        run("pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            yield f"postgresql://respect@/?host={home}"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def new_database(url: str, name: str, template: str | None = TEMPLATE) -> str:
    """The URL of a new database, which is a copy of `template` (None: empty). The one of that name is removed."""
    with psycopg.connect(_on(url, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template or "template0")
            )
        )
    return _on(url, name)


def exists(url: str, name: str) -> bool:
    with psycopg.connect(_on(url, "postgres")) as connection:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        return connection.execute(query, [name]).fetchone() is not None


@cache
def migrated_template(url: str) -> None:
    """Create the template that has been migrated, once on a server."""
    with psycopg.connect(_on(url, "postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")  # the processes of pytest-xdist
        if exists(url, TEMPLATE):
            return
        database = Database(new_database(url, "migrating", None))
        upgrade(database)
        database.close()
        connection.execute(sql.SQL("ALTER DATABASE migrating RENAME TO {}").format(sql.Identifier(TEMPLATE)))


def _on(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


# --- where tests keep their databases -------------------------------------------------------------


sqlite_only = pytest.mark.skipif(VARIABLE in os.environ, reason="about SQLite's file")


def database_url(folder: Path) -> str:
    """The database of a test: SQLite in `folder` or, with `RESPECT_TEST_POSTGRES`, one on that server, new if the
    folder has none yet."""
    server_url = os.environ.get(VARIABLE)
    if server_url is None:
        return f"sqlite:///{folder / 'respect.db'}"
    migrated_template(server_url)
    name = _name(folder)
    return _on(server_url, name) if exists(server_url, name) else new_database(server_url, name)


def copy_database(source: Path, folder: Path) -> str:
    """Copy the database of one folder to another; gives its URL. Nobody may have it open."""
    server_url = os.environ.get(VARIABLE)
    if server_url is None:
        folder.mkdir(exist_ok=True)
        shutil.copy(source / "respect.db", folder / "respect.db")
        return database_url(folder)
    return new_database(server_url, _name(folder), _name(source))


def _name(folder: Path) -> str:
    readable = re.sub(r"\W+", "_", folder.name.lower())[:30]
    return f"{readable}_{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}"


def main() -> int:
    if binaries() is None:
        print(f"Skipped: {NOT_INSTALLED}")
        return 0
    with server() as url:
        return subprocess.run(sys.argv[1:], env={**os.environ, VARIABLE: url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

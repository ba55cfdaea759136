"""The settings of the store and of logs."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, FiniteFloat, SecretStr
from pydantic.dataclasses import dataclass
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from store.environment import PASSED_ON, Settings

STORAGES = ("AWS_", "AZURE_STORAGE_", "GOOGLE_", "FSSPEC_")
"""Beginnings of the names of environment variables that what keeps adapters at a URL needs."""


def database_url(url: str) -> str:
    """Raises ValueError for what is no URL of a database, without the value, which may hold a password."""
    try:
        kind = make_url(url).get_backend_name()
    except ArgumentError:
        kind = ""
    if kind not in ("sqlite", "postgresql", "postgres"):
        raise ValueError(
            "this is no URL of a database: write one like sqlite:///data/respect.db or "
            "postgresql://user:password@host/respect"
        )
    if kind != "sqlite" and any("password" in name for name in make_url(url).query):
        raise ValueError(
            "write the password before the host, as in postgresql://user:password@host/respect: what is after the ? is "
            "shown in messages"
        )
    if kind != "sqlite" and url.partition("?")[0].count("@") > 1:
        raise ValueError("write %40 in place of an @ in a user name or a password")
    return url


def _database(url: str | None) -> str | None:
    return None if url is None else database_url(url)


def _url(url: str | None) -> str | None:
    """Raises ValueError for what is no URL, without the value, which may hold a password."""
    if url is not None and not re.match(r"[a-z0-9+.-]+:(:[a-z0-9+.-]+:)*//", url):
        raise ValueError("this is no URL: write one like s3://bucket/adapters or file:///mnt/share/adapters")
    return url


@dataclass(frozen=True)
class StoreConfig:
    """Where things are kept"""

    data_dir: Path = Field(default=Path("data"), description="Folder for the database, adapters and logs.")
    database_url: Annotated[str | None, AfterValidator(_database)] = Field(
        default=None,
        description="URL of another database, of SQLite or PostgreSQL (which needs the extra `respect[postgres]`, see "
        "docs/postgres.md); unset is SQLite in the data folder.",
        examples=["postgresql://user:password@host/respect"],
        repr=False,
    )
    database_timeout: FiniteFloat = Field(
        default=10.0,
        ge=0,
        description="Seconds to wait for a database, or for rows of it, that another process has locked.",
    )
    adapters_url: Annotated[str | None, AfterValidator(_url)] = Field(
        default=None,
        description="fsspec's URL of a folder for adapters, where the bot, policy services and workers are on several "
        "machines (docs/deploy.md); each keeps copies in its data folder. Unset: they are in the data folder only.",
        examples=["s3://bucket/adapters", "file:///mnt/share/adapters"],
        repr=False,
    )
    encryption_key: SecretStr | None = Field(
        default=None,
        description="Key with which what people say and their names are encrypted in the database, made by "
        "`respect db key`; after a change, several, the newest first.",
        repr=False,
    )
    encryption_key_file: Path | None = Field(
        default=None, description="File with the keys in place of the setting, one a line, the newest first."
    )
    keep_words_days: int | None = Field(
        default=None,
        ge=1,
        description="Days after a game's end until what was said in it is deleted; unset keeps it.",
    )

    @property
    def url(self) -> str:
        """The database URL without a driver, e.g. "sqlite:///data/respect.db"."""
        return self.database_url or f"sqlite:///{self.data_dir / 'respect.db'}"


NO_KEYS: Mapping[str, Any] = {"encryption_key": None, "encryption_key_file": None}
"""Changes to the settings of the store for a process that does not open the database."""
OWN_STORE: Mapping[str, Any] = {
    "database_url": None,
    "adapters_url": None,
    "keep_words_days": None,
    **NO_KEYS,
}
"""Changes to the settings of a store that is not the operator's; its `data_dir` must be given too."""


@dataclass(frozen=True)
class LogConfig:
    """Logs"""

    json: bool = Field(
        default=False, description="Log JSON lines in place of coloured text, in every process."
    )


class StoreSettings(Settings):
    """The settings of the store and of logs."""

    store: StoreConfig = StoreConfig()
    log: LogConfig = LogConfig()

    @property
    def passed_on(self) -> tuple[str, ...]:
        """Beginnings of the names of environment variables that a subprocess inherits."""
        return PASSED_ON if self.store.adapters_url is None else (*PASSED_ON, *STORAGES)

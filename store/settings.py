"""Where things are kept. Settings come from the environment (`RESPECT_*`) and from `.env`."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The base of every settings class: one class a room, read from `RESPECT_*` and `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="RESPECT_", env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )


class StoreSettings(Settings):
    """What the store needs to know."""

    data_dir: Path = Field(Path("data"), description="Folder for the database, adapters and logs.")
    database_url: str | None = Field(
        None, description="SQLAlchemy URL; by default SQLite in the data folder.", repr=False
    )
    database_timeout: float = Field(
        10.0, ge=0, description="Seconds to wait for a database that another process has locked."
    )

    @property
    def url(self) -> str:
        """The database URL without a driver, e.g. "sqlite:///data/respect.db"."""
        return self.database_url or f"sqlite:///{self.data_dir / 'respect.db'}"

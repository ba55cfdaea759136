"""Names of constraints, and kinds of columns that the tables share."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from store.encryption import EncryptedText

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING_CONVENTION


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A timezone-aware time in UTC, for databases that do not store time zones too."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("Times in the store are aware: pass datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """The current time, timezone-aware, in UTC."""
    return datetime.now(UTC)


def time_column(**kwargs: Any) -> Any:
    """A field for a time in UTC."""
    return Field(sa_type=UtcDateTime, **kwargs)  # pyright: ignore[reportArgumentType]


def words_column(**kwargs: Any) -> Any:
    """A field for what somebody said, or for a name, which is encrypted if the database has keys."""
    return Field(sa_type=EncryptedText, **kwargs)


def choice_column(values: type[StrEnum], *, length: int = 16, **kwargs: Any) -> Any:
    """A field for one of these values, stored as text."""
    stored = sa.Enum(
        values,
        native_enum=False,
        length=length,
        values_callable=lambda enum: [item.value for item in enum],
    )
    return Field(sa_type=stored, **kwargs)  # pyright: ignore[reportArgumentType, reportCallIssue]


def parent_column(column: str, *, index: bool = True, **kwargs: Any) -> Any:
    """A field for the row that this one belongs to and is deleted with."""
    return Field(foreign_key=column, ondelete="CASCADE", index=index, **kwargs)

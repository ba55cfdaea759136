"""Encryption of what people said, and of their names, in the database.

A value is stored as `MARK` and a Fernet token (AES-128 in CBC mode with an HMAC, of `cryptography`). Values without the
mark are plain: a database may be encrypted at any time, while everything runs (`encrypt_all`).
"""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import SQLModel

from games.words import storable

log = structlog.get_logger(__name__)

MARK = "\x01"
"""Begins an encrypted value. A plain one never begins with it: control characters are removed from it."""
ROWS_AT_A_TIME = 500
SETTINGS = "RESPECT_STORE__ENCRYPTION_KEY or RESPECT_STORE__ENCRYPTION_KEY_FILE"


class EncryptionError(SQLAlchemyError):
    """A key is missing, wrong, or not a key; the message says which and how to fix it."""


class Cipher:
    """Encrypts with the first of its keys and decrypts with all of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys`: Fernet keys, 32 random bytes in URL-safe base64, the newest first. Raises `EncryptionError`."""
        try:
            self._newest, *_ = fernets = [Fernet(key) for key in keys]
        except ValueError:
            raise EncryptionError(
                "one of the encryption keys is not a key: each line is one that `respect db key` made"
            ) from None
        self._all = MultiFernet(fernets)

    def encrypted(self, text: str) -> str:
        """The stored form of a text."""
        return MARK + self._newest.encrypt(text.encode()).decode()

    def text(self, stored: str) -> str:
        """The text of a stored form that begins with `MARK`. Raises `EncryptionError`."""
        try:
            return self._all.decrypt(stored[len(MARK) :].encode()).decode()
        except InvalidToken:
            raise EncryptionError(
                f"what people said in it is encrypted with another key: add that key to {SETTINGS}"
            ) from None

    def is_current(self, stored: str) -> bool:
        """Whether a stored form was made with the first key."""
        try:
            self._newest.decrypt(stored[len(MARK) :].encode())
        except InvalidToken:
            return False
        return stored.startswith(MARK)


_ciphers: WeakKeyDictionary[sa.Dialect, Cipher] = WeakKeyDictionary()
"""By the dialect of an engine: types know no more of it."""


def encrypt_with(cipher: Cipher | None, dialect: sa.Dialect) -> None:
    """Let the columns of an engine be encrypted with `cipher`; None writes them plain."""
    if cipher is not None:
        _ciphers[dialect] = cipher


class EncryptedText(sa.TypeDecorator[str]):
    """A text that is encrypted in the database if it has keys. It cannot be compared or ordered there.

    The empty text stays empty.
    """

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else _stored(value, _ciphers.get(dialect))

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is None or not value.startswith(MARK):
            return value
        cipher = _ciphers.get(dialect)
        if cipher is None:
            raise EncryptionError(f"what people said in it is encrypted: set {SETTINGS}")
        return cipher.text(value)


def _stored(text: str, cipher: Cipher | None) -> str:
    text = storable(text, "replace")
    if cipher is None or not text:
        return text.lstrip(MARK)
    return cipher.encrypted(text)


def read_keys(keys: str | None, file: Path | None) -> Cipher | None:
    """The cipher of the settings: `keys` separated by white space or commas, else those in `file`; None without
    either. Raises `EncryptionError`."""
    if keys is None and file is not None:
        try:
            keys = _text_of(file)
            open_to_others = file.stat().st_mode & 0o077
        except OSError as error:
            raise EncryptionError(f"its keys in {file} cannot be read ({error.strerror})") from None
        if open_to_others:
            log.warning("others may read the file of the encryption keys: chmod 600", file=str(file))
    if keys is None:
        return None
    found = keys.replace(",", " ").split()
    if not found:
        raise EncryptionError(f"there is no key in {file or 'RESPECT_STORE__ENCRYPTION_KEY'}")
    return Cipher(found)


def _text_of(file: Path) -> str:
    """The text of a file of keys, which may begin with a byte-order mark. Raises `EncryptionError`, OSError."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise EncryptionError(f"{file} is not a text file with keys") from None


def new_key() -> str:
    """A random key."""
    return Fernet.generate_key().decode()


def add_key(file: Path) -> int:
    """Put a new key before those in a file, which is created if it is missing. Returns the number of keys.

    Only this user can read the file. Raises `EncryptionError`, OSError.
    """
    known = _text_of(file) if file.exists() else ""
    if known.strip():
        read_keys(known, None)
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(f"{new_key()}\n{known}")
        opened.flush()
        os.fsync(opened.fileno())
    partial.replace(file)
    return 1 + len(known.split())


@dataclass(frozen=True)
class Encryption:
    """Numbers of values in the database."""

    current: int
    """Encrypted with the newest key."""
    older: int
    """Encrypted with another key, known or not."""
    plain: int


def encryption(connection: sa.Connection) -> Encryption:
    """How many values are encrypted. It reads all of them."""
    cipher = _ciphers.get(connection.dialect)
    current = older = plain = 0
    for column in _encrypted_columns():
        for _, stored in _rows(connection, column):
            if not stored.startswith(MARK):
                plain += 1
            elif cipher is not None and cipher.is_current(stored):
                current += 1
            else:
                older += 1
    return Encryption(current, older, plain)


def check_key(engine: sa.Engine) -> None:
    """Raise `EncryptionError` if one of the newest values is encrypted with a key that is not known."""
    with engine.connect() as connection:
        for column in _encrypted_columns():
            newest = sa.select(column).order_by(column.table.c.id.desc()).limit(1)
            connection.execute(newest).scalar_one_or_none()


def encrypt_all(
    engine: sa.Engine, *, plain: bool = False, on_progress: Callable[[int], None] = lambda _: None
) -> int:
    """Encrypt every value with the newest key, or store all as they are with `plain`. Returns how many were changed.

    It may be interrupted and done again, and others may read and write meanwhile. `on_progress` takes the number of
    values that were looked at. Raises `EncryptionError` for a value whose key is not known.
    """
    cipher = _ciphers.get(engine.dialect)
    if cipher is None:
        raise EncryptionError(f"there is no key: set {SETTINGS}")
    changed = seen = 0
    for column in _encrypted_columns():
        after = 0
        while True:
            with engine.begin() as connection:
                rows = list(_rows(connection, column, after, ROWS_AT_A_TIME))
                for row_id, stored in rows:
                    done = not stored.startswith(MARK) if plain else cipher.is_current(stored)
                    if done:
                        continue
                    text = cipher.text(stored) if stored.startswith(MARK) else stored
                    new = _stored(text, None if plain else cipher)
                    changed += _replace(connection, column, row_id, stored, new)
            if not rows:
                break
            after = rows[-1][0]
            seen += len(rows)
            on_progress(seen)
    return changed


def _encrypted_columns() -> list[sa.Column[Any]]:
    tables = SQLModel.metadata.sorted_tables
    return [column for table in tables for column in table.c if isinstance(column.type, EncryptedText)]


def _rows(
    connection: sa.Connection, column: sa.Column[Any], after: int = 0, limit: int | None = None
) -> Iterator[tuple[int, str]]:
    """(id, stored value) of a column where there is something in it, in the order of ids."""
    key, stored = column.table.c.id, sa.type_coerce(column, sa.String)
    query = sa.select(key, stored).where(key > after, stored != "").order_by(key).limit(limit)
    yield from connection.execute(query).tuples()


def _replace(connection: sa.Connection, column: sa.Column[Any], row_id: int, old: str, new: str) -> int:
    """Replace a stored value unless somebody else has meanwhile. Returns the number of rows."""
    same = (column.table.c.id == row_id, sa.type_coerce(column, sa.String) == old)
    values = {column.name: sa.literal(new, sa.String)}
    return connection.execute(sa.update(column.table).where(*same).values(values)).rowcount

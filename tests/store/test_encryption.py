"""What people said, and their names, encrypted in a real database file."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from games.core import Outcome
from store.database import Database
from store.encryption import (
    MARK,
    Cipher,
    Encryption,
    EncryptionError,
    add_key,
    check_key,
    encrypt_all,
    encryption,
    new_key,
    read_keys,
)
from store.migrations import upgrade
from store.models import Game, Origin, Player, Turn
from store.settings import StoreConfig
from tests.characters import ANY

SAID = ["No, the Swan’s head ☝🏽", "die mit dem Zelt", "その鳥", "x" * 2000]
KEY = new_key()
NAME = "Ada Lovelace-Żółć"


def opened(file: Path, *keys: str) -> Database:
    database = Database(f"sqlite:///{file}", cipher=Cipher(keys) if keys else None)
    upgrade(database)
    return database


def add(database: Database, name: str = NAME, said: list[str] = SAID) -> None:
    with database.session() as session:
        player = Player(platform=Origin.LOCAL, external_id=str(len(name)), name=name)
        session.add(player)
        session.flush()
        game = Game(
            id=str(len(name)), game="multiref", images="classic", listener=["a"], speaker=["a"], targets=["a"],
            player_id=player.id or 0, origin=Origin.LOCAL, outcome=Outcome.WON, adapter="base", base_model="m",
        )  # fmt: skip
        session.add(game)
        session.flush()
        for number, words in enumerate(said, 1):
            session.add(
                Turn(
                    game_id=str(len(name)), number=number, utterance=words, state_before="", action="select A",
                    state_after="A", adapter="base", base_model="m", seconds=0.1,
                )
            )  # fmt: skip


def words(database: Database) -> list[str]:
    with database.session() as session:
        names = list(session.exec(select(Player.name).order_by(col(Player.id))))
        return names + list(session.exec(select(Turn.utterance).order_by(col(Turn.id))))


def bytes_of(file: Path) -> bytes:
    """All that lies in the file, and in its log if there is one."""
    return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "respect.db"


def counted(database: Database) -> Encryption:
    with database.engine.connect() as connection:
        return encryption(connection)


def test_the_file_holds_no_words_and_they_are_read_as_they_were_said(file: Path):
    database = opened(file, new_key())
    add(database)
    assert words(database) == [NAME, *SAID]
    raw = bytes_of(file)
    for said in (NAME, *SAID):
        assert said.encode()[:40] not in raw
    assert counted(database) == Encryption(current=5, older=0, plain=0)
    database.close()


def test_a_plain_database_is_encrypted_and_no_trace_of_the_words_is_left(file: Path):
    plain = opened(file)
    add(plain)
    plain.close()
    assert "Swan’s head".encode() in bytes_of(file)
    database = opened(file, new_key())
    assert words(database) == [NAME, *SAID]  # both kinds are read
    add(database, "Bob", ["the boat"])
    assert counted(database) == Encryption(current=2, older=0, plain=5)
    seen: list[int] = []
    assert encrypt_all(database.engine, on_progress=seen.append) == 5
    assert database.scrub() and seen[-1] == 7
    raw = bytes_of(file)
    for said in (NAME, *SAID, "the boat"):
        assert said.encode()[:40] not in raw
    assert encrypt_all(database.engine) == 0
    database.close()


def test_the_key_is_changed_and_then_the_old_one_is_not_needed(file: Path, tmp_path: Path):
    keys = tmp_path / "keys"
    assert add_key(keys) == 1
    assert keys.stat().st_mode & 0o777 == 0o600
    config = StoreConfig(data_dir=tmp_path, encryption_key_file=keys)
    database = Database.of(config)
    upgrade(database)
    add(database)
    database.close()
    old = keys.read_text().split()
    assert add_key(keys) == 2 and keys.read_text().split()[1:] == old
    database = Database.of(config)
    assert counted(database) == Encryption(current=0, older=5, plain=0)
    assert words(database) == [NAME, *SAID]
    assert encrypt_all(database.engine) == 5
    database.close()
    keys.write_text(keys.read_text().splitlines()[0])
    database = Database.of(config)
    assert words(database) == [NAME, *SAID]
    assert encrypt_all(database.engine, plain=True) == 5
    database.close()
    assert words(opened(file)) == [NAME, *SAID]


@pytest.mark.parametrize("keys", [(), (new_key(),)], ids=["no key", "another key"])
def test_without_the_right_key_a_sentence_says_what_to_do_and_nothing_changes(
    file: Path, keys: tuple[str, ...]
):
    right = new_key()
    database = opened(file, right)
    add(database)
    database.close()
    locked = opened(file, *keys)
    for read in (words, lambda database: check_key(database.engine), lambda d: encrypt_all(d.engine)):
        with pytest.raises(EncryptionError, match="RESPECT_STORE__ENCRYPTION_KEY"):
            read(locked)
    locked.close()
    assert words(opened(file, right)) == [NAME, *SAID]


def test_what_somebody_says_is_never_taken_for_an_encrypted_value(file: Path):
    database = opened(file)
    add(database, said=[MARK + "gAAAAAB not a token", MARK])
    assert words(database) == [NAME, "gAAAAAB not a token", ""]
    database.close()


def test_keys_that_are_none_are_refused_with_a_sentence(tmp_path: Path):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "umlaut").write_text("schlüssel", encoding="latin-1")
    (tmp_path / "marked").write_text(f"{KEY}\r\n\r\n", encoding="utf-8-sig")
    assert read_keys(None, tmp_path / "marked") is not None and add_key(tmp_path / "marked") == 2
    assert read_keys(None, None) is None
    for keys, file, sentence in (
        ("secret", None, "is not a key: each line is one that `respect db key` made"),
        (f"{new_key()}, {new_key()[:-2]}", None, "is not a key"),
        (None, tmp_path / "missing", "cannot be read \\(No such file"),
        (None, tmp_path / "empty", "there is no key in"),
        (None, tmp_path / "umlaut", "is not a text file"),
        (" , ", None, "there is no key in RESPECT_STORE__ENCRYPTION_KEY"),
    ):
        with pytest.raises(EncryptionError, match=sentence):
            read_keys(keys, file)


def test_what_no_database_holds_is_replaced_with_a_key_too(file: Path):
    database = opened(file, KEY)
    add(database, "A\0d\ud800a", ["the \ud800bo\0at\udfff 🚤"])
    assert words(database) == ["Ad?a", "the ?boat? 🚤"]
    database.close()


@given(st.text(ANY))
@settings(max_examples=50, deadline=None)
def test_any_text_comes_back(text: str):
    older, newer = Cipher([KEY]), Cipher([new_key(), KEY])
    stored = older.encrypted(text)
    assert newer.text(stored) == text and older.is_current(stored) and not newer.is_current(stored)

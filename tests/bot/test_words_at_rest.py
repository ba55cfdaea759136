"""What people say, encrypted and deleted by the running bot."""

from pathlib import Path

import pytest
from bot_house import House
from pydantic import SecretStr

from bot.app import serve
from bot.errors import StartupError
from games.core import Outcome
from local_discord import Person
from store.database import Database
from store.encryption import new_key
from tests.bot.play.test_housekeeping import age

WORDS = "No, the SWAN’s head ☝🏽 please"
SAID = WORDS.replace("’", "'")


async def changed(house: House, **store: object) -> None:
    house.with_settings(store=store)
    await house.database.aclose()
    house.database = Database.of(house.settings.store)


def bytes_of(house: House) -> bytes:
    return b"".join(path.read_bytes() for path in Path(house.settings.store.data_dir).glob("respect.db*"))


async def test_a_game_is_played_with_encrypted_words_and_not_without_the_key(
    stopped_house: House, ada: Person
):
    house = stopped_house
    key = new_key()
    await changed(house, encryption_key=SecretStr(key))
    await house.start()
    thread = await house.play(ada)
    await house.turn(ada, thread, WORDS)
    (turn,) = await house.turns(thread)
    assert turn.utterance == house.policy.asked[-1].utterance == SAID
    raw = bytes_of(house)
    assert b"swan" not in raw.lower() and b"Ada" not in raw
    await house.stop()
    for wrong, sentence in (
        (SecretStr(new_key()), "encrypted with another key"),
        (SecretStr("no key"), "is not a key"),
        (None, "is encrypted: set RESPECT_STORE__ENCRYPTION_KEY"),
    ):
        with pytest.raises(StartupError, match=sentence):
            await serve(house.settings.changed(store={"encryption_key": wrong}))
    house.with_settings(store={"encryption_key": SecretStr(f"{new_key()},{key}")})
    await house.start()  # after a change of keys
    await house.turn(ada, thread, "and the boat")
    assert house.policy.asked[-1].history[0].utterance == SAID


async def test_what_was_said_in_old_games_is_deleted(
    stopped_house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("bot.play.housekeeping.FORGET_EVERY_SECONDS", 0.1)
    house = stopped_house
    await changed(house, keep_words_days=30)
    await house.start()
    old = await house.play(ada)
    await house.turn(ada, old, WORDS)
    await ada.say(old, await house.winning_words(old))

    async def over() -> bool:
        return (await house.settled(old)).outcome is Outcome.WON

    await house.eventually(over)
    new = await house.play(ada)
    await house.turn(ada, new, "the kneeling one")
    await age(house, old, 29 * 24)
    assert (await house.turns(old))[0].utterance == SAID
    await age(house, old, 2 * 24)

    async def gone() -> bool:
        return not any(turn.utterance for turn in await house.turns(old))

    await house.eventually(gone)
    assert all(turn.utterance for turn in await house.turns(new))
    await ada.slash("play", "replay")
    replay = await ada.wait_message(lambda message: message.ephemeral)
    assert "“…”" in (replay.attachments[0].description or "")

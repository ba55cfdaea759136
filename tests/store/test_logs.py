"""What a log shows: never people's words, names or tokens, whoever logs."""

import asyncio
import gc
import json
import logging
import subprocess
import sys

import pytest
import structlog

from sim.bench.private_words import SAID, Said
from store.logs import REMOVED, configure_logging, message_of, without_secrets
from store.models import Instruction
from store.repeats import MOST

WORDS = "the one like a swan that swims"
BOT_TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA" + ".GabcdE." + "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5"


@pytest.fixture(params=[True, False])
def shown(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]):
    configure_logging(request.param)
    return lambda: capsys.readouterr().err


def test_values_that_hold_words_or_secrets_are_removed_at_any_depth(shown):
    structlog.get_logger("ours").warning(
        "it came", utterance=WORDS, results={"turns": [{"text": WORDS, "number": 7}]}, user="Ada"
    )
    logging.getLogger("discord.http").warning("sent", extra={"headers": {"Authorization": "x"}})
    said = shown()
    assert WORDS not in said and "Ada" not in said and '"x"' not in said
    assert said.count(REMOVED) == 4 and "7" in said


@pytest.mark.parametrize(
    "secret",
    [
        f"{{'Authorization': 'Bot {BOT_TOKEN}', 'X': 1}}",
        f"logging in using {BOT_TOKEN} now",
        'authorization: Bearer "s3cret-between-us-42"',
        "https://discord.com/api/v10/webhooks/1234/s3cretaW50ZXJhY3Rpb24xyz/messages/@original",
        "postgresql://me:s3cret@there/respect",
        "ws://127.0.0.1:1/local/ws?token=s3cret-abcdefgh",
        "token local.0123456789abcdef0123456789abcdef is refused",
    ],
)
def test_secrets_are_known_by_their_shape(secret: str, shown):
    logging.getLogger("aiohttp.client").error("%s", secret)
    structlog.get_logger("ours").error(secret)
    said = shown()
    assert said.count(REMOVED) == 2
    assert not any(part in said for part in ("s3cret", BOT_TOKEN, "0123456789abcdef"))


def test_ordinary_sentences_stay_as_they_are():
    for said in (
        "RESPECT_DISCORD__TOKEN is not set",
        "the bot cannot be started",
        "a.b.c",
        "Bot permissions",
    ):
        assert without_secrets(said) == said


def fail(said: str) -> None:
    raise ValueError(said)


async def test_an_error_that_quotes_a_value_shows_its_kind_and_place_alone(shown):
    try:
        try:
            fail(WORDS)
        except ValueError as error:
            raise ExceptionGroup("several", [KeyError(WORDS), OSError(28, "disk full")]) from error
    except ExceptionGroup:
        logging.getLogger("aiohttp.server").exception("Error handling request")
    lost = asyncio.create_task(asyncio.to_thread(fail, WORDS))
    await asyncio.wait([lost])
    del lost
    gc.collect()
    said = shown()
    assert WORDS not in said
    assert all(part in said for part in ("in fail", "ValueError", "KeyError", "disk full", "never retrieved"))


def test_a_crash_is_a_log_entry_too():
    program = (
        "from store.logs import configure_logging; configure_logging(True); {}['the one like ' + 'a swan']"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert "KeyError" in json.loads(line)["exception"] and "a swan" not in line.replace("' + 'a swan", "")


def test_rows_keep_the_kind_of_an_error_that_quotes_a_value():
    assert message_of(KeyError(WORDS)) == "KeyError"
    assert message_of(RuntimeError("no more memory\nat all")) == "RuntimeError: no more memory"


def test_what_looks_through_the_logs_would_find_it():
    said = Said()
    said.add(WORDS)
    said.add_name("Zebulon")
    wrote = f"text='{WORDS}' by Zebulon, Authorization: Bot {BOT_TOKEN}"
    assert {WORDS, "Zebulon", BOT_TOKEN} <= {part.removeprefix("Bot ") for part in said.found_in(wrote)}
    assert not list(said.found_in("the one like a lion, Authorization: Bot [removed]"))


def test_what_is_said_in_a_test_is_looked_for(database):
    with database.session() as session:
        session.add(
            Instruction(id=1, game_id="g", text="never said before", source="message", message_id="1")
        )
        with pytest.raises(
            Exception, match=r"(?i)foreign key"
        ) as caught:  # who plays it does not matter here
            session.flush()
        session.rollback()
    assert "never said before" not in str(caught.value)
    assert list(SAID.found_in("somebody never said before that")) == ["never said before"]


def test_an_event_that_repeats_is_written_a_few_times_and_then_counted(shown):
    for number in range(3 * MOST):
        structlog.get_logger("ours").warning("it failed again", attempt=number)
        logging.getLogger("aiohttp.server").error("Error handling request from %s", number)
        structlog.get_logger("ours").info("turn", number=number)
    said = shown()
    assert said.count("it failed again") == MOST
    assert said.count("Error handling request") == MOST
    assert said.count("turn") == 3 * MOST

"""What it means when the connection to Discord ends."""

import asyncio
import inspect
import logging
from types import SimpleNamespace

import aiohttp
import discord
import pytest
from aiohttp.client_reqrep import ConnectionKey
from discord import client, gateway, shard
from discord.gateway import ReconnectWebSocket
from yarl import URL

from bot.connection import LONGEST_ERROR, ORDINARY, ended, log_reconnections_in_one_line
from bot.errors import DiscordTrouble, StartupError
from bot.settings import BotSettings

KEY = ConnectionKey(
    "discord.com", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
)
INFO = aiohttp.RequestInfo(URL("https://discord.com"), "GET", {}, URL("https://discord.com"))  # type: ignore[arg-type]


def answered(status: int, words: str = "words") -> discord.HTTPException:
    return discord.HTTPException(SimpleNamespace(status=status, reason="Because"), words)  # type: ignore[arg-type]


def closed(code: int) -> discord.ConnectionClosed:
    return discord.ConnectionClosed(SimpleNamespace(close_code=code), shard_id=0)  # type: ignore[arg-type]


def no_gateway(cause: discord.HTTPException) -> discord.GatewayNotFound:
    error = discord.GatewayNotFound()
    error.__cause__ = cause
    return error


REFUSED = aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "refused"))
NO_NAME = aiohttp.ClientConnectorDNSError(KEY, OSError(-3, "Temporary failure in name resolution"))
FIREWALL = aiohttp.ConnectionTimeoutError("Connection timeout to host discord.com")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (discord.LoginFailure("Improper token"), "refuses the token"),
        (answered(401), "refuses the token"),
        (no_gateway(answered(401)), "refuses the token"),
        (closed(4004), "refuses the token"),
        (closed(4014), "RESPECT_DISCORD__MESSAGE_CONTENT=false"),
        (closed(4012), "update discord.py"),
        (closed(4013), "update discord.py"),
        (answered(400), "refuses to let the bot start"),
        (no_gateway(answered(403)), "refuses to let the bot start"),
        (REFUSED, "cannot be reached"),
        (NO_NAME, "cannot be reached"),
        (FIREWALL, "cannot be reached"),
        (aiohttp.InvalidURL("http:"), "cannot be reached"),
        (PermissionError(13, "Permission denied", "/data/commands.sha256"), "commands.sha256 cannot be used"),
    ],
    ids=repr,
)
def test_what_does_not_pass_ends_the_bot_with_a_sentence(error: Exception, words: str):
    meaning = ended(error, BotSettings(), first=True)
    assert isinstance(meaning, StartupError) and words in str(meaning)


@pytest.mark.parametrize(
    "error",
    [
        answered(503),
        answered(429),
        no_gateway(answered(502)),
        discord.GatewayNotFound(),
        closed(4010),
        closed(1006),
        ReconnectWebSocket(0),
        RecursionError(),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(104, "reset"),
        aiohttp.ClientPayloadError(),
        aiohttp.WSServerHandshakeError(INFO, (), status=503),
        ConnectionResetError(104, "reset"),
        TimeoutError(),
    ],
    ids=repr,
)
def test_what_passes_is_tried_again(error: Exception):
    meaning = ended(error, BotSettings(), first=True)
    assert isinstance(meaning, DiscordTrouble) and str(meaning)


@pytest.mark.parametrize("status", [403, 503])
def test_of_an_answer_that_is_a_page_the_beginning_is_shown(status: int):
    meaning = str(ended(answered(status, "<html>" * 1000), BotSettings(), first=True))
    assert str(status) in meaning and len(meaning) < 2 * LONGEST_ERROR


@pytest.mark.parametrize("error", [REFUSED, NO_NAME, FIREWALL], ids=repr)
def test_a_bot_that_ran_waits_for_the_network(error: Exception):
    assert isinstance(ended(error, BotSettings(), first=False), DiscordTrouble)


@pytest.mark.parametrize("error", [KeyError("id"), asyncio.InvalidStateError(), AssertionError()], ids=repr)
def test_faults_of_the_bot_are_not_discords(error: Exception):
    assert ended(error, BotSettings(), first=True) is None


@pytest.mark.parametrize(
    ("logger", "words", "values"),
    [
        ("discord.shard", "Attempting a reconnect for shard ID %s in %.2fs", (0, 1)),
        ("discord.shard", "Failed to connect for shard_id: %s. Retrying...", (0,)),
        ("discord.gateway", "An error occurred while stopping the gateway. Ignoring.", ()),
    ],
)
def test_a_lost_connection_is_one_line_of_the_log_with_its_reason(
    capsys: pytest.CaptureFixture[str], logger: str, words: str, values: tuple[int, ...]
):
    log_reconnections_in_one_line()
    try:
        raise ConnectionResetError("Cannot write to closing transport")
    except ConnectionResetError as error:
        logging.getLogger(logger).error(words, *values, exc_info=error)
    (line,) = capsys.readouterr().err.splitlines()
    assert words % values in line and "warning" in line
    assert "ConnectionResetError: Cannot write to closing transport" in line


def test_discord_py_still_logs_lost_connections_in_these_words():
    source = {module: inspect.getsource(module) for module in (client, gateway, shard)}
    assert all(any(words in text for text in source.values()) for words in ORDINARY)
    assert "Failed to connect for shard_id" in source[shard]

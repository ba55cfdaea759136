"""The connection: to which Discord, the real one or a compatible service on this machine, what is logged of it, and
what it means when it ends."""

import logging

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from discord.http import Route

from bot.errors import DiscordTrouble, StartupError, passes
from bot.settings import BotSettings

PORTAL = "https://discord.com/developers/applications"
UNREACHABLE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""No connection could be made."""
LOST = (
    aiohttp.ClientOSError,
    aiohttp.ClientPayloadError,
    aiohttp.ServerConnectionError,
    ConnectionError,
    TimeoutError,
)
"""A connection that was there and is lost."""
ORDINARY = (
    "Attempting a reconnect",
    "Failed to connect for shard_id",
    "An error occurred while stopping the gateway",
)
"""How discord.py's messages about lost connections begin."""
LONGEST_ERROR = 300
"""Characters of an error of Discord that are shown: it may be a whole page."""

API = Route.BASE
GATEWAY = DiscordWebSocket.DEFAULT_GATEWAY


def redirect(settings: BotSettings) -> None:
    """Set discord.py's addresses, which hold for the whole process, to those of the settings."""
    Route.BASE = settings.discord.api.rstrip("/") if settings.discord.api else API
    DiscordWebSocket.DEFAULT_GATEWAY = (
        yarl.URL(settings.discord.gateway) if settings.discord.gateway else GATEWAY
    )


def ended(
    error: BaseException | None, settings: BotSettings, *, first: bool
) -> StartupError | DiscordTrouble | None:
    """What an exception that ended discord.py's client means; None for one that has nothing to do with Discord.

    `first`: whether it is the first start in this process; later ones wait for a Discord that cannot be reached.
    discord.py mostly connects again by itself: not during the login, after a close code that it takes for final, or
    when Discord tells it to begin anew while it does so.
    """
    where = settings.discord.api or "Discord"
    said = str(error)[:LONGEST_ERROR]
    match error:
        case discord.GatewayNotFound(__cause__=discord.HTTPException() as cause):
            return ended(cause, settings, first=first)
        case discord.LoginFailure() | discord.ConnectionClosed(code=4004) | discord.HTTPException(status=401):
            return StartupError(
                f"Discord refuses the token: reset it at {PORTAL} > your application > Bot, and copy the whole "
                "of it into RESPECT_DISCORD__TOKEN."
            )
        case discord.PrivilegedIntentsRequired() | discord.ConnectionClosed(code=4014):
            return StartupError(
                f"The message-content intent is not granted: switch it on at {PORTAL} > your application > Bot, "
                "or set RESPECT_DISCORD__MESSAGE_CONTENT=false; people then press the Describe button."
            )
        case discord.ConnectionClosed(code=4012 | 4013):
            return StartupError(
                "Discord no longer accepts this version of its API or its intents: update discord.py."
            )
        case discord.HTTPException() if not passes(error):
            return StartupError(f"{where} refuses to let the bot start: {said}")
        case discord.HTTPException() | discord.GatewayNotFound() | discord.ConnectionClosed():
            return DiscordTrouble(said)
        case ReconnectWebSocket():
            return DiscordTrouble("the connection has to begin anew")
        case RecursionError():  # discord.py calls itself for each attempt to connect at the start
            return DiscordTrouble("no connection to the gateway for more than an hour")
        case aiohttp.ClientResponseError(status=status) if status >= 500:
            return DiscordTrouble(said)
        case _ if isinstance(error, LOST) and not (first and isinstance(error, UNREACHABLE)):
            return DiscordTrouble(said or type(error).__name__)
        case OSError(filename=str(file)):
            return StartupError(
                f"{file} cannot be used: {error.strerror}. Check the folder's permissions and the disk."
            )
        case aiohttp.ClientError() | OSError():
            return StartupError(f"{where} cannot be reached: {said}. Check this machine's network.")
        case _:
            return None


class _InOneLine(logging.Filter):
    """Connections are lost every day: what discord.py logs of that as an error with a traceback is a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record of a lost connection. True for every record: it is logged."""
        if str(record.msg).startswith(ORDINARY) and record.exc_info:
            error = record.exc_info[1]
            record.msg = f"{record.getMessage()} ({type(error).__name__}: {error})"
            record.args, record.exc_info = (), None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def log_reconnections_in_one_line() -> None:
    """For a bot on its own: it has the log of the whole process for itself."""
    for name in ("discord.client", "discord.gateway", "discord.shard"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _InOneLine) for known in logger.filters):
            logger.addFilter(_InOneLine())

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

API = Route.BASE
GATEWAY = DiscordWebSocket.DEFAULT_GATEWAY


def redirect(settings: BotSettings) -> None:
    """Set discord.py's addresses, which hold for the whole process, to those of the settings."""
    Route.BASE = settings.discord.api.rstrip("/") if settings.discord.api else API
    DiscordWebSocket.DEFAULT_GATEWAY = (
        yarl.URL(settings.discord.gateway) if settings.discord.gateway else GATEWAY
    )


def ended(error: Exception, settings: BotSettings) -> StartupError | DiscordTrouble | None:
    """What an exception that ended discord.py's client means; None for one that has nothing to do with Discord.

    discord.py mostly connects again by itself: not during the login, after a close code that it takes for final, or
    when Discord tells it to begin anew while it does so.
    """
    match error:
        case discord.LoginFailure() | discord.ConnectionClosed(code=4004):
            return StartupError(
                f"Discord refuses the token: reset it at {PORTAL} > your application > Bot, and copy the whole "
                "of it into RESPECT_DISCORD__TOKEN."
            )
        case discord.PrivilegedIntentsRequired() | discord.ConnectionClosed(code=4013 | 4014):
            return StartupError(
                f"The message-content intent is not granted: switch it on at {PORTAL} > your application > Bot, "
                "or set RESPECT_DISCORD__MESSAGE_CONTENT=false; people then press the Describe button."
            )
        case discord.ConnectionClosed(code=4012):
            return StartupError("Discord no longer has this version of its API: update discord.py.")
        case ReconnectWebSocket():
            return DiscordTrouble("the connection has to begin anew")
        case discord.GatewayNotFound() | discord.ConnectionClosed():
            return DiscordTrouble(str(error))
        case discord.HTTPException() if passes(error):
            return DiscordTrouble(str(error))
        case _ if isinstance(error, LOST) and not isinstance(error, aiohttp.ClientConnectorError):
            return DiscordTrouble(str(error) or type(error).__name__)
        case discord.HTTPException() | aiohttp.ClientError() | OSError():
            where = settings.discord.api or "Discord"
            return StartupError(f"{where} cannot be reached: {error}. Check this machine's network.")
        case _:
            return None


class _InOneLine(logging.Filter):
    """Connections are lost every day: what discord.py logs of that as an error with a traceback is a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record of a lost connection. True for every record: it is logged."""
        if str(record.msg).startswith(ORDINARY):
            record.exc_info, record.levelno, record.levelname = None, logging.WARNING, "WARNING"
        return True


def log_reconnections_in_one_line() -> None:
    """For a bot on its own: it has the log of the whole process for itself."""
    for name in ("discord.client", "discord.gateway", "discord.shard"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _InOneLine) for known in logger.filters):
            logger.addFilter(_InOneLine())

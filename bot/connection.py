"""The connection: to which Discord, the real one or a compatible service on this machine, and what is logged of it."""

import logging

import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.settings import BotSettings

API = Route.BASE
GATEWAY = DiscordWebSocket.DEFAULT_GATEWAY


def redirect(settings: BotSettings) -> None:
    """Set discord.py's addresses, which hold for the whole process, to those of the settings."""
    Route.BASE = settings.discord.api.rstrip("/") if settings.discord.api else API
    DiscordWebSocket.DEFAULT_GATEWAY = (
        yarl.URL(settings.discord.gateway) if settings.discord.gateway else GATEWAY
    )


class _InOneLine(logging.Filter):
    """Connections are lost every day: what discord.py logs of that as an error with a traceback is a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record of a reconnection. True for every record: it is logged."""
        if str(record.msg).startswith("Attempting a reconnect"):
            record.exc_info, record.levelno, record.levelname = None, logging.WARNING, "WARNING"
        return True


def log_reconnections_in_one_line() -> None:
    """For a bot on its own: it has the log of the whole process for itself."""
    for name in ("discord.client", "discord.shard"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _InOneLine) for known in logger.filters):
            logger.addFilter(_InOneLine())

"""Selects the Discord that the client connects to: the real one, or a compatible service on this machine."""

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

"""Selects the Discord that the client connects to: the real one, or a compatible service on this machine."""

import ipaddress

import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.errors import StartupError
from bot.settings import BotSettings

API = Route.BASE
GATEWAY = DiscordWebSocket.DEFAULT_GATEWAY


def redirect(settings: BotSettings) -> None:
    """Set discord.py's addresses, which hold for the whole process, to those of the settings.

    Raises StartupError for a service on another machine: its games would count as local, and Discord's
    rules on training would not be applied to them.
    """
    if (settings.discord.api is None) != (settings.discord.gateway is None):
        raise StartupError("Set both RESPECT_DISCORD__API and RESPECT_DISCORD__GATEWAY, or neither.")
    for name, url in (
        ("RESPECT_DISCORD__API", settings.discord.api),
        ("RESPECT_DISCORD__GATEWAY", settings.discord.gateway),
    ):
        if url is not None and not _is_loopback(url):
            raise StartupError(
                f"{name} is {url!r}: only a service on this machine (127.0.0.1, ::1 or "
                "localhost) can stand in for Discord. Unset it to use Discord itself."
            )
    Route.BASE = settings.discord.api.rstrip("/") if settings.discord.api else API
    DiscordWebSocket.DEFAULT_GATEWAY = (
        yarl.URL(settings.discord.gateway) if settings.discord.gateway else GATEWAY
    )


def _is_loopback(url: str) -> bool:
    try:
        host = yarl.URL(url).host or ""
    except ValueError:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

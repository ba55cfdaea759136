"""The parts of the running service that its routes share, and access to them."""

from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from local_discord.faults import Faults
from local_discord.gateway import Gateway
from local_discord.interactions import Interactions
from local_discord.model import Guild
from local_discord.oauth import Grant, OAuth
from local_discord.people import People
from local_discord.rate_limits import RateLimits
from local_discord.request_log import RequestLog
from local_discord.world import World


@dataclass(eq=False)
class Service:
    """The parts of the running service."""

    world: World
    oauth: OAuth
    guild: Guild
    gateway: Gateway
    interactions: Interactions
    people: People
    faults: Faults = field(default_factory=Faults)
    rate_limits: RateLimits = field(default_factory=RateLimits)
    log: RequestLog = field(default_factory=RequestLog)
    page: Path | None = None
    """The folder of the browser page."""
    icon: Path | None = None
    """An SVG that the page shows instead of its own icon."""
    welcome: str = ""


SERVICE = web.AppKey("service", Service)
GRANT = web.RequestKey("grant", Grant)
"""Of a request with the token of a person in place of the bot's."""

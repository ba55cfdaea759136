"""The parts of the running service that its routes share, and how they find them."""

from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from sim.discord.faults import Faults
from sim.discord.gateway import Gateway
from sim.discord.interactions import Interactions
from sim.discord.model import Guild
from sim.discord.people import People
from sim.discord.request_log import RequestLog
from sim.discord.world import World


@dataclass(eq=False)
class Service:
    """Everything behind the sockets."""

    world: World
    guild: Guild
    gateway: Gateway
    interactions: Interactions
    people: People
    faults: Faults = field(default_factory=Faults)
    log: RequestLog = field(default_factory=RequestLog)
    page: Path | None = None


SERVICE = web.AppKey("service", Service)

"""The service as a whole: REST, gateway, attachments and the page on one port, and a guild with channels."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import discord
from aiohttp import WSCloseCode, web

from local_discord import (
    api,
    local,
    routes_channels,
    routes_commands,
    routes_guilds,
    routes_interactions,
    routes_messages,
    routes_oauth,
)
from local_discord.client import START_SECONDS, redirect, running
from local_discord.faults import Faults
from local_discord.gateway import Gateway
from local_discord.interactions import Interactions
from local_discord.model import Channel, Guild
from local_discord.oauth import OAuth
from local_discord.people import People
from local_discord.permissions import BOT_INVITE, Overwrite, Permission
from local_discord.rate_limits import RateLimits
from local_discord.request_log import RequestLog, Validator
from local_discord.service import SERVICE, Service
from local_discord.web_io import answer
from local_discord.world import World

MAX_BODY = 128 * 1024 * 1024
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
}
"""Header for uploaded files, so that a browser does not run them as a part of the page."""
ROUTES = (routes_messages, routes_channels, routes_guilds, routes_oauth, routes_commands, routes_interactions)


PAGE = Path(__file__).parent / "page"
"""The folder of the package's own browser page."""
MODERATORS = "moderators"
CHANNELS = {"general": "Anything and everything"}
Client = TypeVar("Client", bound=discord.Client)


class LocalDiscord:
    """A local Discord: `async with LocalDiscord() as service, service.connected(bot): ...`.

    `port` 0 takes a free port. `page` True serves the browser page, a folder serves the page in it; `icon` (an
    SVG) and `welcome` (a sentence) are shown on it. The guild `guild_name` has the text channels `channels`
    (name -> topic) and #moderators, which only moderators and the bot can see. `validator` checks every request of
    the bot. `message_content` is the developer portal's switch for that intent, `bot_permissions` the permissions
    that the bot was invited with. With `rate_limits`, requests that come too fast are answered with 429
    (`local_discord.rate_limits`). An interaction waits `response_window` seconds for its first answer, and can be
    followed up for `token_lifetime` seconds.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        page: bool | Path = False,
        icon: Path | None = None,
        welcome: str = "",
        guild_name: str = "Local Guild",
        channels: Mapping[str, str] = CHANNELS,
        bot_name: str = "bot",
        token: str | None = None,
        message_content: bool = True,
        bot_permissions: Permission = BOT_INVITE,
        rate_limits: bool = False,
        response_window: float = 3.0,
        token_lifetime: float = 900.0,
        heartbeat_seconds: float = 41.25,
        resumable_seconds: float = 120.0,
        validator: Validator | None = None,
        log_size: int = 2_000,
    ) -> None:
        self.world = World(
            token=token, message_content=message_content, bot_permissions=bot_permissions, bot_name=bot_name
        )
        self.oauth = OAuth(str(self.world.app.id))
        self.guild = self.world.add_guild(guild_name)
        _add_channels(self.world, self.guild, channels)
        self.gateway = Gateway(
            self.world, heartbeat_seconds=heartbeat_seconds, resumable_seconds=resumable_seconds
        )
        self.interactions = Interactions(
            self.world, response_window=response_window, token_lifetime=token_lifetime
        )
        self.people = People(self.world, self.interactions, self.guild)
        self.faults = Faults()
        self.rate_limits = RateLimits(rate_limits)
        self.log = RequestLog(log_size, validator)
        self._page = (PAGE if page else None) if isinstance(page, bool) else page
        self._icon, self._welcome = icon, welcome
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self.app = self._build()

    @property
    def token(self) -> str:
        """The bot's token."""
        return self.world.app.token

    @property
    def base_url(self) -> str:
        """The address of the page."""
        return self.world.base_url

    @property
    def rest_url(self) -> str:
        """The value for `discord.http.Route.BASE`."""
        return self.base_url + api.PREFIX

    @property
    def gateway_url(self) -> str:
        """The value for `discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY`."""
        return self.gateway.url

    def channel(self, name: str) -> Channel:
        """A channel or thread by its name."""
        return self.world.channel_named(name)

    def _build(self) -> web.Application:
        app = web.Application(
            client_max_size=MAX_BODY, middlewares=[local.only_here, api.rest, local.page_errors]
        )
        app[SERVICE] = Service(
            self.world,
            self.oauth,
            self.guild,
            self.gateway,
            self.interactions,
            self.people,
            self.faults,
            self.rate_limits,
            self.log,
            self._page,
            self._icon,
            self._welcome,
        )
        app[local.PAGE] = local.Page()
        for module in ROUTES:
            app.add_routes(
                web.RouteDef(route.method, api.PREFIX + route.path, route.handler, dict(route.kwargs))
                for route in module.routes
                if isinstance(route, web.RouteDef)
            )
        app.router.add_route("*", api.PREFIX + "/{rest:.*}", _no_such_route)
        app.add_routes(routes_oauth.pages)
        app.add_routes(local.routes)
        app.router.add_get("/attachments/{channel_id}/{attachment_id}/{filename}", _file)
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/{path:.*}", _page)
        return app

    @asynccontextmanager
    async def connected(self, client: Client, *, timeout: float = START_SECONDS) -> AsyncIterator[Client]:
        """Context manager: signs a discord.py client in, waits until it is ready and closes it at the end.

        Inside, every discord.py client of this process talks to this service. Raises the client's error if it
        cannot sign in, and TimeoutError after `timeout` seconds.
        """
        with redirect(self.rest_url, self.gateway_url):
            async with running(client, self.token, timeout=timeout):
                yield client

    async def start(self) -> None:
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.world.base_url = f"http://{host}:{port}"
        self.gateway.url = f"ws://{host}:{port}/gateway"

    async def stop(self) -> None:
        self.interactions.stop()
        self.people.stop()
        await self.gateway.close(WSCloseCode.GOING_AWAY)
        for socket in list(self.app[local.PAGE].sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)
        if self._runner:
            await self._runner.cleanup()
        self.gateway.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _add_channels(world: World, guild: Guild, channels: Mapping[str, str]) -> None:
    for name, topic in channels.items():
        world.add_channel(guild, name, topic=topic)
    view = Permission.VIEW_CHANNEL
    staff_only = {
        guild.id: Overwrite(0, deny=view),
        world.moderator_role(guild).id: Overwrite(0, allow=view),
        world.bot_role(guild).id: Overwrite(0, allow=view),
    }
    world.add_channel(guild, MODERATORS, topic="For moderators", overwrites=staff_only)


async def _no_such_route(request: web.Request) -> web.Response:
    return answer({"message": "404: Not Found", "code": 0}, 404)


async def _file(request: web.Request) -> web.Response:
    """The bytes of an attachment, with the headers of Discord's CDN."""
    service = request.app[SERVICE]
    text = request.match_info["attachment_id"]
    upload = service.world.file(int(text)) if text.isdigit() else None
    if upload is None or upload.filename != request.match_info["filename"]:
        raise web.HTTPNotFound
    headers = {"Content-Type": upload.content_type, "Cache-Control": "private, max-age=31536000, immutable"}
    return web.Response(body=upload.data, headers=headers | SAFE)


async def _page(request: web.Request) -> web.StreamResponse:
    """The page's files. A WebSocket request to the root opens the gateway."""
    service = request.app[SERVICE]
    path = request.match_info["path"]
    if not path and request.headers.get("Upgrade", "").lower() == "websocket":
        return await service.gateway.handle(request)
    if service.page is None:
        raise web.HTTPNotFound
    if path == "icon.svg" and service.icon is not None:
        return web.FileResponse(service.icon, headers={"Cache-Control": "no-cache"})
    root = service.page.resolve()
    found = (root / (path or "index.html")).resolve()
    if not found.is_relative_to(root) or not found.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(found, headers={"Cache-Control": "no-cache"})

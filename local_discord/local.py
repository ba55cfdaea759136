"""The API of the browser page under `/local`: actions as JSON requests, events over a WebSocket."""

import asyncio
import ipaddress
import json
import secrets
import socket
from collections.abc import Mapping
from typing import Any

import discord
from aiohttp import WSMsgType, web
from aiohttp.typedefs import Handler
from pydantic import ValidationError
from yarl import URL

from local_discord.errors import ApiError
from local_discord.faults import Fault
from local_discord.invoke import ActionRefused
from local_discord.model import Event, Guild, Json
from local_discord.payloads import channel_payload, event_payload, guild_payload, person_payload
from local_discord.people import Person
from local_discord.service import SERVICE
from local_discord.web_io import answer, limit_in, no_content, number_in, read_object

routes = web.RouteTableDef()
PREFIX = "/local"


class Page:
    """The people signed in from browsers, by session token, and their open sockets."""

    def __init__(self) -> None:
        self._signed_in: dict[str, Person] = {}
        self.sockets: set[web.WebSocketResponse] = set()

    def sign_in(self, person: Person) -> str:
        token = secrets.token_urlsafe(24)
        self._signed_in[token] = person
        return token

    def of(self, request: web.Request) -> Person:
        """The person who sent the request. Raises 401 for an unknown or missing token."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Local":
            token = request.query.get("token", "")
        if (person := self._signed_in.get(token)) is None:
            raise ApiError(401, 0, "Please join first: this session is not known here.")
        return person


PAGE = web.AppKey("page", Page)


@web.middleware
async def only_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what other web sites would have a browser on this machine do here, and addresses that no file can have.

    The `Host` must be an address or a name of this machine, or else any site could make its own name lead here (DNS
    rebinding). What the page does must come from the page itself, by its `Origin`; programs send none.
    """
    if not _is_own_name(request):
        return answer(
            {"message": "This service answers under the address of its machine only.", "code": 0}, 421
        )
    if "\0" in request.path:
        return answer({"message": "There is nothing at this address.", "code": 0}, 404)
    origin = request.headers.get("Origin")
    if request.path.startswith(PREFIX) and origin not in (None, f"{request.scheme}://{request.host}"):
        return answer({"message": "Only the page itself may do this, not another site.", "code": 0}, 403)
    return await handler(request)


def _is_own_name(request: web.Request) -> bool:
    try:
        host = URL(f"//{request.host}").host or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.lower() in ("localhost", socket.gethostname().lower()) or host.lower().endswith(
            ".localhost"
        )
    return True  # no name that could be made to lead here


@web.middleware
async def page_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers every refused action with a status and a sentence."""
    if not request.path.startswith(PREFIX):
        return await handler(request)
    try:
        return await handler(request)
    except ApiError as error:
        return answer(error.payload() | {"message": error.sentence()}, error.status)
    except ActionRefused as error:
        return answer({"message": str(error), "code": 0}, 400)
    except (KeyError, TypeError, ValueError, LookupError) as error:
        return answer({"message": f"This request is not complete: {error}", "code": 0}, 400)


def _person(request: web.Request) -> Person:
    return request.app[PAGE].of(request)


def _here(request: web.Request, data: Any) -> Any:
    """Addresses of files without the host, so that the page works under any host name."""
    base = request.app[SERVICE].world.base_url
    return json.loads(json.dumps(data).replace(f'"{base}/attachments/', '"/attachments/'))


def _viewed(request: web.Request, person: Person) -> Guild:
    """The guild that the page shows: the one in the query if the person is in it, else the service's own, else the
    first one that the person is in."""
    service = request.app[SERVICE]
    asked = service.world.guilds.get(int(request.query.get("guild") or 0))
    for guild in (asked, service.guild, *service.world.guilds.values()):
        if guild is not None and person.id in guild.members:
            return guild
    return service.guild


@routes.post("/local/guilds/{guild_id}/members")
async def enter(request: web.Request) -> web.Response:
    """Joins another guild."""
    world, person = request.app[SERVICE].world, _person(request)
    guild = world.guilds[number_in(request, "guild_id", "guild")]
    body, _ = await read_object(request)
    world.enter(person.user, guild, moderator=bool(body.get("moderator")))
    return no_content()


@routes.get("/local/state")
async def state(request: web.Request) -> web.Response:
    service, person = request.app[SERVICE], _person(request)
    world, guild = service.world, _viewed(request, person)
    described = guild_payload(world, guild)
    channels = [channel for channel in person.channels() if channel.guild_id in (None, guild.id)]
    offered: dict[str, Json] = {}
    for channel in channels:
        if channel.guild_id and not channel.is_thread:
            offered |= {command["id"]: command for command in person.commands(channel)}
    return answer(
        {
            "guild": {key: described[key] for key in ("id", "name", "icon")},
            "guilds": [
                {"id": str(each.id), "name": each.name, "joined": person.id in each.members}
                for each in world.guilds.values()
            ],
            "channels": [channel_payload(c, viewer=person.id) for c in channels],
            "users": [person_payload(world, m.user, guild) for m in guild.members.values()],
            "me": person_payload(world, person.user, guild),
            "commands": list(offered.values()),
            "application_id": str(world.app.id),
        }
    )


@routes.get("/local/about")
async def about(request: web.Request) -> web.Response:
    """The data that the page shows before signing in."""
    service = request.app[SERVICE]
    return answer({"name": service.guild.name, "welcome": service.welcome})


@routes.post("/local/users")
async def join(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    body, _ = await read_object(request)
    name = str(body.get("name") or "").strip()
    if not 1 <= len(name) <= 32:
        raise ActionRefused("Please choose a name of 1 to 32 characters.")
    locale = locale_of(str(body.get("language") or ""))
    person = await service.people.join(name, moderator=bool(body.get("moderator")), locale=locale)
    token = request.app[PAGE].sign_in(person)
    return answer(person_payload(service.world, person.user, service.guild) | {"token": token}, 201)


def locale_of(language: str) -> str:
    """Discord's locale for a browser's language: "de" for "de-AT"; American English where it has none."""
    known = [locale.value for locale in discord.Locale]
    if language in known:
        return language
    return next((each for each in known if each.split("-")[0] == language.split("-")[0]), "en-US")


@routes.get("/local/ws")
async def live(request: web.Request) -> web.WebSocketResponse:
    service, page, person = request.app[SERVICE], request.app[PAGE], _person(request)
    socket = web.WebSocketResponse(heartbeat=30)
    await socket.prepare(request)
    frames: asyncio.Queue[Json | None] = asyncio.Queue()
    guild = _viewed(request, person)

    def hear(event: Event) -> None:
        if event.guild_id in (None, guild.id) and service.world.audience(event, person.id):
            frames.put_nowait({"t": event.name, "d": _here(request, event_payload(service.world, event))})

    async def write() -> None:
        while (frame := await frames.get()) is not None:
            await socket.send_str(json.dumps(frame))

    unlisten = service.world.listen(hear)
    page.sockets.add(socket)
    writer = asyncio.create_task(write())
    try:
        async for received in socket:
            if received.type is WSMsgType.ERROR:
                break
    finally:
        page.sockets.discard(socket)
        unlisten()
        frames.put_nowait(None)
        await asyncio.gather(writer, return_exceptions=True)
    return socket


@routes.get("/local/channels/{channel_id}/messages")
async def history(request: web.Request) -> web.Response:
    person = _person(request)
    found = person.history(number_in(request, "channel_id", "channel"))
    limit = limit_in(request, 100, 1000)
    if before := request.query.get("before"):
        found = [message for message in found if message.id < int(before)]
    return answer(_here(request, [person.payload(message) for message in found[-limit:]]))


@routes.post("/local/channels/{channel_id}/messages")
async def say(request: web.Request) -> web.Response:
    person = _person(request)
    channel = number_in(request, "channel_id", "channel")
    body, uploads = await read_object(request)
    reply_to = body.get("reply_to")
    nonce = body.get("nonce")
    message = await person.say(
        channel,
        str(body.get("content") or ""),
        files=list(uploads.values()),
        reply_to=int(reply_to) if reply_to else None,
        nonce=None if nonce is None else str(nonce),
    )
    return answer(_here(request, person.payload(message)))


@routes.patch("/local/channels/{channel_id}/messages/{message_id}")
async def edit(request: web.Request) -> web.Response:
    person = _person(request)
    place, message = number_in(request, "channel_id", "channel"), number_in(request, "message_id", "message")
    body, _ = await read_object(request)
    edited = await person.edit(message, str(body["content"]), where=place)
    return answer(_here(request, person.payload(edited)))


@routes.delete("/local/channels/{channel_id}/messages/{message_id}")
async def delete(request: web.Request) -> web.Response:
    place, message = number_in(request, "channel_id", "channel"), number_in(request, "message_id", "message")
    await _person(request).delete(message, where=place)
    return no_content()


@routes.post("/local/channels/{channel_id}/typing")
async def typing(request: web.Request) -> web.Response:
    await _person(request).typing(number_in(request, "channel_id", "channel"))
    return no_content()


@routes.put("/local/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}")
async def react(request: web.Request) -> web.Response:
    place, message = number_in(request, "channel_id", "channel"), number_in(request, "message_id", "message")
    await _person(request).react(message, request.match_info["emoji_name"], where=place)
    return no_content()


@routes.post("/local/interactions")
async def interact(request: web.Request) -> web.Response:
    person = _person(request)
    body, _ = await read_object(request)
    nonce = None if body.get("nonce") is None else str(body["nonce"])
    if body["kind"] == "modal":
        fields: Mapping[str, Any] = body.get("fields") or {}
        started = await person.submit_modal(int(body["interaction_id"]), fields, nonce=nonce)
        return answer({"id": str(started.id)})
    channel = int(body["channel_id"])
    options: dict[str, Any] = body.get("options") or {}
    if body["kind"] == "command":
        started = await person.slash(channel, body["command"], options, nonce=nonce)
    elif body["kind"] == "component":
        values = body.get("values")
        message = int(body["message_id"])
        started = await person.press(message, body["custom_id"], values, where=channel, nonce=nonce)
    elif body["kind"] == "autocomplete":
        focused = body.get("focused") or (list(options)[-1] if options else "")
        options.setdefault(focused, "")
        return answer({"choices": await person.autocomplete(channel, body["command"], options, focused)})
    else:
        raise ActionRefused(f"There is no such kind of interaction: {body['kind']}")
    return answer({"id": str(started.id)})


def _staff(request: web.Request) -> None:
    service = request.app[SERVICE]
    person = _person(request)
    if not service.world.is_moderator(person.user, service.guild):
        raise ApiError(403, 50013, "Only moderators may switch faults.")


@routes.get("/local/faults")
async def faults(request: web.Request) -> web.Response:
    _staff(request)
    return answer([fault.model_dump() for fault in request.app[SERVICE].faults.current()])


@routes.post("/local/faults")
async def add_fault(request: web.Request) -> web.Response:
    """Adds a fault; `{"gateway": "drop" | "reconnect" | "invalidate" | code}` injects a gateway fault once."""
    _staff(request)
    service = request.app[SERVICE]
    body, _ = await read_object(request)
    if "gateway" in body:
        await service.gateway.strike(body["gateway"], resumable=bool(body.get("resumable", True)))
        return no_content()
    try:
        fault = service.faults.add(Fault.model_validate(body))
    except ValidationError as error:
        first = error.errors()[0]
        raise ActionRefused(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return answer(fault.model_dump(), 201)


@routes.delete("/local/faults")
async def clear_faults(request: web.Request) -> web.Response:
    _staff(request)
    request.app[SERVICE].faults.clear()
    return no_content()

"""REST: signing in, users, guilds, members and roles."""

from aiohttp import web

from local_discord.errors import missing_permissions, unknown
from local_discord.model import Guild, Member
from local_discord.payloads import (
    application_payload,
    channel_payload,
    guild_payload,
    member_payload,
    own_user_payload,
    role_payload,
    thread_member_payload,
    user_payload,
)
from local_discord.permissions import Permission
from local_discord.service import GRANT, SERVICE
from local_discord.web_io import answer, limit_in, no_content, number_in, read_object

routes = web.RouteTableDef()


@routes.get("/users/@me")
async def me(request: web.Request) -> web.Response:
    grant = request.get(GRANT)
    return answer(own_user_payload(grant.user if grant else request.app[SERVICE].world.app.user))


@routes.get("/oauth2/applications/@me")
@routes.get("/applications/@me")
async def application(request: web.Request) -> web.Response:
    return answer(application_payload(request.app[SERVICE].world))


@routes.get("/gateway")
async def gateway(request: web.Request) -> web.Response:
    return answer({"url": request.app[SERVICE].gateway.url})


@routes.get("/gateway/bot")
async def gateway_bot(request: web.Request) -> web.Response:
    limit = {"total": 1000, "remaining": 999, "reset_after": 14400000, "max_concurrency": 1}
    return answer({"url": request.app[SERVICE].gateway.url, "shards": 1, "session_start_limit": limit})


@routes.get("/users/@me/guilds")
async def my_guilds(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    found = []
    for guild in world.guilds.values():
        granted = world.base_permissions(guild, guild.members[world.app.user.id])
        kept = {"id": str(guild.id), "name": guild.name, "icon": None, "banner": None, "features": []}
        found.append(kept | {"owner": False, "permissions": str(int(granted))})
    return answer(found)


@routes.post("/users/@me/channels")
async def open_direct(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    body, _ = await read_object(request)
    user = world.users.get(int(body["recipient_id"]))
    if user is None:
        raise unknown("user")
    return answer(channel_payload(world.open_dm(user)))


@routes.get("/users/{user_id}")
async def user(request: web.Request) -> web.Response:
    found = request.app[SERVICE].world.users.get(number_in(request, "user_id", "user"))
    if found is None:
        raise unknown("user")
    return answer(user_payload(found))


def _guild(request: web.Request) -> Guild:
    return request.app[SERVICE].world.guild(number_in(request, "guild_id", "guild"))


@routes.get("/guilds/{guild_id}")
async def guild(request: web.Request) -> web.Response:
    found = _guild(request)
    payload = guild_payload(request.app[SERVICE].world, found)
    if request.query.get("with_counts") in ("1", "true", "True"):
        payload |= {"approximate_member_count": len(found.members), "approximate_presence_count": 1}
    return answer(payload)


@routes.get("/guilds/{guild_id}/channels")
async def channels(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    found = world.channels_of(_guild(request).id)
    return answer([channel_payload(c) for c in found if not c.is_thread])


@routes.get("/guilds/{guild_id}/threads/active")
async def active_threads(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    mine = world.app.user.id
    found = [
        c
        for c in world.channels_of(_guild(request).id)
        if c.is_thread and not c.archived and world.may(mine, c, Permission.VIEW_CHANNEL)
    ]
    members = [thread_member_payload(c, mine) for c in found if mine in c.thread_members]
    return answer(
        {"threads": [channel_payload(c) for c in reversed(found)], "members": members, "has_more": False}
    )


@routes.get("/guilds/{guild_id}/roles")
async def roles(request: web.Request) -> web.Response:
    app = request.app[SERVICE].world.app
    return answer([role_payload(role, app) for role in _guild(request).roles.values()])


@routes.get("/guilds/{guild_id}/roles/{role_id}")
async def role(request: web.Request) -> web.Response:
    found = _guild(request).roles.get(number_in(request, "role_id", "role"))
    if found is None:
        raise unknown("role")
    return answer(role_payload(found, request.app[SERVICE].world.app))


@routes.get("/guilds/{guild_id}/members")
async def members(request: web.Request) -> web.Response:
    limit = limit_in(request, 1, 1000)
    after = int(request.query.get("after", "0"))
    found = sorted(
        (m for m in _guild(request).members.values() if m.user.id > after), key=lambda m: m.user.id
    )
    return answer([member_payload(m) for m in found[:limit]])


@routes.get("/guilds/{guild_id}/members/search")
async def search_members(request: web.Request) -> web.Response:
    limit = limit_in(request, 1, 1000)
    query = request.query.get("query", "").lower()
    found = [
        m
        for m in _guild(request).members.values()
        if m.user.username.startswith(query) or (m.user.global_name or "").lower().startswith(query)
    ]
    return answer([member_payload(m) for m in found[:limit]])


def _member(request: web.Request) -> Member:
    found = _guild(request).members.get(number_in(request, "user_id", "member"))
    if found is None:
        raise unknown("member")
    return found


@routes.get("/guilds/{guild_id}/members/{user_id}")
async def member(request: web.Request) -> web.Response:
    return answer(member_payload(_member(request)))


@routes.put("/guilds/{guild_id}/members/{user_id}/roles/{role_id}")
async def give_role(request: web.Request) -> web.Response:
    return _change_role(request, True)


@routes.delete("/guilds/{guild_id}/members/{user_id}/roles/{role_id}")
async def take_role(request: web.Request) -> web.Response:
    return _change_role(request, False)


def _change_role(request: web.Request, given: bool) -> web.Response:
    world = request.app[SERVICE].world
    found, place = _member(request), _guild(request)
    wanted = place.roles.get(number_in(request, "role_id", "role"))
    if wanted is None:
        raise unknown("role")
    mine = place.members[world.app.user.id]
    highest = max((place.roles[held].position for held in mine.roles), default=0)
    granted = world.base_permissions(place, mine)
    if not granted & Permission.MANAGE_ROLES or (wanted.position >= highest):
        raise missing_permissions()
    found.roles.add(wanted.id) if given else found.roles.discard(wanted.id)
    return no_content()

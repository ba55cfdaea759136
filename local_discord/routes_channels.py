"""REST: channels, threads and their members."""

from aiohttp import web

from local_discord import threads
from local_discord.errors import ApiError, bad_length, invalid_form, missing_permissions, unknown
from local_discord.model import Channel, User
from local_discord.payloads import channel_payload, member_payload, thread_member_payload
from local_discord.permissions import Overwrite, Permission
from local_discord.routes_messages import channel_of, message_of, speaking
from local_discord.service import SERVICE
from local_discord.web_io import answer, limit_in, no_content, number_in, read_object

routes = web.RouteTableDef()


@routes.get("/channels/{channel_id}")
async def get_channel(request: web.Request) -> web.Response:
    me = request.app[SERVICE].world.app.user.id
    return answer(channel_payload(channel_of(request), viewer=me))


@routes.patch("/channels/{channel_id}")
async def change_channel(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    channel = channel_of(request)
    body, _ = await read_object(request)
    if channel.is_thread:
        threads.change_thread(world, channel, world.app.user, body)
        return answer(channel_payload(channel, viewer=world.app.user.id))
    if not world.may(world.app.user.id, channel, Permission.MANAGE_CHANNELS):
        raise missing_permissions()
    if "name" in body and not 1 <= len(body["name"] or "") <= 100:
        raise invalid_form([bad_length(("name",), 1, 100)])
    channel.name = body.get("name", channel.name)
    channel.topic = body.get("topic", channel.topic)
    channel.rate_limit_per_user = body.get("rate_limit_per_user") or 0
    world.emit_channel("CHANNEL_UPDATE", channel, channel)
    return answer(channel_payload(channel))


@routes.delete("/channels/{channel_id}")
async def delete_channel(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    channel = channel_of(request)
    needed = Permission.MANAGE_THREADS if channel.is_thread else Permission.MANAGE_CHANNELS
    if not world.may(world.app.user.id, channel, needed):
        raise missing_permissions()
    payload = channel_payload(channel)
    world.remove_channel(channel)
    return answer(payload)


@routes.put("/channels/{channel_id}/permissions/{overwrite_id}")
async def set_permissions(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    channel = channel_of(request, Permission.MANAGE_ROLES)
    body, _ = await read_object(request)
    allow, deny = Permission(int(body.get("allow") or 0)), Permission(int(body.get("deny") or 0))
    channel.overwrites[number_in(request, "overwrite_id")] = Overwrite(int(body["type"]), allow, deny)
    world.emit_channel("CHANNEL_UPDATE", channel, channel)
    return no_content()


@routes.post("/channels/{channel_id}/messages/{message_id}/threads")
async def thread_from_message(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    parent = channel_of(request, Permission.READ_MESSAGE_HISTORY)
    message = message_of(request, parent)
    body, _ = await read_object(request)
    thread = threads.open_thread(world, parent, world.app.user, body, message=message)
    return answer(channel_payload(thread, viewer=world.app.user.id), 201)


@routes.post("/channels/{channel_id}/threads")
async def thread_alone(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    parent = channel_of(request)
    body, _ = await read_object(request)
    thread = threads.open_thread(world, parent, world.app.user, body)
    return answer(channel_payload(thread, viewer=world.app.user.id), 201)


def _thread_of(request: web.Request) -> Channel:
    thread = channel_of(request)
    if not thread.is_thread:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    return thread


def _member_of(request: web.Request, thread: Channel) -> User:
    world = request.app[SERVICE].world
    name = request.match_info.get("user_id", "@me")
    user_id = world.app.user.id if name == "@me" else number_in(request, "user_id", "user")
    guild = world.guilds[thread.guild_id or 0]
    if user_id not in guild.members:
        raise unknown("user" if user_id not in world.users else "member")
    return world.users[user_id]


@routes.get("/channels/{channel_id}/thread-members")
async def thread_members(request: web.Request) -> web.Response:
    thread = _thread_of(request)
    return answer([thread_member_payload(thread, user) for user in thread.thread_members])


@routes.get("/channels/{channel_id}/thread-members/{user_id}")
async def thread_member(request: web.Request) -> web.Response:
    thread = _thread_of(request)
    user = _member_of(request, thread)
    if user.id not in thread.thread_members:
        raise unknown("member")
    payload = thread_member_payload(thread, user.id)
    if request.query.get("with_member") in ("1", "true"):
        guild = request.app[SERVICE].world.guilds[thread.guild_id or 0]
        payload["member"] = member_payload(guild.members[user.id])
    return answer(payload)


@routes.put("/channels/{channel_id}/thread-members/@me")
@routes.put("/channels/{channel_id}/thread-members/{user_id}")
async def join_thread(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    thread = _thread_of(request)
    user = _member_of(request, thread)
    if user is not world.app.user and not world.may(world.app.user.id, thread, speaking(thread)):
        raise missing_permissions()
    if not world.may(user.id, world.channel(thread.parent_id or 0), Permission.VIEW_CHANNEL):
        raise ApiError(403, 50001, "Missing Access")
    threads.add_to_thread(world, thread, user)
    return no_content()


@routes.delete("/channels/{channel_id}/thread-members/@me")
@routes.delete("/channels/{channel_id}/thread-members/{user_id}")
async def leave_thread(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    thread = _thread_of(request)
    user = _member_of(request, thread)
    if user is not world.app.user and not world.may(world.app.user.id, thread, Permission.MANAGE_THREADS):
        raise missing_permissions()
    threads.remove_from_thread(world, thread, user)
    return no_content()


@routes.get("/channels/{channel_id}/threads/archived/public")
async def archived_threads(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    parent = channel_of(request, Permission.READ_MESSAGE_HISTORY)
    limit = limit_in(request, 50, 100)
    found = [c for c in world.channels.values() if c.parent_id == parent.id and c.archived]
    if before := request.query.get("before"):
        found = [c for c in found if c.archive_timestamp < before]
    found.sort(key=lambda thread: thread.archive_timestamp, reverse=True)
    page = found[:limit]
    return answer(
        {
            "threads": [channel_payload(thread) for thread in page],
            "members": [
                thread_member_payload(thread, world.app.user.id)
                for thread in page
                if world.app.user.id in thread.thread_members
            ],
            "has_more": len(found) > limit,
        }
    )

"""REST: messages, typing, reactions and pins."""

from collections.abc import Sequence

from aiohttp import web

from local_discord import messages
from local_discord.errors import ApiError, missing_access, missing_permissions, unknown
from local_discord.intents import blank
from local_discord.model import Channel, Json, Message, MessageType
from local_discord.payloads import message_payload, user_payload
from local_discord.permissions import Permission
from local_discord.service import SERVICE, Service
from local_discord.snowflake import now_iso
from local_discord.web_io import answer, emoji_in, limit_in, no_content, number_in, read_object

routes = web.RouteTableDef()


def channel_of(request: web.Request, *needed: Permission) -> Channel:
    """The channel in the path, if the bot can see it and has the permissions needed there."""
    service = request.app[SERVICE]
    me = service.world.app.user.id
    channel = service.world.viewable(me, number_in(request, "channel_id", "channel"))
    if not service.world.may(me, channel, *needed):
        raise missing_permissions()
    return channel


def speaking(channel: Channel) -> Permission:
    return Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES


def message_of(request: web.Request, channel: Channel) -> Message:
    return request.app[SERVICE].world.message(channel.id, number_in(request, "message_id", "message"))


def shown(service: Service, message: Message) -> Json:
    """A message as REST gives it to the application."""
    payload = message_payload(service.world, message)
    channel = service.world.channel(message.channel_id)
    if service.world.app.message_content or channel.guild_id is None:
        return payload
    hidden = blank(payload | {"guild_id": ""}, str(service.world.app.user.id))
    return {key: value for key, value in hidden.items() if key != "guild_id"}


def _needed_to_send(channel: Channel, body: Json, files: Sequence[object]) -> list[Permission]:
    needed = [speaking(channel)]
    if files:
        needed.append(Permission.ATTACH_FILES)
    if body.get("embeds"):
        needed.append(Permission.EMBED_LINKS)
    if (body.get("message_reference") or {}).get("message_id"):
        needed.append(Permission.READ_MESSAGE_HISTORY)
    return needed


@routes.post("/channels/{channel_id}/messages")
async def create_message(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    channel = channel_of(request)
    body, uploads = await read_object(request)
    if not service.world.may(
        service.world.app.user.id, channel, *_needed_to_send(channel, body, list(uploads))
    ):
        raise missing_permissions()
    if any(not user.accepts_direct for user in channel.recipients):
        raise ApiError(403, 50007, "Cannot send messages to this user")
    message = messages.create(service.world, channel, service.world.app.user, body, uploads)
    return answer(shown(service, message))


@routes.get("/channels/{channel_id}/messages")
async def list_messages(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    channel = channel_of(request)
    limit = limit_in(request, 50, 100)
    if not service.world.may(service.world.app.user.id, channel, Permission.READ_MESSAGE_HISTORY):
        return answer([])
    found = [m for m in service.world.messages[channel.id].values() if not m.ephemeral]
    query = request.query
    if "before" in query:
        found = [m for m in found if m.id < int(query["before"])][-limit:]
    elif "after" in query:
        found = [m for m in found if m.id > int(query["after"])][:limit]
    elif "around" in query:
        middle, half = int(query["around"]), limit // 2
        older = [m for m in found if m.id < middle][-half:] if half else []
        found = older + [m for m in found if m.id >= middle][: limit - len(older)]
    else:
        found = found[-limit:]
    return answer([shown(service, message) for message in reversed(found)])


@routes.get("/channels/{channel_id}/messages/pins")
async def pins(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    channel = channel_of(request, Permission.READ_MESSAGE_HISTORY)
    pinned = [m for m in service.world.messages[channel.id].values() if m.pinned]
    items = [{"pinned_at": m.timestamp, "message": shown(service, m)} for m in reversed(pinned)]
    return answer({"items": items, "has_more": False})


@routes.get("/channels/{channel_id}/pins")
async def old_pins(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    channel = channel_of(request, Permission.READ_MESSAGE_HISTORY)
    pinned = [m for m in service.world.messages[channel.id].values() if m.pinned]
    return answer([shown(service, m) for m in reversed(pinned)])


@routes.put("/channels/{channel_id}/messages/pins/{message_id}")
@routes.put("/channels/{channel_id}/pins/{message_id}")
async def pin(request: web.Request) -> web.Response:
    return _set_pinned(request, True)


@routes.delete("/channels/{channel_id}/messages/pins/{message_id}")
@routes.delete("/channels/{channel_id}/pins/{message_id}")
async def unpin(request: web.Request) -> web.Response:
    return _set_pinned(request, False)


def _set_pinned(request: web.Request, pinned: bool) -> web.Response:
    world = request.app[SERVICE].world
    channel = channel_of(request)
    allowed = Permission.PIN_MESSAGES | Permission.MANAGE_MESSAGES
    if not world.permissions(world.app.user.id, channel) & allowed:
        raise missing_permissions()
    message = message_of(request, channel)
    if message.pinned is not pinned:
        held = sum(m.pinned for m in world.messages[channel.id].values())
        if pinned and held >= 250:
            raise ApiError(400, 30003, "Maximum number of pins reached for the channel (250)")
        message.pinned = pinned
        messages.announce(world, "MESSAGE_UPDATE", message)
        data = {"channel_id": str(channel.id), "last_pin_timestamp": now_iso() if pinned else None}
        if channel.guild_id:
            data["guild_id"] = str(channel.guild_id)
        world.emit_channel("CHANNEL_PINS_UPDATE", channel, data)
        if pinned:
            about = {"type": 0, "channel_id": str(channel.id), "message_id": str(message.id)}
            messages.create(world, channel, world.app.user, {}, type=MessageType.PIN, about=about)
    return no_content()


@routes.get("/channels/{channel_id}/messages/{message_id}")
async def get_message(request: web.Request) -> web.Response:
    channel = channel_of(request, Permission.READ_MESSAGE_HISTORY)
    return answer(shown(request.app[SERVICE], message_of(request, channel)))


@routes.patch("/channels/{channel_id}/messages/{message_id}")
async def edit_message(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    channel = channel_of(request)
    message = message_of(request, channel)
    body, uploads = await read_object(request)
    if message.author is not service.world.app.user:
        only_flags = set(body) <= {"flags"}
        if not (
            only_flags and service.world.may(service.world.app.user.id, channel, Permission.MANAGE_MESSAGES)
        ):
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
    if uploads and not service.world.may(service.world.app.user.id, channel, Permission.ATTACH_FILES):
        raise missing_permissions()
    return answer(shown(service, messages.edit(service.world, message, body, uploads)))


@routes.delete("/channels/{channel_id}/messages/{message_id}")
async def delete_message(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    channel = channel_of(request)
    message = message_of(request, channel)
    own = message.author is world.app.user
    if not own and not world.may(world.app.user.id, channel, Permission.MANAGE_MESSAGES):
        raise missing_permissions()
    if channel.archived:
        raise ApiError(400, 50083, "Thread is archived")
    messages.delete(world, message)
    return no_content()


@routes.post("/channels/{channel_id}/messages/bulk-delete")
async def bulk_delete(request: web.Request) -> web.Response:
    world = request.app[SERVICE].world
    channel = channel_of(request, Permission.MANAGE_MESSAGES)
    body, _ = await read_object(request)
    wanted = [int(message) for message in body["messages"]]
    if not 2 <= len(wanted) <= 100:
        raise ApiError(400, 50016, "Provided too few or too many messages to delete.")
    for message in [
        m for m in list(world.messages[channel.id].values()) if m.id in wanted and not m.ephemeral
    ]:
        messages.delete(world, message)
    return no_content()


@routes.post("/channels/{channel_id}/typing")
async def typing(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    channel = channel_of(request)
    if not service.world.may(service.world.app.user.id, channel, speaking(channel)):
        raise missing_permissions()
    service.people.type(service.world.app.user, channel)
    return no_content()


REACTIONS = "/channels/{channel_id}/messages/{message_id}/reactions"


@routes.put(REACTIONS + "/{emoji_name}/@me")
async def add_reaction(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    channel = channel_of(request, Permission.READ_MESSAGE_HISTORY, Permission.ADD_REACTIONS)
    message = message_of(request, channel)
    if emoji_in(request).isascii() and ":" not in emoji_in(request):
        raise unknown("emoji")
    service.people.react(service.world.app.user, message, emoji_in(request))
    return no_content()


@routes.delete(REACTIONS + "/{emoji_name}/@me")
async def remove_own_reaction(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    message = message_of(request, channel_of(request))
    service.people.react(service.world.app.user, message, emoji_in(request), remove=True)
    return no_content()


@routes.delete(REACTIONS + "/{emoji_name}/{user_id}")
async def remove_reaction(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    message = message_of(request, channel_of(request, Permission.MANAGE_MESSAGES))
    user = service.world.users.get(number_in(request, "user_id", "user"))
    if user is None:
        raise unknown("user")
    service.people.react(user, message, emoji_in(request), remove=True)
    return no_content()


@routes.delete(REACTIONS)
async def clear_reactions(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    message = message_of(request, channel_of(request, Permission.MANAGE_MESSAGES))
    for emoji, users in list(message.reactions.items()):
        for user in list(users):
            service.people.react(service.world.users[user], message, emoji, remove=True)
    return no_content()


@routes.get(REACTIONS + "/{emoji_name}")
async def reacted(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    message = message_of(request, channel_of(request))
    if not service.world.may(
        service.world.app.user.id, service.world.channel(message.channel_id), Permission.VIEW_CHANNEL
    ):
        raise missing_access()
    users = message.reactions.get(emoji_in(request), [])
    return answer([user_payload(service.world.users[user]) for user in users])

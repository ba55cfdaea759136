"""Threads: creating (with or without a message), joining, archiving, locking and renaming."""

from local_discord import messages
from local_discord.errors import ApiError, Problem, bad_length, invalid_form, missing_permissions
from local_discord.model import Channel, ChannelType, Event, Json, Message, MessageFlag, MessageType, User
from local_discord.payloads import member_payload, thread_member_payload
from local_discord.permissions import Permission
from local_discord.snowflake import now_iso
from local_discord.world import World

ARCHIVE_AFTER = {60, 1440, 4320, 10080}
MOST_ACTIVE = 1000
"""Threads of a guild that may be open at a time."""


def open_thread(
    world: World, parent: Channel, owner: User, payload: Json, *, message: Message | None = None
) -> Channel:
    """Creates a thread. A thread of a message has that message's id."""
    _check_name(payload.get("name"))
    after = payload.get("auto_archive_duration") or 1440
    if after not in ARCHIVE_AFTER:
        path = ("auto_archive_duration",)
        raise invalid_form(
            [Problem(path, "BASE_TYPE_CHOICES", "Value must be one of {60, 1440, 4320, 10080}.")]
        )
    kind = (
        ChannelType(payload.get("type") or ChannelType.PRIVATE_THREAD)
        if message is None
        else ChannelType.PUBLIC_THREAD
    )
    if kind not in (ChannelType.PUBLIC_THREAD, ChannelType.PRIVATE_THREAD):
        raise invalid_form([Problem(("type",), "BASE_TYPE_CHOICES", "Value must be one of {10, 11, 12}.")])
    public = kind is ChannelType.PUBLIC_THREAD
    needed = Permission.CREATE_PUBLIC_THREADS if public else Permission.CREATE_PRIVATE_THREADS
    if not world.may(owner.id, parent, needed):
        raise missing_permissions()
    if parent.is_thread or parent.guild_id is None:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    if message and message.thread_id:
        raise ApiError(400, 160004, "A thread has already been created for this message")
    active = (
        c.is_thread and not c.archived and c.guild_id == parent.guild_id for c in world.channels.values()
    )
    if sum(active) >= MOST_ACTIVE:
        raise ApiError(400, 160006, "Maximum number of active threads reached")
    thread = Channel(
        message.id if message else world.snowflakes.next(),
        kind,
        payload["name"],
        parent.guild_id,
        parent.id,
        owner_id=owner.id,
        invitable=bool(payload.get("invitable", True)),
        auto_archive_duration=after,
        archive_timestamp=now_iso(),
        rate_limit_per_user=payload.get("rate_limit_per_user") or 0,
    )
    thread.thread_members[owner.id] = now_iso()
    world.channels[thread.id] = thread
    world.messages[thread.id] = {}
    # Two events: the application is also told of its own membership.
    world.emit(Event("THREAD_CREATE", thread, thread.guild_id, thread, to_people=False))
    world.emit(Event("THREAD_CREATE", thread, thread.guild_id, thread, to_app=False))
    if message:
        message.thread_id = thread.id
        message.flags |= MessageFlag.HAS_THREAD
        messages.announce(world, "MESSAGE_UPDATE", message)
        _starter(world, thread, parent, message)
    elif public:
        about = {"type": 0, "channel_id": str(thread.id), "guild_id": str(thread.guild_id)}
        text = {"content": thread.name}
        messages.create(world, parent, owner, text, type=MessageType.THREAD_CREATED, about=about)
    return thread


def _starter(world: World, thread: Channel, parent: Channel, message: Message) -> None:
    reference = {"message_reference": {"channel_id": str(parent.id), "message_id": str(message.id)}}
    messages.create(world, thread, message.author, reference, type=MessageType.THREAD_STARTER)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= 100:
        raise invalid_form([bad_length(("name",), 1, 100)])


def change_thread(world: World, thread: Channel, actor: User, payload: Json) -> Channel:
    """Renames, archives, reopens or locks. The owner may do it, except locking, which needs Manage Threads."""
    manages = world.may(actor.id, thread, Permission.MANAGE_THREADS)
    locks = "locked" in payload and bool(payload["locked"]) != thread.locked
    slows = "rate_limit_per_user" in payload and payload["rate_limit_per_user"] != thread.rate_limit_per_user
    opens_again = set(payload) <= {"archived"} and payload.get("archived") is False and not thread.locked
    if not manages and (locks or slows or not (thread.owner_id == actor.id or opens_again)):
        raise missing_permissions()
    if thread.archived and payload.get("archived") is not False:
        raise ApiError(400, 50083, "Thread is archived")
    if thread.locked and thread.archived and not manages:
        raise missing_permissions()
    if "name" in payload:
        _check_name(payload["name"])
        thread.name = payload["name"]
    if "archived" in payload and bool(payload["archived"]) != thread.archived:
        thread.archived = bool(payload["archived"])
        thread.archive_timestamp = now_iso()
    thread.locked = bool(payload.get("locked", thread.locked))
    thread.auto_archive_duration = payload.get("auto_archive_duration") or thread.auto_archive_duration
    thread.rate_limit_per_user = payload.get("rate_limit_per_user") or thread.rate_limit_per_user
    world.emit_channel("THREAD_UPDATE", thread, thread)
    return thread


def add_to_thread(world: World, thread: Channel, user: User) -> None:
    if thread.archived:
        raise ApiError(400, 50083, "Thread is archived")
    if user.id in thread.thread_members:
        return
    thread.thread_members[user.id] = now_iso()
    _members_changed(world, thread, added=[user.id])


def remove_from_thread(world: World, thread: Channel, user: User) -> None:
    if thread.thread_members.pop(user.id, None) is not None:
        _members_changed(world, thread, removed=[user.id])


def _members_changed(
    world: World, thread: Channel, *, added: list[int] | None = None, removed: list[int] | None = None
) -> None:
    guild = world.guilds[thread.guild_id or 0]
    data: Json = {
        "id": str(thread.id),
        "guild_id": str(guild.id),
        "member_count": min(len(thread.thread_members), 50),
    }
    if added:
        data["added_members"] = [
            thread_member_payload(thread, user)
            | {"member": member_payload(guild.members[user]), "presence": None}
            for user in added
        ]
    if removed:
        data["removed_member_ids"] = [str(user) for user in removed]
    world.emit_channel("THREAD_MEMBERS_UPDATE", thread, data)

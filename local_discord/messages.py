"""Creates, edits and deletes messages: files, mentions, replies, nonces. All changes of messages are here."""

import copy
import io
import mimetypes
import re
from collections.abc import Mapping
from urllib.parse import quote

from PIL import Image, UnidentifiedImageError

from local_discord.component_rules import settle, walk
from local_discord.errors import ApiError, Problem, invalid_form
from local_discord.message_rules import check_message
from local_discord.model import (
    Attachment,
    Channel,
    Event,
    Json,
    Message,
    MessageFlag,
    MessageType,
    Upload,
    User,
)
from local_discord.permissions import Permission
from local_discord.snowflake import now_iso
from local_discord.world import World

SENDER_FLAGS = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS | MessageFlag.COMPONENTS_V2
EDITOR_FLAGS = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.COMPONENTS_V2
EXTRAS = ("sticker_items", "message_snapshots")
RECENT_NONCES = 100
Uploads = Mapping[int, Upload]


def create(
    world: World,
    channel: Channel,
    author: User,
    payload: Json,
    uploads: Uploads | None = None,
    *,
    type: MessageType = MessageType.DEFAULT,
    extra_flags: int = 0,
    allowed_flags: int = SENDER_FLAGS,
    seen_by: int | None = None,
    interaction_metadata: Json | None = None,
    webhook: tuple[int, int | None] | None = None,
    about: Json | None = None,
    within: tuple[str | int, ...] = (),
) -> Message:
    """Creates a message and sends its event to everyone who may see it.

    With `enforce_nonce`, a nonce that the author used recently in the channel returns the earlier message.
    `webhook` is the webhook that posts it and the application that owns this, which for an answer to an interaction
    are the same. `about` is the object of a service message. `extra_flags` are set by the service itself (loading,
    ephemeral); `allowed_flags` may be set by the sender.
    """
    uploads = uploads or {}
    flags = int(payload.get("flags") or 0)
    check_message(payload, uploads, flags=flags, allowed_flags=int(allowed_flags), within=within)
    if payload.get("enforce_nonce") and (same := _sent_before(world, channel, author, payload)):
        return same
    loading = extra_flags & MessageFlag.LOADING
    filled = any(
        payload.get(key) for key in ("content", "embeds", "components", "poll", "sticker_ids", *EXTRAS)
    )
    if not (filled or uploads or loading) and type not in _SYSTEM:
        raise ApiError(400, 50006, "Cannot send an empty message")
    reference, original = _reference(world, channel, payload)
    _wake(world, channel, author)
    message = Message(
        world.snowflakes.next(),
        channel.id,
        author,
        MessageType.REPLY if original and type is MessageType.DEFAULT else type,
        now_iso(),
        content=(payload.get("content") or "").strip(),
        flags=(flags & int(allowed_flags)) | extra_flags,
        nonce=payload.get("nonce"),
        tts=bool(payload.get("tts")),
        reference=reference or about,
        reference_message=original,
        interaction_metadata=interaction_metadata,
        poll=payload.get("poll"),
        extras={key: payload[key] for key in EXTRAS if key in payload},
        seen_by=seen_by,
    )
    message.webhook_id, message.application_id = webhook or (None, None)
    message.attachments = _new_attachments(world, channel, payload.get("attachments"), uploads)
    _fill(world, message, payload)
    _find_mentions(world, channel, message, payload.get("allowed_mentions"))
    world.messages[channel.id][message.id] = message
    if not message.ephemeral:
        channel.last_message_id = message.id
        if channel.is_thread and type is not MessageType.THREAD_STARTER:
            channel.message_count += 1
    announce(world, "MESSAGE_CREATE", message)
    return message


_SYSTEM = {MessageType.PIN, MessageType.THREAD_CREATED, MessageType.THREAD_STARTER}


def edit(
    world: World,
    message: Message,
    payload: Json,
    uploads: Uploads | None = None,
    *,
    within: tuple[str | int, ...] = (),
) -> Message:
    """Changes the fields in the body. `attachments` lists those that stay; new files are added."""
    uploads = uploads or {}
    v2 = message.flags & MessageFlag.COMPONENTS_V2
    flags = message.flags if payload.get("flags") is None else int(payload["flags"]) | v2
    sent = {**payload, "flags": (payload.get("flags") or 0) & ~message.flags}
    check_message(sent, uploads, flags=flags, allowed_flags=int(EDITOR_FLAGS), within=within)
    channel = world.channel(message.channel_id)
    if channel.archived:
        raise ApiError(400, 50083, "Thread is archived")
    attachments = _kept(world, channel, message, payload, uploads)
    after = {
        "content": payload.get("content", message.content),
        "embeds": payload.get("embeds", message.embeds),
        "components": payload.get("components", message.components),
    }
    if not (any(after.values()) or attachments):
        raise ApiError(400, 50006, "Cannot send an empty message")
    message.attachments = attachments
    if "content" in payload:
        message.content = (payload["content"] or "").strip()
        _find_mentions(world, channel, message, payload.get("allowed_mentions"))
    loading = message.flags & MessageFlag.LOADING
    kept_flags = message.flags & ~int(EDITOR_FLAGS) & ~MessageFlag.LOADING
    message.flags = kept_flags | (flags & int(EDITOR_FLAGS))
    _fill(world, message, payload)
    if not loading:
        message.edited_timestamp = now_iso()
    announce(world, "MESSAGE_UPDATE", message)
    return message


def delete(world: World, message: Message) -> None:
    world.messages[message.channel_id].pop(message.id, None)
    world.drop_files(message.attachments)
    announce(world, "MESSAGE_DELETE", message)


def announce(world: World, name: str, message: Message) -> None:
    """Sends a message's event to everyone in the channel, or to the person who sees an ephemeral message."""
    channel = world.channel(message.channel_id)
    users = None if message.seen_by is None else frozenset({message.seen_by})
    world.emit(Event(name, message, channel.guild_id, channel, users=users, to_app=not message.ephemeral))


def _of_guild(channel: Channel) -> Json:
    return {"guild_id": str(channel.guild_id)} if channel.guild_id else {}


def _sent_before(world: World, channel: Channel, author: User, payload: Json) -> Message | None:
    if (nonce := payload.get("nonce")) is None:
        return None
    recent = list(world.messages[channel.id].values())[-RECENT_NONCES:]
    return next((m for m in recent if m.author is author and str(m.nonce) == str(nonce)), None)


def _reference(world: World, channel: Channel, payload: Json) -> tuple[Json | None, Message | None]:
    asked = payload.get("message_reference")
    if not asked or not asked.get("message_id"):
        return None, None
    place = int(asked.get("channel_id") or channel.id)
    original = world.messages.get(place, {}).get(int(asked["message_id"]))
    if original is None or original.ephemeral:
        if asked.get("fail_if_not_exists", True):
            path = ("message_reference",)
            raise invalid_form([Problem(path, "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message")])
        return None, None
    reference = {"type": 0, "channel_id": str(place), "message_id": str(original.id)} | _of_guild(channel)
    return reference, original


def _wake(world: World, channel: Channel, author: User) -> None:
    """A message to an archived thread reopens it, unless it is locked."""
    if not channel.archived:
        return
    if channel.locked and not world.may(author.id, channel, Permission.MANAGE_THREADS):
        raise ApiError(400, 50083, "Thread is archived")
    channel.archived = False
    channel.archive_timestamp = now_iso()
    world.emit_channel("THREAD_UPDATE", channel, channel)


def _new_attachments(
    world: World, channel: Channel, listed: list[Json] | None, uploads: Uploads
) -> list[Attachment]:
    about = {str(entry.get("id")): entry for entry in listed or []}
    return [_attach(world, channel, upload, about.get(str(at), {})) for at, upload in uploads.items()]


def _attach(world: World, channel: Channel, upload: Upload, about: Json) -> Attachment:
    attachment_id = world.snowflakes.next()
    name = re.sub(r"[^\w.\-]+", "_", about.get("filename") or upload.filename) or "file"
    content_type = upload.content_type
    if content_type == "application/octet-stream":
        content_type = mimetypes.guess_type(name)[0] or content_type
    width = height = None
    if content_type.startswith("image/"):
        try:
            with Image.open(io.BytesIO(upload.data)) as image:
                width, height = image.size
        except (UnidentifiedImageError, OSError):
            width = height = None
    world.store_file(attachment_id, Upload(name, upload.data, content_type))
    url = f"{world.base_url}/attachments/{channel.id}/{attachment_id}/{quote(name)}"
    size = len(upload.data)
    return Attachment(attachment_id, name, size, url, content_type, about.get("description"), width, height)


def _kept(
    world: World, channel: Channel, message: Message, payload: Json, uploads: Uploads
) -> list[Attachment]:
    listed = payload.get("attachments")
    if "attachments" not in payload:
        kept = list(message.attachments)
    else:
        about = {str(entry.get("id")): entry for entry in listed or []}
        kept = [a for a in message.attachments if str(a.id) in about]
        for attachment in kept:
            attachment.description = about[str(attachment.id)].get("description", attachment.description)
    return kept + _new_attachments(world, channel, listed, uploads)


def _fill(world: World, message: Message, payload: Json) -> None:
    """Sets embeds and components, and replaces `attachment://name` by the file's address."""
    by_name = {f"attachment://{a.filename}": a for a in message.attachments}
    if "embeds" in payload:
        message.embeds = [{"type": "rich", **copy.deepcopy(embed)} for embed in payload["embeds"] or []]
        for embed in message.embeds:
            for key in ("image", "thumbnail"):
                media = embed.get(key)
                if media and (attachment := by_name.get(media.get("url", ""))):
                    embed[key] = {"url": attachment.url, "proxy_url": attachment.url} | _dimensions(
                        attachment
                    )
                    attachment.embedded = True
    if payload.get("components") is not None:
        message.components = copy.deepcopy(payload["components"])
        settle(message.components)
        for component in walk(message.components):
            holders = [component, *(component.get("items") or [])]
            for media in (holder[key] for holder in holders for key in ("media", "file") if holder.get(key)):
                if attachment := by_name.get(media.get("url", "")):
                    media |= {"url": attachment.url, "proxy_url": attachment.url} | _dimensions(attachment)
                    media |= {"content_type": attachment.content_type, "attachment_id": str(attachment.id)}
                    media["id"] = str(world.snowflakes.next())
                elif not media["url"].startswith("attachment://"):
                    media |= {"proxy_url": media["url"], "id": str(world.snowflakes.next())}
                else:
                    path = ("components",)
                    sentence = f"{media['url']} names no file of this message."
                    raise invalid_form(
                        [Problem(path, "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND", sentence)]
                    )
    elif "components" in payload:
        message.components = []


def _dimensions(attachment: Attachment) -> Json:
    return {"width": attachment.width, "height": attachment.height} if attachment.width else {}


def _find_mentions(world: World, channel: Channel, message: Message, allowed: Json | None) -> None:
    """The mentioned users, as far as `allowed_mentions` allows."""
    parse = {"users", "roles", "everyone"} if allowed is None else set(allowed.get("parse") or [])
    users = {int(user) for user in (allowed or {}).get("users") or []}
    roles = {int(role) for role in (allowed or {}).get("roles") or []}
    texts = [message.content, *(c.get("content") or "" for c in walk(message.components))]
    content = " ".join(texts)
    named = dict.fromkeys(int(found) for found in re.findall(r"<@!?(\d+)>", content))
    message.mentions = [
        world.users[user] for user in named if user in world.users and ("users" in parse or user in users)
    ]
    original = message.reference_message
    ping = True if allowed is None else allowed.get("replied_user", False)
    if original and ping and original.author not in message.mentions and message.type is MessageType.REPLY:
        message.mentions.append(original.author)
    if channel.guild_id is None:
        return
    guild = world.guilds[channel.guild_id]
    named_roles = dict.fromkeys(int(found) for found in re.findall(r"<@&(\d+)>", content))
    message.mention_roles = [
        role for role in named_roles if role in guild.roles and ("roles" in parse or role in roles)
    ]
    may_call_all = world.may(message.author.id, channel, Permission.MENTION_EVERYONE)
    message.mention_everyone = (
        "everyone" in parse and may_call_all and bool(re.search(r"@(everyone|here)\b", content))
    )

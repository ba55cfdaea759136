"""The records of the local world: people, channels, messages and interactions."""

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

from local_discord.permissions import Overwrite, Permission

Json = dict[str, Any]


class ChannelType(IntEnum):
    TEXT = 0
    DM = 1
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12


class MessageType(IntEnum):
    DEFAULT = 0
    PIN = 6
    THREAD_CREATED = 18
    REPLY = 19
    COMMAND = 20
    THREAD_STARTER = 21


class MessageFlag(IntFlag):
    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    COMPONENTS_V2 = 1 << 15


class InteractionType(IntEnum):
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class Callback(IntEnum):
    """How an application may answer an interaction."""

    PONG = 1
    MESSAGE = 4
    DEFER_MESSAGE = 5
    DEFER_UPDATE = 6
    UPDATE = 7
    AUTOCOMPLETE = 8
    MODAL = 9


@dataclass(eq=False)
class User:
    id: int
    username: str
    global_name: str | None
    bot: bool = False
    avatar_color: str = "#5865f2"
    accepts_direct: bool = True
    """Whether the bot may send this person direct messages."""
    locale: str = "en-US"
    """The language of this person's client."""


@dataclass(eq=False)
class Role:
    id: int
    name: str
    permissions: Permission
    position: int = 0
    managed: bool = False


@dataclass(eq=False)
class Member:
    user: User
    joined_at: str
    roles: set[int] = field(default_factory=set)
    nick: str | None = None


@dataclass(eq=False)
class Channel:
    """A text channel, a direct-message channel or a thread."""

    id: int
    type: ChannelType
    name: str
    guild_id: int | None = None
    parent_id: int | None = None
    position: int = 0
    topic: str | None = None
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    recipients: list[User] = field(default_factory=list)
    last_message_id: int | None = None
    rate_limit_per_user: int = 0
    owner_id: int | None = None
    archived: bool = False
    locked: bool = False
    invitable: bool = True
    auto_archive_duration: int = 1440
    archive_timestamp: str = ""
    thread_members: dict[int, str] = field(default_factory=dict)
    message_count: int = 0

    @property
    def is_thread(self) -> bool:
        return self.type in (ChannelType.PUBLIC_THREAD, ChannelType.PRIVATE_THREAD)


@dataclass(eq=False)
class Guild:
    id: int
    name: str
    owner_id: int
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    locale: str = "en-US"
    """The guild's preferred locale."""

    @property
    def everyone(self) -> Role:
        return self.roles[self.id]


@dataclass(frozen=True)
class Upload:
    """An uploaded file."""

    filename: str
    data: bytes
    content_type: str


@dataclass(eq=False)
class Attachment:
    id: int
    filename: str
    size: int
    url: str
    content_type: str
    description: str | None = None
    width: int | None = None
    height: int | None = None
    embedded: bool = False
    """Whether it is shown in an embed and therefore not listed among the message's attachments."""


@dataclass(eq=False)
class Message:
    id: int
    channel_id: int
    author: User
    type: MessageType
    timestamp: str
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    nonce: str | int | None = None
    tts: bool = False
    pinned: bool = False
    edited_timestamp: str | None = None
    mentions: list[User] = field(default_factory=list)
    mention_roles: list[int] = field(default_factory=list)
    mention_everyone: bool = False
    reference: Json | None = None
    reference_message: "Message | None" = None
    reactions: dict[str, list[int]] = field(default_factory=dict)
    interaction_metadata: Json | None = None
    application_id: int | None = None
    webhook_id: int | None = None
    thread_id: int | None = None
    poll: Json | None = None
    extras: Json = field(default_factory=dict)
    """Stickers (`sticker_items`) and forwarded messages (`message_snapshots`), as a payload has them."""
    seen_by: int | None = None
    """The only user who sees an ephemeral message; None for an ordinary message."""

    @property
    def ephemeral(self) -> bool:
        return self.seen_by is not None


@dataclass(eq=False)
class Application:
    """The bot's application, as its owner set it up in the developer portal."""

    id: int
    user: User
    token: str
    owner: User
    message_content: bool = True
    """Whether the portal grants the message-content intent."""
    members_intent: bool = True


@dataclass(eq=False)
class Interaction:
    id: int
    token: str
    type: InteractionType
    user: User
    channel: Channel
    data: Json
    created: float
    """Loop time at which it was made."""
    nonce: str | None = None
    message: Message | None = None
    name: str | None = None
    answered: Callback | None = None
    expired: bool = False
    original: Message | None = None
    modal: Json | None = None
    opened_by: "Interaction | None" = None
    followups: dict[int, Message] = field(default_factory=dict)
    choices: "asyncio.Future[list[Json]] | None" = None
    timer: asyncio.TimerHandle | None = None


Record = Guild | Role | Member | User | Channel | Message


@dataclass(frozen=True)
class Event:
    """An event and its receivers. `payloads.event_payload` gives its payload."""

    name: str
    record: Record | Json
    """The changed record, or plain JSON if there is none, as for typing."""
    guild_id: int | None = None
    channel: Channel | None = None
    """Only those who can see this channel receive the event."""
    users: frozenset[int] | None = None
    """Only these people receive the event."""
    to_app: bool = True
    to_people: bool = True

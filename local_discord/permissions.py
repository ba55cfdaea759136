"""Discord's permission bits, and how permissions of roles and channel overwrites are combined."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntFlag
from functools import reduce
from operator import or_


class Permission(IntFlag):
    CREATE_INSTANT_INVITE = 1 << 0
    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    CHANGE_NICKNAME = 1 << 26
    MANAGE_ROLES = 1 << 28
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MODERATE_MEMBERS = 1 << 40
    PIN_MESSAGES = 1 << 51


NONE = Permission(0)
ALL = reduce(or_, Permission, NONE)

BOT_INVITE = Permission(309237763072)
"""View, send, embed, attach, history, public threads, send in threads: the bot's default permissions."""

EVERYONE = (
    Permission.CREATE_INSTANT_INVITE
    | Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.CHANGE_NICKNAME
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
)

MODERATOR = (
    Permission.KICK_MEMBERS
    | Permission.BAN_MEMBERS
    | Permission.MANAGE_CHANNELS
    | Permission.MANAGE_GUILD
    | Permission.MANAGE_MESSAGES
    | Permission.MANAGE_ROLES
    | Permission.MANAGE_THREADS
    | Permission.MENTION_EVERYONE
    | Permission.MODERATE_MEMBERS
    | Permission.PIN_MESSAGES
)


@dataclass(frozen=True)
class Overwrite:
    """Permissions that a channel allows or denies to one role (`kind` 0) or one member (`kind` 1)."""

    kind: int
    allow: Permission = NONE
    deny: Permission = NONE


def add_up(
    everyone_id: int,
    member_id: int,
    role_ids: Iterable[int],
    base: Permission,
    overwrites: Mapping[int, Overwrite],
) -> Permission:
    """A member's permissions in a channel: base, then everyone's, roles' and the member's overwrites."""
    if base & Permission.ADMINISTRATOR:
        return ALL
    granted = base
    if everyone := overwrites.get(everyone_id):
        granted = (granted & ~everyone.deny) | everyone.allow
    of_roles = [overwrites[role] for role in role_ids if role in overwrites and role != everyone_id]
    deny = reduce(or_, (o.deny for o in of_roles), NONE)
    allow = reduce(or_, (o.allow for o in of_roles), NONE)
    granted = (granted & ~deny) | allow
    if own := overwrites.get(member_id):
        granted = (granted & ~own.deny) | own.allow
    if not granted & Permission.VIEW_CHANNEL:
        return NONE
    return granted

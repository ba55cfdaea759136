"""Which gateway events and which parts of messages an application receives, by its intents."""

from enum import IntFlag

from local_discord.model import Event, Json


class Intent(IntFlag):
    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15


_PREFIXES: tuple[tuple[str, Intent, Intent], ...] = (
    ("MESSAGE_REACTION", Intent.GUILD_MESSAGE_REACTIONS, Intent.DIRECT_MESSAGE_REACTIONS),
    ("MESSAGE_", Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES),
    ("TYPING_START", Intent.GUILD_MESSAGE_TYPING, Intent.DIRECT_MESSAGE_TYPING),
    ("GUILD_MEMBER_", Intent.GUILD_MEMBERS, Intent.GUILD_MEMBERS),
    ("THREAD_MEMBERS_UPDATE", Intent.GUILDS, Intent.GUILDS),
    ("THREAD_", Intent.GUILDS, Intent.GUILDS),
    ("CHANNEL_", Intent.GUILDS, Intent.DIRECT_MESSAGES),
    ("GUILD_", Intent.GUILDS, Intent.GUILDS),
)


def heard(event: Event, intents: int) -> bool:
    """Whether a session with these intents gets the event."""
    if not event.to_app:
        return False
    for prefix, in_guild, in_dm in _PREFIXES:
        if event.name.startswith(prefix):
            return bool(intents & (in_guild if event.guild_id else in_dm))
    return True


def blank(message: Json, app_user: str) -> Json:
    """A message for an application without the message-content intent.

    Its own messages, direct messages and messages that mention it keep their content.
    """
    whole = (
        message.get("author", {}).get("id") == app_user
        or "guild_id" not in message
        or any(user["id"] == app_user for user in message.get("mentions", []))
    )
    if whole:
        return message
    hidden = {"content": "", "embeds": [], "attachments": [], "components": []}
    return {key: value for key, value in message.items() if key != "poll"} | hidden

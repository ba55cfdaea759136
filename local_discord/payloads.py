"""The payloads of the world's records in the format of Discord's API v10."""

from local_discord.model import (
    Application,
    Attachment,
    Channel,
    Event,
    Guild,
    Json,
    Member,
    Message,
    Role,
    User,
)
from local_discord.permissions import Permission
from local_discord.world import World


def user_payload(user: User) -> Json:
    return {
        "id": str(user.id),
        "username": user.username,
        "global_name": user.global_name,
        "discriminator": "0000" if user.bot else "0",
        "avatar": None,
        "avatar_decoration_data": None,
        "banner": None,
        "accent_color": None,
        "primary_guild": None,
        "collectibles": None,
        "bot": user.bot,
        "system": False,
        "public_flags": 0,
        "flags": 0,
    }


def own_user_payload(user: User) -> Json:
    """A user as they see themselves."""
    more = {"verified": True, "mfa_enabled": True, "locale": user.locale, "email": None}
    return user_payload(user) | more


def role_payload(role: Role, app: Application | None = None) -> Json:
    payload: Json = {
        "id": str(role.id),
        "name": role.name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": role.position,
        "permissions": str(int(role.permissions)),
        "managed": role.managed,
        "mentionable": False,
        "flags": 0,
    }
    if role.managed and app:
        payload["tags"] = {"bot_id": str(app.user.id)}
    return payload


def member_payload(member: Member, *, user: bool = True, permissions: Permission | None = None) -> Json:
    payload: Json = {
        "roles": [str(role) for role in sorted(member.roles)],
        "nick": member.nick,
        "avatar": None,
        "banner": None,
        "joined_at": member.joined_at,
        "premium_since": None,
        "communication_disabled_until": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
    }
    if user:
        payload["user"] = user_payload(member.user)
    if permissions is not None:
        payload["permissions"] = str(int(permissions))
    return payload


def thread_member_payload(thread: Channel, user_id: int) -> Json:
    return {
        "id": str(thread.id),
        "user_id": str(user_id),
        "join_timestamp": thread.thread_members[user_id],
        "flags": 0,
    }


def channel_payload(channel: Channel, *, viewer: int | None = None) -> Json:
    """A channel or thread; with `viewer`, a thread also says whether that user is in it."""
    payload: Json = {
        "id": str(channel.id),
        "type": int(channel.type),
        "last_message_id": str(channel.last_message_id) if channel.last_message_id else None,
        "flags": 0,
    }
    if channel.guild_id is None:
        payload["recipients"] = [user_payload(user) for user in channel.recipients]
        return payload
    payload |= {
        "guild_id": str(channel.guild_id),
        "name": channel.name,
        "parent_id": str(channel.parent_id) if channel.parent_id else None,
        "rate_limit_per_user": channel.rate_limit_per_user,
    }
    if not channel.is_thread:
        return payload | {
            "position": channel.position,
            "topic": channel.topic,
            "nsfw": False,
            "default_auto_archive_duration": 1440,
            "permission_overwrites": [
                {
                    "id": str(target),
                    "type": overwrite.kind,
                    "allow": str(int(overwrite.allow)),
                    "deny": str(int(overwrite.deny)),
                }
                for target, overwrite in channel.overwrites.items()
            ],
        }
    payload |= {
        "owner_id": str(channel.owner_id),
        "message_count": channel.message_count,
        "total_message_sent": channel.message_count,
        "member_count": min(len(channel.thread_members), 50),
        "member_ids_preview": [str(user) for user in channel.thread_members],
        "thread_metadata": {
            "archived": channel.archived,
            "locked": channel.locked,
            "auto_archive_duration": channel.auto_archive_duration,
            "archive_timestamp": channel.archive_timestamp,
            "create_timestamp": channel.archive_timestamp,
        },
    }
    if viewer in channel.thread_members:
        payload["member"] = thread_member_payload(channel, viewer)
    return payload


def attachment_payload(attachment: Attachment) -> Json:
    payload: Json = {
        "id": str(attachment.id),
        "filename": attachment.filename,
        "size": attachment.size,
        "url": attachment.url,
        "proxy_url": attachment.url,
        "content_type": attachment.content_type,
        "flags": 0,
    }
    if attachment.description is not None:
        payload["description"] = attachment.description
    if attachment.width:
        payload |= {"width": attachment.width, "height": attachment.height}
    return payload


def message_payload(
    world: World, message: Message, *, viewer: int | None = None, nested: bool = False
) -> Json:
    """A message. `viewer` decides the `me` of reactions; `nested` leaves out the message that it replies to."""
    payload: Json = {
        "id": str(message.id),
        "type": int(message.type),
        "channel_id": str(message.channel_id),
        "author": user_payload(message.author),
        "content": message.content,
        "timestamp": message.timestamp,
        "edited_timestamp": message.edited_timestamp,
        "tts": message.tts,
        "mention_everyone": message.mention_everyone,
        "mentions": [user_payload(user) for user in message.mentions],
        "mention_roles": [str(role) for role in message.mention_roles],
        "attachments": [attachment_payload(a) for a in message.attachments if not a.embedded],
        "embeds": message.embeds,
        "components": message.components,
        "pinned": message.pinned,
        "flags": message.flags,
    }
    if message.reactions:
        payload["reactions"] = [
            {
                "emoji": emoji_payload(emoji),
                "count": len(users),
                "count_details": {"burst": 0, "normal": len(users)},
                "burst_colors": [],
                "me_burst": False,
                "me": (viewer or world.app.user.id) in users,
            }
            for emoji, users in message.reactions.items()
        ]
    if message.nonce is not None:
        payload["nonce"] = message.nonce
    if message.application_id:
        payload["application_id"] = str(message.application_id)
    if message.webhook_id:
        payload["webhook_id"] = str(message.webhook_id)
    payload |= message.extras
    if message.poll:
        payload["poll"] = message.poll
    if message.interaction_metadata:
        payload["interaction_metadata"] = message.interaction_metadata
        if name := message.interaction_metadata.get("name"):
            payload["interaction"] = {
                "id": message.interaction_metadata["id"],
                "type": message.interaction_metadata["type"],
                "name": name,
                "user": message.interaction_metadata["user"],
            }
    if message.thread_id and (thread := world.channels.get(message.thread_id)):
        payload["thread"] = channel_payload(thread)
    if message.reference:
        payload["message_reference"] = message.reference
        if not nested and "message_id" in message.reference:
            original = message.reference_message
            if original and original.id not in world.messages.get(original.channel_id, {}):
                original = None
            payload["referenced_message"] = (
                message_payload(world, original, nested=True) if original else None
            )
    return payload


def emoji_payload(key: str) -> Json:
    """An emoji from its REST form, `👍` or `name:id`."""
    name, _, emoji_id = key.partition(":")
    return {"id": emoji_id or None, "name": name}


def guild_payload(world: World, guild: Guild) -> Json:
    """A guild as REST gives it."""
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "description": None,
        "splash": None,
        "discovery_splash": None,
        "banner": None,
        "owner_id": str(guild.owner_id),
        "region": "local",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "safety_alerts_channel_id": None,
        "widget_enabled": False,
        "widget_channel_id": None,
        "verification_level": 0,
        "default_message_notifications": 1,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "nsfw": False,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": guild.locale,
        "vanity_url_code": None,
        "max_members": 500_000,
        "max_presences": None,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
        "incidents_data": None,
        "home_header": None,
        "application_id": None,
        "features": [],
        "emojis": [],
        "stickers": [],
        "roles": [role_payload(role, world.app) for role in guild.roles.values()],
    }


def gateway_guild_payload(world: World, guild: Guild, *, members: bool) -> Json:
    """A guild as GUILD_CREATE gives it to the application."""
    me = world.app.user.id
    seen = [c for c in world.channels_of(guild.id) if world.may(me, c, Permission.VIEW_CHANNEL)]
    shown = [m for m in guild.members.values() if members or m.user.id == me]
    return guild_payload(world, guild) | {
        "joined_at": guild.members[me].joined_at,
        "large": False,
        "unavailable": False,
        "member_count": len(guild.members),
        "members": [member_payload(m) for m in shown],
        "channels": [channel_payload(c) for c in seen if not c.is_thread],
        "threads": [channel_payload(c, viewer=me) for c in seen if c.is_thread and not c.archived],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def application_payload(world: World) -> Json:
    app = world.app
    flags = (1 << 19 if app.message_content else 0) | (1 << 15 if app.members_intent else 0)
    return {
        "id": str(app.id),
        "name": app.user.username,
        "icon": None,
        "description": "A bot on a local service",
        "summary": "",
        "type": None,
        "bot": user_payload(app.user),
        "bot_public": False,
        "bot_require_code_grant": False,
        "hook": True,
        "is_monetized": False,
        "owner": user_payload(app.owner),
        "team": None,
        "verify_key": "0" * 64,
        "flags": flags,
        "tags": [],
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "approximate_guild_count": len(world.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "eligible_oauth2_scopes": [],
        "flags_new": str(flags),
        "integration_types_config": {"0": {}},
    }


def person_payload(world: World, user: User, guild: Guild) -> Json:
    """A member as the browser page lists them."""
    more = {"avatar_color": user.avatar_color, "moderator": world.is_moderator(user, guild)}
    return user_payload(user) | more


def event_payload(world: World, event: Event) -> Json:
    """The `d` of an event's frame. MEMBER_JOIN and MEMBER_LEAVE exist only for the browser page."""
    of_guild = {"guild_id": str(event.guild_id)} if event.guild_id else {}
    match event.name, event.record:
        case _, Guild() as guild:
            return gateway_guild_payload(world, guild, members=False)
        case "GUILD_ROLE_DELETE", Role() as role:
            return of_guild | {"role_id": str(role.id)}
        case _, Role() as role:
            return of_guild | {"role": role_payload(role, world.app)}
        case "MEMBER_JOIN", Member() as member:
            return person_payload(world, member.user, world.guilds[event.guild_id or 0])
        case _, Member() as member:
            return member_payload(member) | of_guild
        case "MEMBER_LEAVE", User() as user:
            return user_payload(user)
        case _, User() as user:
            return of_guild | {"user": user_payload(user)}
        case "THREAD_CREATE", Channel() as thread:
            payload = channel_payload(thread) | {"newly_created": True}
            me = world.app.user.id
            if thread.owner_id == me and not event.to_people:
                payload["member"] = thread_member_payload(thread, me)
            return payload
        case "THREAD_DELETE", Channel() as thread:
            payload = channel_payload(thread)
            return {key: payload[key] for key in ("id", "guild_id", "parent_id", "type")}
        case _, Channel() as channel:
            return channel_payload(channel)
        case "MESSAGE_DELETE", Message() as message:
            return {"id": str(message.id), "channel_id": str(message.channel_id)} | of_guild
        case _, Message() as message:
            return _message_event_payload(world, event.name, message) | of_guild
        case _, record:
            return record


def _message_event_payload(world: World, name: str, message: Message) -> Json:
    payload = message_payload(world, message)
    if name != "MESSAGE_CREATE":
        payload.pop("nonce", None)
    guild_id = world.channel(message.channel_id).guild_id
    if guild_id and not message.webhook_id:
        member = world.guilds[guild_id].members.get(message.author.id)
        if member is not None:
            shown = member_payload(member, user=False)
            payload["member"] = {key: value for key, value in shown.items() if key != "banner"}
    return payload

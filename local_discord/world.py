"""The state of the local world and all changes of it. Each change emits an event; sockets are elsewhere."""

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable

from local_discord.errors import missing_access, unknown
from local_discord.model import (
    Application,
    Attachment,
    Channel,
    ChannelType,
    Event,
    Guild,
    Json,
    Member,
    Message,
    Record,
    Role,
    Upload,
    User,
)
from local_discord.permissions import (
    ALL,
    BOT_INVITE,
    EVERYONE,
    MODERATOR,
    NONE,
    Overwrite,
    Permission,
    add_up,
)
from local_discord.snowflake import Snowflakes, now_iso

Listener = Callable[[Event], None]

COLORS = ("#5865f2", "#3ba55d", "#c27c0e", "#eb459e", "#ed4245", "#1abc9c", "#9b59b6", "#206694", "#a84300")
MAX_STORED_BYTES = 128 * 1024 * 1024


class World:
    """Guilds, channels, people, messages and files. `listen` passes on every `Event` in order."""

    def __init__(
        self,
        *,
        token: str | None = None,
        message_content: bool = True,
        bot_permissions: Permission = BOT_INVITE,
        bot_name: str = "bot",
    ) -> None:
        self.base_url = ""
        """Base address of attachments; the server sets it once its port is known."""
        self.snowflakes = Snowflakes()
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.users: dict[int, User] = {}
        self.messages: dict[int, dict[int, Message]] = {}
        self.commands: dict[int | None, dict[int, Json]] = {None: {}}
        """Application commands: the global ones under None, those of a guild under its id."""
        self._files: OrderedDict[int, Upload] = OrderedDict()
        self._file_bytes = 0
        self._listeners: list[Listener] = []
        self._bot_permissions = bot_permissions
        owner = self.add_user("operator", "Operator")
        bot = self.add_user(bot_name, None, bot=True)
        self.app = Application(
            bot.id, bot, token or f"local.{secrets.token_hex(16)}", owner, message_content=message_content
        )

    # Events

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` with every event from now on. Gives a function that stops this."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def emit(self, event: Event) -> None:
        for listener in list(self._listeners):
            listener(event)

    def emit_channel(self, name: str, channel: Channel, record: Record | Json) -> None:
        self.emit(Event(name, record, channel.guild_id, channel))

    # People and channels

    def add_user(self, username: str, global_name: str | None, *, bot: bool = False) -> User:
        user_id = self.snowflakes.next()
        user = User(user_id, username, global_name, bot, COLORS[len(self.users) % len(COLORS)])
        self.users[user_id] = user
        return user

    def add_guild(self, name: str) -> Guild:
        """Creates a guild owned by the operator, with the application's bot as a member."""
        guild_id = self.snowflakes.next()
        guild = Guild(guild_id, name, self.app.owner.id)
        guild.roles[guild_id] = Role(guild_id, "@everyone", EVERYONE)
        self.guilds[guild_id] = guild
        self.commands[guild_id] = {}
        moderators = self.add_role(guild, "Moderators", MODERATOR)
        bot_role = self.add_role(guild, self.app.user.username, self._bot_permissions, managed=True)
        guild.members[self.app.owner.id] = Member(self.app.owner, now_iso(), {moderators.id})
        guild.members[self.app.user.id] = Member(self.app.user, now_iso(), {bot_role.id})
        self.emit(Event("GUILD_CREATE", guild, guild_id, to_people=False))
        return guild

    def add_role(self, guild: Guild, name: str, permissions: Permission, *, managed: bool = False) -> Role:
        role = Role(self.snowflakes.next(), name, permissions, len(guild.roles), managed)
        guild.roles[role.id] = role
        self.emit(Event("GUILD_ROLE_CREATE", role, guild.id, to_people=False))
        return role

    def set_role_permissions(self, guild: Guild, role: Role, permissions: Permission) -> None:
        role.permissions = permissions
        self.emit(Event("GUILD_ROLE_UPDATE", role, guild.id, to_people=False))

    def delete_role(self, guild: Guild, role: Role) -> None:
        for member in guild.members.values():
            member.roles.discard(role.id)
        del guild.roles[role.id]
        self.emit(Event("GUILD_ROLE_DELETE", role, guild.id, to_people=False))

    def moderator_role(self, guild: Guild) -> Role:
        return next(role for role in guild.roles.values() if role.name == "Moderators")

    def bot_role(self, guild: Guild) -> Role:
        return next(role for role in guild.roles.values() if role.managed)

    def add_channel(
        self,
        guild: Guild,
        name: str,
        *,
        topic: str | None = None,
        overwrites: dict[int, Overwrite] | None = None,
    ) -> Channel:
        position = sum(c.guild_id == guild.id and not c.is_thread for c in self.channels.values())
        channel = Channel(
            self.snowflakes.next(), ChannelType.TEXT, name, guild.id, position=position, topic=topic
        )
        channel.overwrites = dict(overwrites or {})
        self.channels[channel.id] = channel
        self.messages[channel.id] = {}
        self.emit_channel("CHANNEL_CREATE", channel, channel)
        return channel

    def set_overwrite(
        self,
        channel: Channel,
        target: Role | User,
        *,
        allow: Permission = NONE,
        deny: Permission = NONE,
    ) -> None:
        """Sets the overwrite of one role or person in a channel; without allow and deny, removes it."""
        if allow or deny:
            channel.overwrites[target.id] = Overwrite(int(isinstance(target, User)), allow, deny)
        else:
            channel.overwrites.pop(target.id, None)
        # The application is told even if it can no longer see the channel, as by Discord.
        self.emit(Event("CHANNEL_UPDATE", channel, channel.guild_id, to_people=False))
        self.emit(Event("CHANNEL_UPDATE", channel, channel.guild_id, channel, to_app=False))

    def join(self, name: str, guild: Guild, *, moderator: bool = False, administrator: bool = False) -> User:
        """Adds a person to the guild. Moderators get the Moderators role; administrators may do anything."""
        slug = re.sub(r"[^a-z0-9_.]+", "_", name.lower()).strip("_") or "someone"
        taken = {user.username for user in self.users.values()}
        username = next(s for s in (slug, *(f"{slug}{i}" for i in range(2, 10_000))) if s not in taken)
        user = self.add_user(username, name[:32])
        self.enter(user, guild, moderator=moderator, administrator=administrator)
        return user

    def enter(
        self, user: User, guild: Guild, *, moderator: bool = False, administrator: bool = False
    ) -> None:
        """Adds somebody who is in another guild already. Does nothing for a member."""
        if user.id in guild.members:
            return
        member = Member(user, now_iso())
        if moderator:
            member.roles.add(self.moderator_role(guild).id)
        if administrator:
            member.roles.add(self._administrators(guild).id)
        guild.members[user.id] = member
        self.emit(Event("GUILD_MEMBER_ADD", member, guild.id, to_people=False))
        self.emit(Event("MEMBER_JOIN", member, guild.id, to_app=False))

    def leave(self, user: User, guild: Guild) -> None:
        """Removes a person from the guild and its threads; their messages stay."""
        if guild.members.pop(user.id, None) is None:
            return
        for channel in self.channels_of(guild.id):
            channel.thread_members.pop(user.id, None)
        self.emit(Event("GUILD_MEMBER_REMOVE", user, guild.id, to_people=False))
        self.emit(Event("MEMBER_LEAVE", user, guild.id, to_app=False))

    def _administrators(self, guild: Guild) -> Role:
        found = next((role for role in guild.roles.values() if role.name == "Administrators"), None)
        return found or self.add_role(guild, "Administrators", Permission.ADMINISTRATOR)

    def is_moderator(self, user: User, guild: Guild) -> bool:
        """Whether a person (not a bot) may manage the guild."""
        member = guild.members.get(user.id)
        staff = Permission.MANAGE_GUILD | Permission.ADMINISTRATOR
        return bool(member and not user.bot and self.base_permissions(guild, member) & staff)

    def open_dm(self, user: User) -> Channel:
        """The direct-message channel of a person and the bot."""
        for channel in self.channels.values():
            if channel.type is ChannelType.DM and user in channel.recipients:
                return channel
        channel = Channel(self.snowflakes.next(), ChannelType.DM, "", recipients=[user])
        self.channels[channel.id] = channel
        self.messages[channel.id] = {}
        return channel

    def remove_channel(self, channel: Channel) -> None:
        for thread in [c for c in self.channels.values() if c.parent_id == channel.id]:
            self.remove_channel(thread)
        self.emit_channel("THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE", channel, channel)
        for message in self.messages.pop(channel.id, {}).values():
            self.drop_files(message.attachments)
        self.channels.pop(channel.id, None)

    # Look-ups

    def channels_of(self, guild_id: int) -> list[Channel]:
        return [c for c in self.channels.values() if c.guild_id == guild_id]

    def channel(self, channel_id: int) -> Channel:
        if (channel := self.channels.get(channel_id)) is None:
            raise unknown("channel")
        return channel

    def guild(self, guild_id: int) -> Guild:
        """A guild that the application is in. Raises Discord's error for any other."""
        if (guild := self.guilds.get(guild_id)) is None:
            raise unknown("guild")
        return guild

    def message(self, channel_id: int, message_id: int, *, ephemeral: bool = False) -> Message:
        message = self.messages.get(channel_id, {}).get(message_id)
        if message is None or (message.ephemeral and not ephemeral):
            raise unknown("message")
        return message

    def channel_named(self, name: str) -> Channel:
        """A text channel or thread by its name; of several, the newest."""
        for channel in reversed(self.channels.values()):
            if channel.name == name.removeprefix("#"):
                return channel
        raise LookupError(f"no channel is called {name!r}")

    def visible_channels(self, user_id: int) -> list[Channel]:
        return [c for c in self.channels.values() if self.may(user_id, c, Permission.VIEW_CHANNEL)]

    # Permissions

    def base_permissions(self, guild: Guild, member: Member) -> Permission:
        if guild.owner_id == member.user.id:
            return ALL
        granted = guild.everyone.permissions
        for role in member.roles:
            granted |= guild.roles[role].permissions
        return ALL if granted & Permission.ADMINISTRATOR else granted

    def permissions(self, user_id: int, channel: Channel) -> Permission:
        """A user's permissions in a channel; a thread has those of its parent."""
        if channel.guild_id is None:
            return ALL if user_id in {self.app.user.id, *(u.id for u in channel.recipients)} else NONE
        guild = self.guilds[channel.guild_id]
        if (member := guild.members.get(user_id)) is None:
            return NONE
        base = self.base_permissions(guild, member)
        place = self.channels.get(channel.parent_id, channel) if channel.parent_id else channel
        granted = base if base == ALL else add_up(guild.id, user_id, member.roles, base, place.overwrites)
        if channel.type is ChannelType.PRIVATE_THREAD and not (
            user_id in channel.thread_members or granted & Permission.MANAGE_THREADS
        ):
            return NONE
        return granted

    def may(self, user_id: int, channel: Channel, *needed: Permission) -> bool:
        granted = self.permissions(user_id, channel)
        return all(granted & permission for permission in needed)

    def audience(self, event: Event, user_id: int) -> bool:
        """Whether a person receives an event."""
        if not event.to_people:
            return False
        if event.users is not None:
            return user_id in event.users
        if event.channel is not None:
            return self.may(user_id, event.channel, Permission.VIEW_CHANNEL)
        return event.guild_id is not None and user_id in self.guilds[event.guild_id].members

    def viewable(self, user_id: int, channel_id: int) -> Channel:
        """The channel. Raises Discord's error if it does not exist or cannot be seen."""
        channel = self.channel(channel_id)
        if not self.may(user_id, channel, Permission.VIEW_CHANNEL):
            raise missing_access()
        return channel

    # Files

    def store_file(self, attachment_id: int, upload: Upload) -> None:
        """Keeps a file in memory; the oldest files are removed when there are too many."""
        self._files[attachment_id] = upload
        self._file_bytes += len(upload.data)
        while self._file_bytes > MAX_STORED_BYTES:
            _, oldest = self._files.popitem(last=False)
            self._file_bytes -= len(oldest.data)

    def file(self, attachment_id: int) -> Upload | None:
        return self._files.get(attachment_id)

    def drop_files(self, attachments: Iterable[Attachment]) -> None:
        for attachment in attachments:
            if upload := self._files.pop(attachment.id, None):
                self._file_bytes -= len(upload.data)

"""The clients of people: join, write, use commands, press buttons, submit modals, read."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_discord import invoke, messages, threads
from local_discord.component_rules import SELECTS, walk
from local_discord.errors import ApiError
from local_discord.feed import PATIENCE_SECONDS, Feed
from local_discord.interactions import Interactions
from local_discord.invoke import ActionRefused
from local_discord.model import (
    Channel,
    Event,
    Guild,
    Interaction,
    InteractionType,
    Json,
    Message,
    Upload,
    User,
)
from local_discord.payloads import emoji_payload, event_payload, message_payload
from local_discord.permissions import Permission
from local_discord.world import World

Place = Channel | int | str
"""A channel, its id, or its name (`"general"`)."""


class Person(Feed):
    """One person and their client. Actions raise ActionRefused if Discord would not allow them."""

    def __init__(self, people: "People", user: User) -> None:
        super().__init__(user.global_name or user.username)
        self.user = user
        self._people = people
        self._world = people.world

    @property
    def id(self) -> int:
        return self.user.id

    # Actions

    async def say(
        self,
        where: Place,
        content: str = "",
        *,
        files: Sequence[Upload] = (),
        reply_to: Message | int | None = None,
        nonce: str | None = None,
        extras: Json | None = None,
    ) -> Message:
        """Writes a message. `extras`: a `poll`, `sticker_items` or `message_snapshots`, as Discord sends them."""
        channel = self._writable(where)
        self.act()
        payload: Json = {
            "content": content,
            "nonce": nonce,
            "enforce_nonce": nonce is not None,
            **(extras or {}),
        }
        if reply_to is not None:
            payload["message_reference"] = {"message_id": str(_id(reply_to))}
        if channel.is_thread:
            if channel.archived and channel.locked and not self._may(channel, Permission.MANAGE_THREADS):
                raise ActionRefused(f"#{channel.name} is locked")
            joining = self.user.id not in channel.thread_members
        else:
            joining = False
        try:
            message = messages.create(self._world, channel, self.user, payload, dict(enumerate(files)))
        except ApiError as error:
            raise ActionRefused(error.sentence()) from error
        if joining:
            threads.add_to_thread(self._world, channel, self.user)
        return message

    async def edit(self, message: Message | int, content: str, *, where: Place | None = None) -> Message:
        """Edits an own message."""
        found = self._message(message, where)
        if found.author is not self.user:
            raise ActionRefused("people can edit only their own messages")
        self.act()
        try:
            return messages.edit(self._world, found, {"content": content})
        except ApiError as error:
            raise ActionRefused(error.sentence()) from error

    async def delete(self, message: Message | int, *, where: Place | None = None) -> None:
        """Deletes an own message or, as a moderator, any message. An ephemeral message is dismissed."""
        found = self._message(message, where)
        channel = self._world.channel(found.channel_id)
        if not (
            found.author is self.user or found.ephemeral or self._may(channel, Permission.MANAGE_MESSAGES)
        ):
            raise ActionRefused("people can delete only their own messages")
        self.act()
        messages.delete(self._world, found)

    async def typing(self, where: Place) -> None:
        """Starts the typing indicator."""
        channel = self._writable(where)
        self._people.type(self.user, channel)

    async def react(self, message: Message | int, emoji: str, *, where: Place | None = None) -> None:
        """Adds a reaction."""
        found = self._message(message, where)
        self.act()
        self._people.react(self.user, found, emoji)

    async def direct(self) -> Channel:
        """The direct-message channel with the bot."""
        return self._world.open_dm(self.user)

    async def slash(
        self,
        where: Place,
        command: str,
        options: Mapping[str, Any] | None = None,
        *,
        nonce: str | None = None,
    ) -> Interaction:
        """Uses a slash command with its full name: `slash("general", "role give", {"to": "42"})`.

        Names may also be those in the language of this person's client.
        """
        channel = self._visible(where)
        data, name = invoke.command_data(self._world, self.user, channel, command, options or {})
        return self._start(channel, InteractionType.COMMAND, data, name=name, nonce=nonce)

    async def autocomplete(
        self,
        where: Place,
        command: str,
        options: Mapping[str, Any],
        focused: str,
        *,
        nonce: str | None = None,
    ) -> list[Json]:
        """The choices the bot offers for the option being typed."""
        channel = self._visible(where)
        data, name = invoke.command_data(self._world, self.user, channel, command, options, focused=focused)
        started = self._start(channel, InteractionType.AUTOCOMPLETE, data, name=name, nonce=nonce)
        assert started.choices
        return await started.choices

    async def press(
        self,
        message: Message | int,
        custom_id: str,
        values: Sequence[str] | None = None,
        *,
        where: Place | None = None,
        nonce: str | None = None,
    ) -> Interaction:
        """Presses a button or, with `values`, chooses in a select menu."""
        found = self._message(message, where)
        channel = self._world.channel(found.channel_id)
        data = invoke.component_data(self._world, channel, found, custom_id, list(values) if values else None)
        return self._start(channel, InteractionType.COMPONENT, data, message=found, nonce=nonce)

    async def press_labelled(
        self, message: Message | int, label: str, *, where: Place | None = None
    ) -> Interaction:
        """Presses the button that has this label."""
        found = self._message(message, where)
        for component in walk(found.components):
            if component.get("label") == label and component["type"] not in SELECTS:
                return await self.press(found, component["custom_id"])
        raise ActionRefused(f"the message has no button {label!r}")

    async def submit_modal(
        self, opened: Json | int, fields: Mapping[str, Any], *, nonce: str | None = None
    ) -> Interaction:
        """Submits a modal: `opened` is the data of MODAL_OPEN, `fields` are the values by custom id."""
        opener_id = opened if isinstance(opened, int) else int(opened["interaction_id"])
        try:
            opener = self._people.interactions.opened_modal(opener_id, self.user)
        except LookupError as error:
            raise ActionRefused(str(error)) from error
        assert opener.modal
        data = invoke.modal_data(self._world, opener.channel, opener.modal, fields)
        return self._start(
            opener.channel,
            InteractionType.MODAL,
            data,
            message=opener.message,
            nonce=nonce,
            opened_by=opener,
        )

    def _start(self, channel: Channel, type: InteractionType, data: Json, **about: Any) -> Interaction:
        self.act()
        return self._people.interactions.start(self.user, channel, type, data, **about)

    # Reading

    def channels(self) -> list[Channel]:
        """The channels and threads this person can see."""
        return self._world.visible_channels(self.user.id)

    def commands(self, where: Place) -> list[Json]:
        """The slash commands offered in a channel, in the language of this person's client."""
        found = invoke.usable_commands(self._world, self.user, self._visible(where))
        return [invoke.localised(command, self.user.locale) for command in found]

    def history(self, where: Place) -> list[Message]:
        """The channel's messages as this person sees them, oldest first."""
        channel = self._visible(where)
        if not self._may(channel, Permission.READ_MESSAGE_HISTORY):
            return []
        held = self._world.messages[channel.id].values()
        return [message for message in held if message.seen_by in (None, self.user.id)]

    def payload(self, message: Message) -> Json:
        """A message as this person's client receives it."""
        return message_payload(self._world, message, viewer=self.user.id)

    async def wait_message(
        self,
        check: Callable[[Message], Any] = lambda _: True,
        *,
        where: Place | None = None,
        timeout: float = PATIENCE_SECONDS,
        since: int | None = None,
    ) -> Message:
        """The next message from the bot, new or edited and not "thinking", that passes `check`."""
        place = None if where is None else self._people.place(where).id
        bot = str(self._world.app.user.id)

        def fits(data: Json) -> bool:
            if data["author"]["id"] != bot or place not in (None, int(data["channel_id"])):
                return False
            found = self._world.messages.get(int(data["channel_id"]), {}).get(int(data["id"]))
            return found is not None and not data["flags"] & 128 and bool(check(found))

        data = await self.wait_for(("MESSAGE_CREATE", "MESSAGE_UPDATE"), fits, timeout=timeout, since=since)
        return self._world.message(int(data["channel_id"]), int(data["id"]), ephemeral=True)

    async def wait_modal(self, *, timeout: float = PATIENCE_SECONDS) -> Json:
        """The modal that the person's last action opened."""
        return await self.wait_for("MODAL_OPEN", timeout=timeout)

    def _may(self, channel: Channel, permission: Permission) -> bool:
        return self._world.may(self.user.id, channel, permission)

    def _visible(self, where: Place) -> Channel:
        channel = self._people.place(where)
        if not self._may(channel, Permission.VIEW_CHANNEL):
            raise ActionRefused(f"{self.name} cannot see that channel")
        return channel

    def _writable(self, where: Place) -> Channel:
        channel = self._visible(where)
        needed = Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
        if not self._may(channel, needed):
            raise ActionRefused(f"{self.name} may not write in #{channel.name}")
        return channel

    def _message(self, message: Message | int, where: Place | None) -> Message:
        wanted = _id(message)
        if isinstance(message, Message):
            places = [message.channel_id]
        elif where is not None:
            places = [self._people.place(where).id]
        else:
            places = list(self._world.messages)
        for place in places:
            found = self._world.messages.get(place, {}).get(wanted)
            channel = self._world.channels.get(place)
            if found and channel and found.seen_by in (None, self.user.id):
                self._visible(channel)
                return found
        raise ActionRefused("that message does not exist")


class People:
    """All people and their clients."""

    def __init__(self, world: World, interactions: Interactions, guild: Guild) -> None:
        self.world = world
        self.interactions = interactions
        self.guild = guild
        self._persons: dict[int, Person] = {}
        self._unlisten = world.listen(self._spread)

    async def join(
        self,
        name: str,
        guild: Guild | None = None,
        *,
        moderator: bool = False,
        administrator: bool = False,
        locale: str = "en-US",
    ) -> Person:
        """Adds a person to the guild. `locale`: the language of their client."""
        user = self.world.join(name, guild or self.guild, moderator=moderator, administrator=administrator)
        user.locale = locale
        return self.person(user)

    async def leave(self, person: Person, guild: Guild | None = None) -> None:
        """Removes a person from the guild."""
        self.world.leave(person.user, guild or self.guild)

    def person(self, user: User) -> Person:
        """The client of an existing person."""
        if user.id not in self._persons:
            self._persons[user.id] = Person(self, user)
        return self._persons[user.id]

    def place(self, where: Place) -> Channel:
        if isinstance(where, Channel):
            return where
        if isinstance(where, int):
            if where not in self.world.channels:
                raise ActionRefused("that channel does not exist")
            return self.world.channels[where]
        return self.world.channel_named(where)

    def type(self, user: User, channel: Channel) -> None:
        """Sends the event that a person or the bot is typing."""
        data: Json = {"channel_id": str(channel.id), "user_id": str(user.id), "timestamp": int(time.time())}
        if channel.guild_id:
            data["guild_id"] = str(channel.guild_id)
        self.world.emit(Event("TYPING_START", data, channel.guild_id, channel))

    def react(self, user: User, message: Message, emoji: str, *, remove: bool = False) -> None:
        """Adds or removes a reaction; `emoji` in its REST form."""
        users = message.reactions.setdefault(emoji, [])
        if (user.id in users) is not remove:
            if not users:
                del message.reactions[emoji]
            return
        users.remove(user.id) if remove else users.append(user.id)
        if not users:
            del message.reactions[emoji]
        channel = self.world.channel(message.channel_id)
        data: Json = {
            "user_id": str(user.id),
            "channel_id": str(channel.id),
            "message_id": str(message.id),
            "emoji": emoji_payload(emoji),
            "type": 0,
            "burst": False,
        }
        if channel.guild_id:
            data["guild_id"] = str(channel.guild_id)
        if not remove:
            data["message_author_id"] = str(message.author.id)
        name = "MESSAGE_REACTION_REMOVE" if remove else "MESSAGE_REACTION_ADD"
        self.world.emit_channel(name, channel, data)

    def tell_commands(self) -> None:
        """Tells all clients that the offered commands have changed."""
        self.world.emit(Event("COMMANDS_UPDATE", {}, self.guild.id, to_app=False))

    def stop(self) -> None:
        self._unlisten()
        for person in self._persons.values():
            person.leave()

    def _spread(self, event: Event) -> None:
        told = [person for user_id, person in self._persons.items() if self.world.audience(event, user_id)]
        data = event_payload(self.world, event) if told else {}
        for person in told:
            person.tell(event.name, data)


def _id(message: Message | int) -> int:
    return message if isinstance(message, int) else message.id

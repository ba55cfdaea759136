"""Interactions from a person's action to the last follow-up: tokens, time limits and answers."""

import asyncio
import secrets
from typing import Any

from local_discord import messages
from local_discord.component_rules import modal_problems, settle
from local_discord.errors import ApiError, Problem, bad_length, invalid_form, required, unknown
from local_discord.message_rules import MAX_FILE_BYTES
from local_discord.model import (
    Callback,
    Channel,
    Event,
    Interaction,
    InteractionType,
    Json,
    Message,
    MessageFlag,
    MessageType,
    Upload,
    User,
)
from local_discord.payloads import channel_payload, member_payload, message_payload, user_payload
from local_discord.world import World

ANSWER_FLAGS = messages.SENDER_FLAGS | MessageFlag.EPHEMERAL
KEPT = 5000


class Interactions:
    """`response_window` seconds for the first answer, `token_lifetime` seconds for everything after it."""

    def __init__(self, world: World, *, response_window: float = 3.0, token_lifetime: float = 900.0) -> None:
        self.world = world
        self.response_window = response_window
        self.token_lifetime = token_lifetime
        self._by_id: dict[int, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}

    # From people to the application

    def start(
        self,
        user: User,
        channel: Channel,
        type: InteractionType,
        data: Json,
        *,
        message: Message | None = None,
        name: str | None = None,
        nonce: str | None = None,
        opened_by: Interaction | None = None,
    ) -> Interaction:
        """Sends an interaction to the application and starts its timers."""
        loop = asyncio.get_running_loop()
        made = Interaction(
            self.world.snowflakes.next(),
            secrets.token_urlsafe(48),
            type,
            user,
            channel,
            data,
            loop.time(),
            nonce,
            message,
            name,
            opened_by=opened_by,
        )
        if type is InteractionType.AUTOCOMPLETE:
            made.choices = loop.create_future()
        self._by_id[made.id] = made
        self._by_token[made.token] = made
        while len(self._by_id) > KEPT:
            oldest = self._by_id.pop(next(iter(self._by_id)))
            self._by_token.pop(oldest.token, None)
        made.timer = loop.call_later(self.response_window, self._give_up, made)
        self.world.emit(
            Event("INTERACTION_CREATE", self._payload(made), channel.guild_id, channel, to_people=False)
        )
        return made

    def _give_up(self, interaction: Interaction) -> None:
        interaction.expired = True
        if interaction.choices and not interaction.choices.done():
            interaction.choices.set_result([])
        self._tell(interaction, "INTERACTION_FAILED", {"reason": "The application did not respond"})

    def _tell(self, interaction: Interaction, name: str, more: Json | None = None) -> None:
        data = {"id": str(interaction.id), "nonce": interaction.nonce} | (more or {})
        self.world.emit(Event(name, data, users=frozenset({interaction.user.id}), to_app=False))

    def stop(self) -> None:
        """Cancels all timers."""
        for interaction in self._by_id.values():
            if interaction.timer:
                interaction.timer.cancel()

    def _payload(self, interaction: Interaction) -> Json:
        world, channel, user = self.world, interaction.channel, interaction.user
        payload: Json = {
            "id": str(interaction.id),
            "application_id": str(world.app.id),
            "type": int(interaction.type),
            "token": interaction.token,
            "version": 1,
            "data": interaction.data,
            "channel_id": str(channel.id),
            "channel": channel_payload(channel)
            | {"permissions": str(int(world.permissions(user.id, channel)))},
            "locale": user.locale,
            "app_permissions": str(int(world.permissions(world.app.user.id, channel))),
            "entitlements": [],
            "entitlement_sku_ids": [],
            "authorizing_integration_owners": self._owners(channel),
            "context": 0 if channel.guild_id else 1,
            "attachment_size_limit": MAX_FILE_BYTES,
        }
        if channel.guild_id:
            guild = world.guilds[channel.guild_id]
            member = guild.members[user.id]
            payload |= {
                "guild_id": str(guild.id),
                "guild": {"id": str(guild.id), "locale": guild.locale, "features": []},
                "guild_locale": guild.locale,
                "member": member_payload(member, permissions=world.permissions(user.id, channel)),
            }
        else:
            payload["user"] = user_payload(user)
        if interaction.message:
            payload["message"] = message_payload(world, interaction.message)
        return payload

    def _owners(self, channel: Channel) -> Json:
        return {"0": str(channel.guild_id or 0)}

    def _metadata(self, interaction: Interaction) -> Json:
        metadata: Json = {
            "id": str(interaction.id),
            "type": int(interaction.type),
            "user": user_payload(interaction.user),
            "authorizing_integration_owners": self._owners(interaction.channel),
        }
        if interaction.type is InteractionType.COMMAND:
            metadata |= {"name": interaction.name, "command_type": interaction.data.get("type", 1)}
        original = interaction.original
        if original and original.type is MessageType.COMMAND:
            metadata["original_response_message_id"] = str(original.id)
        if interaction.type is InteractionType.COMPONENT and interaction.message:
            metadata["interacted_message_id"] = str(interaction.message.id)
        if interaction.opened_by:
            metadata["triggering_interaction_metadata"] = self._metadata(interaction.opened_by)
        return metadata

    # The application's first answer

    def respond(self, interaction_id: int, token: str, body: Json, uploads: dict[int, Upload]) -> Json:
        """Handles a callback; gives the body for `with_response`."""
        interaction = self._by_id.get(interaction_id)
        if interaction is None or interaction.token != token or interaction.expired:
            raise unknown("interaction")
        if interaction.answered:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        kind = self._kind(interaction, body)
        data: Json = body.get("data") or {}
        message = self._answer(interaction, kind, data, uploads)
        interaction.answered = kind
        if interaction.timer:
            interaction.timer.cancel()
        self._tell(interaction, "INTERACTION_ACK")
        if kind is Callback.MODAL:
            opened = {
                "interaction_id": str(interaction.id),
                "channel_id": str(interaction.channel.id),
                "custom_id": data["custom_id"],
                "title": data["title"],
                "components": data["components"],
            }
            self._tell(interaction, "MODAL_OPEN", opened)
        return self._callback_result(interaction, kind, message)

    def _kind(self, interaction: Interaction, body: Json) -> Callback:
        allowed = {
            InteractionType.COMMAND: {Callback.MESSAGE, Callback.DEFER_MESSAGE, Callback.MODAL},
            InteractionType.COMPONENT: {
                Callback.MESSAGE,
                Callback.DEFER_MESSAGE,
                Callback.DEFER_UPDATE,
                Callback.UPDATE,
                Callback.MODAL,
            },
            InteractionType.AUTOCOMPLETE: {Callback.AUTOCOMPLETE},
            InteractionType.MODAL: {Callback.MESSAGE, Callback.DEFER_MESSAGE, Callback.DEFER_UPDATE},
        }[interaction.type]
        if interaction.type is InteractionType.MODAL and interaction.message:
            allowed = allowed | {Callback.UPDATE}
        if body.get("type") not in allowed:
            values = ", ".join(str(int(kind)) for kind in sorted(allowed))
            raise invalid_form(
                [Problem(("type",), "BASE_TYPE_CHOICES", f"Value must be one of {{{values}}}.")]
            )
        return Callback(body["type"])

    def _answer(
        self, interaction: Interaction, kind: Callback, data: Json, uploads: dict[int, Upload]
    ) -> Message | None:
        if kind in (Callback.MESSAGE, Callback.DEFER_MESSAGE):
            interaction.original = self._send(interaction, data, uploads, kind is Callback.DEFER_MESSAGE)
            return interaction.original
        if kind in (Callback.DEFER_UPDATE, Callback.UPDATE):
            interaction.original = interaction.message
            if kind is Callback.UPDATE and interaction.message:
                messages.edit(self.world, interaction.message, data, uploads, within=("data",))
            return interaction.message
        if kind is Callback.MODAL:
            if problems := list(modal_problems(data)):
                raise invalid_form(problems)
            settle(data["components"])
            interaction.modal = data
        elif interaction.choices and not interaction.choices.done():
            interaction.choices.set_result(_choices(data))
        return None

    def _send(
        self, interaction: Interaction, data: Json, uploads: dict[int, Upload], loading: bool
    ) -> Message:
        flags = int(data.get("flags") or 0)
        if loading and flags & ~MessageFlag.EPHEMERAL:
            path = ("data", "flags")
            raise invalid_form(
                [Problem(path, "MESSAGE_FLAGS_INVALID", "Only the ephemeral flag can be set.")]
            )
        ephemeral = flags & MessageFlag.EPHEMERAL
        command = interaction.type is InteractionType.COMMAND
        return messages.create(
            self.world,
            interaction.channel,
            self.world.app.user,
            {} if loading else data,
            uploads,
            type=MessageType.COMMAND if command else MessageType.DEFAULT,
            extra_flags=int(ephemeral) | (MessageFlag.LOADING if loading else 0),
            allowed_flags=int(ANSWER_FLAGS),
            seen_by=interaction.user.id if ephemeral else None,
            interaction_metadata=self._metadata(interaction),
            webhook=(self.world.app.id, self.world.app.id),
            within=("data",),
        )

    def _callback_result(self, interaction: Interaction, kind: Callback, message: Message | None) -> Json:
        about: Json = {"id": str(interaction.id), "type": int(interaction.type)}
        resource: Json = {"type": int(kind)}
        if message:
            about |= {
                "response_message_id": str(message.id),
                "response_message_loading": bool(message.flags & MessageFlag.LOADING),
                "response_message_ephemeral": message.ephemeral,
            }
            if kind is not Callback.DEFER_UPDATE:
                resource["message"] = message_payload(self.world, message)
        return {"interaction": about, "resource": resource}

    # Follow-ups and edits through the interaction's webhook

    def of_token(self, webhook_id: str, token: str) -> Interaction:
        """The interaction of a webhook token, if it has been answered and has not expired."""
        interaction = self._by_token.get(token)
        if interaction is None or webhook_id != str(self.world.app.id):
            raise ApiError(401, 50027, "Invalid Webhook Token")
        if asyncio.get_running_loop().time() - interaction.created > self.token_lifetime:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        if interaction.answered is None:
            raise unknown("webhook")
        return interaction

    def find(self, interaction: Interaction, message_id: str) -> Message:
        """`@original` or one of the interaction's own messages."""
        original = interaction.original
        if message_id == "@original" or (original and message_id == str(original.id)):
            found = original
        else:
            found = interaction.followups.get(int(message_id)) if message_id.isdigit() else None
        if found is None or found.id not in self.world.messages.get(found.channel_id, {}):
            raise unknown("message")
        return found

    def follow_up(self, interaction: Interaction, payload: Json, uploads: dict[int, Upload]) -> Message:
        """Sends a follow-up. The first one after a deferred answer replaces that answer."""
        original = interaction.original
        if original and original.flags & MessageFlag.LOADING:
            flags = int(payload.get("flags") or 0) & ~MessageFlag.EPHEMERAL
            return messages.edit(self.world, original, {**payload, "flags": flags}, uploads)
        flags = int(payload.get("flags") or 0)
        ephemeral = flags & MessageFlag.EPHEMERAL
        message = messages.create(
            self.world,
            interaction.channel,
            self.world.app.user,
            payload,
            uploads,
            allowed_flags=int(ANSWER_FLAGS),
            extra_flags=int(ephemeral),
            seen_by=interaction.user.id if ephemeral else None,
            interaction_metadata=self._metadata(interaction),
            webhook=(self.world.app.id, self.world.app.id),
        )
        interaction.followups[message.id] = message
        return message

    def opened_modal(self, interaction_id: int, user: User) -> Interaction:
        """The interaction that was answered with a modal, for the person who sees it."""
        interaction = self._by_id.get(interaction_id)
        if interaction is None or interaction.modal is None or interaction.user is not user:
            raise LookupError("there is no such open modal")
        return interaction


def _choices(data: Json) -> list[Any]:
    choices = data.get("choices") or []
    path = ("data", "choices")
    problems = [bad_length(path, 0, 25)] if len(choices) > 25 else []
    for at, choice in enumerate(choices):
        if not 1 <= len(choice.get("name") or "") <= 100:
            problems.append(bad_length((*path, at, "name"), 1, 100))
        if "value" not in choice:
            problems.append(required((*path, at, "value")))
    if problems:
        raise invalid_form(problems)
    return choices

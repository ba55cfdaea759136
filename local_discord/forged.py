"""Interactions as Discord's client does not send them, but a changed or outdated one may, to test a bot's own checks.

Nothing is checked but what the payload needs: the person must be a member of the channel's guild.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from local_discord import invoke, messages
from local_discord.command_rules import CHANNEL, CHAT_INPUT, MENTIONABLE, ROLE, STRING, SUBCOMMAND, USER
from local_discord.component_rules import BUTTON, LABEL, STRING_SELECT, TEXT_INPUT
from local_discord.model import (
    Callback,
    Channel,
    Interaction,
    InteractionType,
    Json,
    Message,
    MessageFlag,
)
from local_discord.people import Person
from local_discord.server import LocalDiscord

LOOK_SECONDS = 0.005
FOLLOW_UP_SECONDS = 0.3
"""How long an answer to a form may follow its acknowledgement, where none has to."""


class Forger:
    """Sends what one service's people would not be allowed to."""

    def __init__(self, service: LocalDiscord) -> None:
        self._service = service
        self._world = service.world

    def command(
        self,
        person: Person,
        channel: Channel,
        path: str,
        options: Mapping[str, Any] | None = None,
        *,
        focused: str | None = None,
    ) -> Interaction:
        """Uses a command, whether it is offered or exists, with any options. With `focused`, asks for choices."""
        data = self._command_data(channel, path, options or {}, focused)
        type = InteractionType.COMMAND if focused is None else InteractionType.AUTOCOMPLETE
        return self._send(person, channel, type, data, name=path)

    def press(self, person: Person, channel: Channel, custom_id: str) -> Interaction:
        """Presses a button that the bot's newest message would have."""
        message = self._carrier(channel, custom_id)
        data = {"custom_id": custom_id, "component_type": BUTTON, "id": 2}
        return self._send(person, channel, InteractionType.COMPONENT, data, message=message)

    def submit(
        self, person: Person, channel: Channel, custom_id: str, fields: Mapping[str, Any]
    ) -> Interaction:
        """Submits a form that was never opened. Values are texts; lists are those of menus."""
        parts = [
            {"type": LABEL, "id": at, "component": _field(name, value)}
            for at, (name, value) in enumerate(fields.items())
        ]
        data = {"custom_id": custom_id, "components": parts}
        message = self._carrier(channel, "opened:by")
        return self._send(person, channel, InteractionType.MODAL, data, message=message)

    def _send(
        self, person: Person, channel: Channel, type: InteractionType, data: Json, **about: Any
    ) -> Interaction:
        person.act()
        return self._service.interactions.start(person.user, channel, type, data, **about)

    def _carrier(self, channel: Channel, custom_id: str) -> Message:
        """A message of the bot with a button."""
        button = {"type": BUTTON, "style": 2, "label": "x", "custom_id": "x"}
        payload = {"content": "carrier", "components": [{"type": 1, "components": [button]}]}
        message = messages.create(self._world, channel, self._world.app.user, payload)
        message.components[0]["components"][0]["custom_id"] = custom_id
        return message

    def _command_data(
        self, channel: Channel, path: str, options: Mapping[str, Any], focused: str | None
    ) -> Json:
        words = path.split()
        found = (each for each in self._world.commands[None].values() if each["name"] == words[0])
        command: Json = next(found, {"id": "1", "name": words[0]})
        node, steps = command, list[Json]()
        for word in words[1:]:
            below = (each for each in node.get("options") or () if each["name"] == word)
            node = next(below, {"name": word, "type": SUBCOMMAND})
            steps.append(node)
        kinds = {each["name"]: each["type"] for each in node.get("options") or ()}
        resolved: dict[str, Json] = {}
        given: list[Json] = []
        for name, value in options.items():
            kind, sent = kinds.get(name, STRING), value
            if kind in (USER, CHANNEL, ROLE, MENTIONABLE):
                sent = str(getattr(value, "id", value))
                with contextlib.suppress(invoke.ActionRefused):
                    invoke.resolve(self._world, channel, kind, sent, resolved)
            given.append({"name": name, "type": kind, "value": sent})
            if name == focused:
                given[-1]["focused"] = True
        for step in reversed(steps):
            given = [{"name": step["name"], "type": step["type"], "options": given}]
        data: Json = {"id": command["id"], "name": command["name"], "type": CHAT_INPUT, "options": given}
        return data | ({"resolved": resolved} if resolved else {})


async def answer_to(interaction: Interaction, seconds: float) -> str | None:
    """What the bot says to an interaction, or the title of the form that it opens; "" for an acknowledgement alone.

    None if it does not answer within so many seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    quiet_until: float | None = None
    while loop.time() < deadline:
        if interaction.modal is not None:
            return interaction.modal["title"]
        if interaction.followups:
            return next(iter(interaction.followups.values())).content
        original = interaction.original
        deferred = interaction.answered is Callback.DEFER_UPDATE
        if deferred and interaction.type is InteractionType.MODAL:
            quiet_until = quiet_until or loop.time() + FOLLOW_UP_SECONDS
            if loop.time() >= quiet_until:
                return ""
        elif (
            original is not None
            and not original.flags & MessageFlag.LOADING
            and not (deferred and original.edited_timestamp is None)
        ):
            return original.content
        await asyncio.sleep(LOOK_SECONDS)
    return None


def _field(name: str, value: Any) -> Json:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {"type": STRING_SELECT, "id": 9, "custom_id": name, "values": list(value)}
    return {"type": TEXT_INPUT, "id": 9, "custom_id": name, "value": value}

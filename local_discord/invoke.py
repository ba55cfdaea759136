"""Builds what a client sends for a command, a component or a modal, with the checks of Discord's client."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from local_discord.command_rules import (
    ATTACHMENT,
    BOOLEAN,
    CHANNEL,
    CHAT_INPUT,
    GROUP,
    INTEGER,
    MENTIONABLE,
    NUMBER,
    ROLE,
    STRING,
    SUBCOMMAND,
    USER,
)
from local_discord.component_rules import (
    BUTTON,
    LABEL,
    ROW,
    SELECTS,
    STRING_SELECT,
    TEXT_DISPLAY,
    TEXT_INPUT,
    walk,
)
from local_discord.model import Channel, Json, Message
from local_discord.model import User as Person
from local_discord.payloads import channel_payload, member_payload, role_payload, user_payload
from local_discord.permissions import Permission
from local_discord.world import World


class ActionRefused(ValueError):
    """An action that the person's client would not allow."""


def usable_commands(world: World, user: Person, channel: Channel) -> list[Json]:
    """The chat commands offered in a channel. A guild's command hides a global one of the same name."""
    found: dict[str, Json] = {}
    groups = [world.commands[None]]
    if channel.guild_id:
        groups.append(world.commands[channel.guild_id])
    for command in (c for group in groups for c in group.values()):
        if (command.get("type") or CHAT_INPUT) == CHAT_INPUT and _offered(world, command, user, channel):
            found[command["name"]] = command
    return list(found.values())


def _offered(world: World, command: Json, user: Person, channel: Channel) -> bool:
    contexts = command.get("contexts")
    if channel.guild_id is None:
        return 1 in contexts if contexts is not None else command.get("dm_permission", True)
    if contexts is not None and 0 not in contexts:
        return False
    granted = world.permissions(user.id, channel)
    if granted & Permission.ADMINISTRATOR:
        return True
    if not granted & Permission.USE_APPLICATION_COMMANDS:
        return False
    needed = command.get("default_member_permissions")
    return needed is None or (int(needed) != 0 and int(granted) & int(needed) == int(needed))


def localised(node: Json, locale: str) -> Json:
    """A command, option or choice as a client in this language shows it."""
    shown = dict(node)
    for key in ("name", "description"):
        if text := (node.get(f"{key}_localizations") or {}).get(locale):
            shown[key] = text
    for key in ("options", "choices"):
        if node.get(key):
            shown[key] = [localised(each, locale) for each in node[key]]
    return shown


def _by_name(nodes: Iterable[Json], locale: str) -> dict[str, Json]:
    """Commands or options by both names: their own, and that in a language."""
    held = list(nodes)
    return {localised(each, locale)["name"]: each for each in held} | {each["name"]: each for each in held}


def command_data(
    world: World,
    user: Person,
    channel: Channel,
    path: str,
    options: Mapping[str, Any],
    *,
    focused: str | None = None,
) -> tuple[Json, str]:
    """The `data` of a command or, with `focused`, of an autocomplete interaction, and its full name.

    Raises ActionRefused for a command that is not offered, and for missing or invalid options.
    """
    words = path.removeprefix("/").split()
    offered = _by_name(usable_commands(world, user, channel), user.locale)
    if not words or words[0] not in offered:
        raise ActionRefused(f"/{path} is not a command you can use here")
    command = offered[words[0]]
    steps, node = [], command
    for word in words[1:]:
        below = _by_name(
            (o for o in node.get("options") or [] if o["type"] in (SUBCOMMAND, GROUP)), user.locale
        )
        if word not in below:
            raise ActionRefused(f"/{path} is not a command")
        node = below[word]
        steps.append(node)
    known = {o["name"]: o for o in node.get("options") or []}
    if any(o["type"] in (SUBCOMMAND, GROUP) for o in known.values()):
        raise ActionRefused(f"/{path} needs one of {', '.join(known)}")
    resolved: dict[str, Json] = {}
    given: list[Json] = []
    names = {name: option["name"] for name, option in _by_name(known.values(), user.locale).items()}
    options = {names.get(name, name): value for name, value in options.items()}
    focused = names.get(focused, focused) if focused is not None else None
    for name, value in options.items():
        if name not in known:
            raise ActionRefused(f"/{path} has no option {name}")
        given.append(_option(world, channel, known[name], value, resolved, focused))
    missing = [o["name"] for o in known.values() if o.get("required") and o["name"] not in options]
    if missing and focused is None:
        raise ActionRefused(f"/{path} needs {', '.join(missing)}")
    for step in reversed(steps):
        given = [{"name": step["name"], "type": step["type"], "options": given}]
    data: Json = {"id": command["id"], "name": command["name"], "type": CHAT_INPUT, "options": given}
    if resolved:
        data["resolved"] = resolved
    if "guild_id" in command:
        data["guild_id"] = command["guild_id"]
    return data, " ".join([command["name"], *(step["name"] for step in steps)])


def _option(
    world: World, channel: Channel, option: Json, value: Any, resolved: dict[str, Json], focused: str | None
) -> Json:
    name, kind = option["name"], option["type"]
    if focused is not None:
        sent: Json = {"name": name, "type": kind, "value": str(value) if name == focused else value}
        return sent | ({"focused": True} if name == focused else {})
    choices = option.get("choices")
    if choices and value not in [choice["value"] for choice in choices]:
        raise ActionRefused(f"{name} must be one of {', '.join(str(c['value']) for c in choices)}")
    if kind == STRING:
        value = str(value)
        if not (option.get("min_length") or 0) <= len(value) <= (option.get("max_length") or 6000):
            raise ActionRefused(f"{name} is too short or too long")
    elif kind in (INTEGER, NUMBER):
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or (kind == INTEGER and value != int(value))
        ):
            raise ActionRefused(f"{name} must be a number")
        low, high = option.get("min_value"), option.get("max_value")
        if not (-math.inf if low is None else low) <= value <= (math.inf if high is None else high):
            raise ActionRefused(f"{name} must be from {low} to {high}")
    elif kind == BOOLEAN:
        if not isinstance(value, bool):
            raise ActionRefused(f"{name} must be true or false")
    elif kind in (USER, CHANNEL, ROLE, MENTIONABLE):
        value = str(getattr(value, "id", value))
        resolve(world, channel, kind, value, resolved)
    elif kind == ATTACHMENT:
        raise ActionRefused("this service takes no files in commands")
    return {"name": name, "type": kind, "value": value}


def resolve(world: World, channel: Channel, kind: int, value: str, resolved: dict[str, Json]) -> None:
    """Adds the object with this id to the interaction's `resolved`."""
    wanted = int(value) if value.isdigit() else 0
    guild = world.guilds.get(channel.guild_id or 0)
    if kind in (USER, MENTIONABLE) and (user := world.users.get(wanted)):
        resolved.setdefault("users", {})[value] = user_payload(user)
        if guild and (member := guild.members.get(wanted)):
            permissions = world.permissions(wanted, channel)
            resolved.setdefault("members", {})[value] = member_payload(
                member, user=False, permissions=permissions
            )
    elif kind in (ROLE, MENTIONABLE) and guild and (role := guild.roles.get(wanted)):
        resolved.setdefault("roles", {})[value] = role_payload(role)
    elif kind == CHANNEL and (place := world.channels.get(wanted)):
        permissions = {"permissions": str(int(world.permissions(world.app.user.id, place)))}
        resolved.setdefault("channels", {})[value] = channel_payload(place) | permissions
    else:
        raise ActionRefused(f"{value} does not exist here")


_SELECT_KINDS = {5: USER, 6: ROLE, 7: MENTIONABLE, 8: CHANNEL}


def component_data(
    world: World, channel: Channel, message: Message, custom_id: str, values: list[str] | None
) -> Json:
    """The `data` of a button press or of a choice in a select menu.

    Raises ActionRefused for a component that is missing or disabled, and for values that it does not offer.
    """
    found = [c for c in walk(message.components) if c.get("custom_id") == custom_id]
    if not found:
        offered = ", ".join(c["custom_id"] for c in walk(message.components) if c.get("custom_id")) or "none"
        raise ActionRefused(f"the message has no component {custom_id!r}, it has: {offered}")
    component = found[0]
    if component.get("disabled"):
        raise ActionRefused(f"{custom_id!r} is disabled")
    data: Json = {"custom_id": custom_id, "component_type": component["type"], "id": component["id"]}
    if component["type"] in SELECTS:
        data |= _chosen(world, channel, component, values or [])
    elif component["type"] != BUTTON:
        raise ActionRefused(f"{custom_id!r} cannot be pressed")
    return data


def _chosen(world: World, channel: Channel, select: Json, values: list[str]) -> Json:
    low, high = select.get("min_values", 1), select.get("max_values", 1)
    if not low <= len(values) <= high:
        raise ActionRefused(f"choose {low} to {high} values")
    if select["type"] == STRING_SELECT:
        offered = {option["value"] for option in select["options"]}
        if not set(values) <= offered:
            raise ActionRefused(f"choose among {', '.join(sorted(offered))}")
        return {"values": values}
    resolved: dict[str, Json] = {}
    for value in values:
        resolve(world, channel, _SELECT_KINDS[select["type"]], value, resolved)
    return {"values": values, "resolved": resolved}


def modal_data(world: World, channel: Channel, modal: Json, fields: Mapping[str, Any]) -> Json:
    """The `data` of a submitted modal; `fields` are values by custom id. Raises ActionRefused for invalid ones."""
    parts = [_modal_part(world, channel, part, fields) for part in modal["components"]]
    known = {c["custom_id"] for c in walk(modal["components"]) if c.get("custom_id")}
    if strangers := set(fields) - known:
        raise ActionRefused(f"the modal has no field {', '.join(sorted(strangers))}")
    return {"custom_id": modal["custom_id"], "components": parts}


def _modal_part(world: World, channel: Channel, part: Json, fields: Mapping[str, Any]) -> Json:
    if part["type"] == ROW:
        filled = [_field(world, channel, c, fields) for c in part["components"]]
        return {"type": ROW, "id": part["id"], "components": filled}
    if part["type"] == LABEL:
        return {
            "type": LABEL,
            "id": part["id"],
            "component": _field(world, channel, part["component"], fields),
        }
    return {"type": TEXT_DISPLAY, "id": part["id"]}


def _field(world: World, channel: Channel, field: Json, fields: Mapping[str, Any]) -> Json:
    name = field["custom_id"]
    sent: Json = {"type": field["type"], "id": field["id"], "custom_id": name}
    wanted = field.get("required", True)
    if field["type"] == TEXT_INPUT:
        text = str(fields.get(name, field.get("value") or ""))
        if wanted and not text:
            raise ActionRefused(f"{name} must be filled in")
        if text and not (field.get("min_length") or 0) <= len(text) <= (field.get("max_length") or 4000):
            raise ActionRefused(f"{name} is too short or too long")
        return sent | {"value": text}
    value = fields.get(name)
    if field["type"] in SELECTS:
        values = [value] if isinstance(value, str) else list(value or [])
        if not values and not wanted:
            return sent | {"values": []}
        return sent | _chosen(world, channel, field, values)
    if isinstance(value, bool) or field["type"] == 23:
        return sent | {"value": bool(value)}
    if field["type"] == 21:
        return sent | {"value": value}
    return sent | {"values": list(value or [])}

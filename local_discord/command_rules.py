"""Discord's limits on application commands, and the payload of a registered command."""

import re
from collections.abc import Iterator
from typing import Any

from local_discord.errors import ApiError, Problem, bad_length, invalid_form
from local_discord.model import Json

Path = tuple[str | int, ...]

NAME = re.compile(r"^[-_'\w]{1,32}$")
SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = range(
    1, 12
)
CHAT_INPUT = 1


def registered(
    command: Json, command_id: int, application_id: int, guild_id: int | None, version: int
) -> Json:
    """The payload that Discord returns for a command."""
    kept = {key: value for key, value in command.items() if value is not None}
    payload: Json = {
        "type": CHAT_INPUT,
        "description": "",
        "default_member_permissions": None,
        "dm_permission": True,
        "nsfw": False,
        "contexts": None,
        "integration_types": [0],
        "name_localizations": None,
        "description_localizations": None,
    }
    payload |= kept | {
        "id": str(command_id),
        "application_id": str(application_id),
        "version": str(version),
    }
    if payload["default_member_permissions"] is not None:
        payload["default_member_permissions"] = str(payload["default_member_permissions"])
    if guild_id is not None:
        payload["guild_id"] = str(guild_id)
    return payload


def check_command(command: Any, path: Path = ()) -> None:
    """Raises the error that Discord would answer to this command."""
    problems = list(_command_problems(command, path))
    if problems:
        raise invalid_form(problems)


def check_commands(commands: Any) -> None:
    """Raises the error that Discord would answer to this list of commands."""
    if not isinstance(commands, list):
        raise invalid_form([Problem((), "BASE_TYPE_LIST", "Only list is valid")])
    problems = [p for at, command in enumerate(commands) for p in _command_problems(command, (at,))]
    if problems:
        raise invalid_form(problems)
    names = [(command.get("type") or CHAT_INPUT, command.get("name")) for command in commands]
    if len(set(names)) < len(names):
        twice = Problem((), "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
        raise invalid_form([twice])
    if sum(kind == CHAT_INPUT for kind, _ in names) > 100:
        raise ApiError(400, 30032, "Maximum number of application commands reached (100)")


def _size(node: Json) -> int:
    texts = [node.get("name") or "", node.get("description") or ""]
    texts += [str(c.get("name", "")) + str(c.get("value", "")) for c in node.get("choices") or []]
    return sum(map(len, texts)) + sum(_size(option) for option in node.get("options") or [])


def _command_problems(command: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(command, dict):
        yield Problem(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        return
    kind = command.get("type") or CHAT_INPUT
    if kind == CHAT_INPUT:
        yield from _named(command, path)
        yield from _options_problems(command.get("options") or [], path, depth=0)
        if _size(command) > 8000:
            yield Problem(path, "APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (8000)")
    elif not 1 <= len(command.get("name") or "") <= 32:
        yield bad_length((*path, "name"), 1, 32)


def _named(node: Json, path: Path) -> Iterator[Problem]:
    name = node.get("name") or ""
    if not NAME.match(name) or name != name.lower():
        yield Problem(
            (*path, "name"),
            "APPLICATION_COMMAND_INVALID_NAME",
            "Command name is invalid",
        )
    for locale, text in (node.get("name_localizations") or {}).items():
        if not NAME.match(text) or text != text.lower():
            yield Problem(
                (*path, "name_localizations", locale),
                "APPLICATION_COMMAND_INVALID_NAME",
                "Command name is invalid",
            )
    if not 1 <= len(node.get("description") or "") <= 100:
        yield bad_length((*path, "description"), 1, 100)
    for locale, text in (node.get("description_localizations") or {}).items():
        if not 1 <= len(text) <= 100:
            yield bad_length((*path, "description_localizations", locale), 1, 100)


def _options_problems(options: list[Json], path: Path, depth: int) -> Iterator[Problem]:
    if len(options) > 25:
        yield bad_length((*path, "options"), 0, 25)
    names = [option.get("name") for option in options]
    if len(set(names)) < len(names):
        yield Problem(
            (*path, "options"),
            "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS",
            "Option name already exists",
        )
    nested = [option.get("type") in {SUBCOMMAND, GROUP} for option in options]
    if any(nested) and not all(nested):
        yield Problem(
            (*path, "options"),
            "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
            "Sub-command and sub-command group option types are mutually exclusive to all other types",
        )
    optional = False
    for at, option in enumerate(options):
        inner = (*path, "options", at)
        kind = option.get("type")
        yield from _named(option, inner)
        if kind not in range(SUBCOMMAND, ATTACHMENT + 1):
            yield Problem((*inner, "type"), "BASE_TYPE_CHOICES", "This option type does not exist.")
        elif kind in {SUBCOMMAND, GROUP}:
            if depth >= 2 or (kind == GROUP and depth):
                yield Problem(
                    (*inner, "type"),
                    "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
                    "Sub-commands cannot be nested this deep",
                )
            yield from _options_problems(option.get("options") or [], inner, depth + 1)
        else:
            if option.get("required") and optional:
                yield Problem(
                    (*inner, "required"),
                    "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                    "Required options must be placed before non-required options",
                )
            optional = optional or not option.get("required")
            yield from _choice_problems(option, inner)


def _choice_problems(option: Json, path: Path) -> Iterator[Problem]:
    choices = option.get("choices") or []
    if len(choices) > 25:
        yield bad_length((*path, "choices"), 0, 25)
    if choices and option.get("autocomplete"):
        yield Problem(
            (*path, "autocomplete"),
            "APPLICATION_COMMAND_AUTOCOMPLETE_CHOICES",
            "Choices and autocomplete exclude each other",
        )
    for at, choice in enumerate(choices):
        if not 1 <= len(choice.get("name") or "") <= 100:
            yield bad_length((*path, "choices", at, "name"), 1, 100)
        if isinstance(choice.get("value"), str) and len(choice["value"]) > 100:
            yield bad_length((*path, "choices", at, "value"), 0, 100)

"""The base classes of the features' cogs, for a bot of somebody else's too.

Commands are answered in the language of the person, and errors with a sentence. Options are checked again: what Discord
knows of a command may be older than the bot, and its limits are not to be relied on.
"""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.language import speak
from bot.respond import answer_error
from games.words import storable


class _Answering:
    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Speak the person's language from here on. Raises CommandSignatureMismatch for options that do not fit."""
        speak(interaction.locale)
        command = interaction.command
        if isinstance(command, app_commands.Command):
            given = dict(iter(interaction.namespace))
            known = {parameter.display_name: parameter for parameter in command.parameters}
            if not all(name in known and _fits(known[name], value) for name, value in given.items()):
                raise app_commands.CommandSignatureMismatch(command)
        return True

    async def cog_app_command_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        command = interaction.command.qualified_name if interaction.command else None
        await answer_error(interaction, error, command=command)


_KINDS: dict[discord.AppCommandOptionType, type | tuple[type, ...]] = {
    discord.AppCommandOptionType.string: str,
    discord.AppCommandOptionType.integer: int,
    discord.AppCommandOptionType.number: (int, float),
    discord.AppCommandOptionType.boolean: bool,
}


def _fits(parameter: app_commands.Parameter, value: Any) -> bool:
    """Whether a value is of the kind, the range and the choices of an option."""
    kind = _KINDS.get(parameter.type)
    if kind is None:  # a person or a channel, which discord.py looks up
        return True
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        return False
    if parameter.choices and value not in [choice.value for choice in parameter.choices]:
        return False
    if isinstance(value, str) and storable(value) != value:
        return False
    size = len(value) if isinstance(value, str) else value
    low, high = parameter.min_value, parameter.max_value
    return (low is None or low <= size) and (high is None or size <= high)


class Cog(_Answering, commands.Cog):
    """A feature's commands and events."""


class GroupCog(_Answering, commands.GroupCog):
    """A feature whose commands have a first word in common."""

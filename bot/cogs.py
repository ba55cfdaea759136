"""The base classes of the features' cogs, for a bot of somebody else's too.

Commands are answered in the language of the person, and errors with a sentence.
"""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.language import speak
from bot.respond import answer_error


class _Answering:
    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Speak the person's language from here on."""
        speak(interaction.locale)
        return True

    async def cog_app_command_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        command = interaction.command.qualified_name if interaction.command else None
        await answer_error(interaction, error, command=command)


class Cog(_Answering, commands.Cog):
    """A feature's commands and events."""


class GroupCog(_Answering, commands.GroupCog):
    """A feature whose commands have a first word in common."""

"""Setting up a server, for moderators: what is missing, and where rounds are reported."""

import discord
from discord import app_commands
from discord.ext import commands

from bot import texts
from bot.app import Asked, RespectBot
from bot.permissions import NAMES, missing
from bot.respond import acknowledge, answer
from learner.protocol import PolicyError
from store.models import GuildSettings, Origin, now


class Setup(commands.Cog):
    """`/setup`."""

    def __init__(self, bot: RespectBot) -> None:
        self.bot = bot

    @app_commands.command(name="setup", description="See what I need here, and where I report rounds")
    @app_commands.describe(channel="Where I report rounds of learning, for moderators")
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def set_up(self, interaction: Asked, channel: discord.TextChannel | None = None) -> None:
        if interaction.guild is None:
            raise app_commands.NoPrivateMessage
        if not interaction.permissions.manage_guild:
            raise app_commands.MissingPermissions(["manage_guild"])
        await acknowledge(interaction, thinking=True)
        guild_id = str(interaction.guild.id)
        async with self.bot.database.async_writing() as session:
            row = await session.get(GuildSettings, guild_id) or GuildSettings(guild_id=guild_id)
            if channel is not None:
                row.moderators_channel_id = str(channel.id)
                row.updated_at = now()
                session.add(row)
        lines = self._permissions(interaction.app_permissions)
        if channel is not None:
            granted = channel.permissions_for(interaction.guild.me)
            lines.append((granted.view_channel and granted.send_messages, texts.setup_may_write(channel.id)))
        lines.append((self.bot.settings.discord.message_content, texts.SETUP_MESSAGES))
        lines.append((await self._policy_answers(), texts.SETUP_POLICY))
        if self.bot.settings.origin is Origin.DISCORD:
            permitted = bool(self.bot.settings.rounds.discord_permission)
            lines.append((permitted, texts.SETUP_TRAINING))
        await answer(interaction, texts.setup_report(lines, row.moderators_channel_id))

    def _permissions(self, granted: discord.Permissions) -> list[tuple[bool, str]]:
        lacking = set(missing(granted))
        return [(label not in lacking, label) for label in NAMES.values()]

    async def _policy_answers(self) -> bool:
        try:
            await self.bot.games.status()
        except PolicyError:
            return False
        return True


async def setup(bot: RespectBot) -> None:
    """Called by discord.py."""
    await bot.add_cog(Setup(bot))

"""`/setup`, for moderators: missing permissions, the channel for reports and the image set."""

import discord
from discord import app_commands
from discord.ext import commands

from bot import texts
from bot.errors import Refusal
from bot.permissions import NAMES, check_moderator, missing
from bot.respond import acknowledge, answer
from bot.services import BotInteraction, Services
from learner.protocol import PolicyError
from store.models import GuildSettings, Origin, now


class Setup(commands.Cog):
    """The command `/setup`."""

    def __init__(self, bot: Services) -> None:
        self.bot = bot

    @app_commands.command(name="setup", description="See what I need here, and choose figures and reports")
    @app_commands.describe(
        channel="Where I report rounds of learning, for moderators",
        images="The figures of new games here: 'classic', 'classic:N' for N of them, or 'default'",
    )
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def set_up(
        self,
        interaction: BotInteraction,
        channel: discord.TextChannel | None = None,
        images: str | None = None,
    ) -> None:
        check_moderator(interaction)
        assert interaction.guild is not None
        await acknowledge(interaction, thinking=True)
        if images is not None:
            await self._check_images(images)
        row = await self._save(str(interaction.guild.id), channel, images)
        lines = self._permissions(interaction.app_permissions)
        if channel is not None:
            granted = channel.permissions_for(interaction.guild.me)
            lines.append((granted.view_channel and granted.send_messages, texts.setup_may_write(channel.id)))
        lines.append((self.bot.settings.discord.message_content, texts.SETUP_MESSAGES))
        lines.append((await self._policy_answers(), texts.SETUP_POLICY))
        if self.bot.settings.origin is Origin.DISCORD:
            permitted = bool(self.bot.settings.rounds.discord_permission)
            lines.append((permitted, texts.SETUP_TRAINING))
        await answer(interaction, texts.setup_report(lines, row.moderators_channel_id, row.images))

    @set_up.autocomplete("images")
    async def offer_images(self, interaction: BotInteraction, typed: str) -> list[app_commands.Choice[str]]:
        offered = (texts.CLASSIC_IMAGES, texts.DEFAULT_IMAGES)
        return [app_commands.Choice(name=spec, value=spec) for spec in offered if spec.startswith(typed)]

    async def _check_images(self, spec: str) -> None:
        """Check an image set. Raises Refusal if games cannot be played with it.

        Sets in folders are refused, so that moderators cannot name paths on the operator's machine.
        """
        if spec == texts.DEFAULT_IMAGES:
            return
        if spec.partition(":")[0] != texts.CLASSIC_IMAGES:
            raise Refusal(texts.images_refused(spec, texts.IMAGES_TO_CHOOSE))
        try:
            await self.bot.images.open(spec)
        except (ValueError, OSError) as error:
            raise Refusal(texts.images_refused(spec, str(error))) from error

    async def _save(
        self, guild_id: str, channel: discord.TextChannel | None, images: str | None
    ) -> GuildSettings:
        async with self.bot.database.async_writing() as session:
            row = await session.get(GuildSettings, guild_id) or GuildSettings(guild_id=guild_id)
            if channel is not None:
                row.moderators_channel_id = str(channel.id)
            if images is not None:
                row.images = None if images == texts.DEFAULT_IMAGES else images
            if channel is not None or images is not None:
                row.updated_at = now()
                session.add(row)
        return row

    def _permissions(self, granted: discord.Permissions) -> list[tuple[bool, str]]:
        lacking = set(missing(granted))
        return [(label not in lacking, label) for label in NAMES.values()]

    async def _policy_answers(self) -> bool:
        try:
            await self.bot.policy.status()
        except PolicyError:
            return False
        return True

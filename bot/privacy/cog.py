"""`/privacy`, and the hooks of a host that is a Red-DiscordBot."""

import asyncio
import io
import sys

from discord import app_commands

from bot.cogs import Cog
from bot.privacy.buttons import panel
from bot.privacy.data import erase, exported, player_kept
from bot.respond import acknowledge, answer
from bot.services import BotInteraction, Services


class Privacy(Cog):
    """The command `/privacy`."""

    def __init__(self, bot: Services) -> None:
        self.bot = bot

    @app_commands.command(description="What I keep about you; agree, export or erase")
    async def privacy(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction, thinking=True)
        text, buttons = await panel(self.bot, interaction.user)
        await answer(interaction, text, view=buttons)

    async def red_get_data_for_user(self, *, user_id: int) -> dict[str, io.BytesIO]:
        """Red asks every cog for what it keeps about somebody: file name -> content."""
        player = await player_kept(self.bot, user_id)
        if player is None or player.id is None:
            return {}
        files = await asyncio.to_thread(
            exported, self.bot.database, player.id, sys.maxsize, self.bot.study.name
        )
        return {name: io.BytesIO(data) for name, data in files}

    async def red_delete_data_for_user(self, *, requester: str, user_id: int) -> None:
        """Red asks every cog to erase somebody. Who asked makes no difference: nothing is kept that must be."""
        player = await player_kept(self.bot, user_id)
        if player is not None and player.id is not None:
            await erase(self.bot, player.id)

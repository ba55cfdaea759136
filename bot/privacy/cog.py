"""`/privacy`."""

from discord import app_commands

from bot.cogs import Cog
from bot.privacy.buttons import panel
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

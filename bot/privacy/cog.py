"""`/privacy`, and the hooks of a host that is a Red-DiscordBot."""

import asyncio
import io
import sys

from discord import app_commands

from bot.cogs import Cog
from bot.privacy.buttons import panel
from bot.privacy.data import erase, exported
from bot.respond import acknowledge, answer
from bot.services import BotInteraction, Services
from store.players import known_player


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
        player_id = await self._player_id(user_id)
        if player_id is None:
            return {}
        files = await asyncio.to_thread(
            exported, self.bot.database, player_id, sys.maxsize, self.bot.study.name
        )
        return {name: io.BytesIO(data) for name, data in files}

    async def red_delete_data_for_user(self, *, requester: str, user_id: int) -> None:
        """Red asks every cog to erase somebody. Who asked makes no difference: nothing is kept that must be."""
        player_id = await self._player_id(user_id)
        if player_id is not None:
            await erase(self.bot, player_id)

    async def _player_id(self, user_id: int) -> int | None:
        async with self.bot.database.async_session() as session:
            player = await known_player(session, self.bot.settings.origin, str(user_id))
        return None if player is None else player.id

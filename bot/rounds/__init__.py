"""Rounds of learning: the console for moderators and the owner, and the schedule."""

from bot.rounds.buttons import BUTTONS
from bot.rounds.cog import Rounds
from bot.services import Services


async def setup(bot: Services) -> None:
    """Add the commands and buttons, and go on with the messages of rounds under way."""
    bot.add_dynamic_items(*BUTTONS)
    await bot.add_cog(Rounds(bot))
    await bot.console.resume()

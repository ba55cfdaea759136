"""Rounds of learning: the commands for moderators and the schedule."""

from bot.rounds.cog import Rounds
from bot.services import Services


async def setup(bot: Services) -> None:
    """Add the commands."""
    await bot.add_cog(Rounds(bot))

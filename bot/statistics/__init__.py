"""What players see of games and learning: statistics, leaderboards, replays, and lines with boards."""

from bot.services import Services
from bot.statistics.cog import Statistics


async def setup(bot: Services) -> None:
    """Add the commands."""
    await bot.add_cog(Statistics(bot))

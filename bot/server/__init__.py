"""The setup of a server."""

from bot.server.cog import Setup
from bot.services import Services


async def setup(bot: Services) -> None:
    """Add the command."""
    await bot.add_cog(Setup(bot))

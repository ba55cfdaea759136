"""The setup of a server."""

from bot.services import Services
from bot.setup.cog import Setup


async def setup(bot: Services) -> None:
    """Add the command."""
    await bot.add_cog(Setup(bot))

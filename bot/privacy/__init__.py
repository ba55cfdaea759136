"""Privacy: consent, export and erasure of a player's data."""

from bot.privacy.buttons import BUTTONS
from bot.privacy.cog import Privacy
from bot.services import Services


async def setup(bot: Services) -> None:
    """Add the command and the buttons."""
    bot.add_dynamic_items(*BUTTONS)
    await bot.add_cog(Privacy(bot))

"""What is kept about a player: consent, export, erasure."""

from bot.privacy.buttons import BUTTONS
from bot.privacy.cog import Privacy
from bot.services import Services


async def setup(bot: Services) -> None:
    """Add the command and the buttons."""
    bot.add_dynamic_items(*BUTTONS)
    await bot.add_cog(Privacy(bot))

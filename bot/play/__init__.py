"""Playing: commands, buttons, and messages in the threads of games."""

from bot.play.buttons import BUTTONS
from bot.play.cog import Play
from bot.services import Services


async def setup(bot: Services) -> None:
    """Add the commands and the buttons."""
    bot.add_dynamic_items(*BUTTONS)
    await bot.add_cog(Play(bot))

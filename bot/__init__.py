"""The Discord bot: commands, buttons, texts, running games and the schedule. The policy is a separate service.

It runs on its own (`bot.app`) or in a bot of somebody else's: `await bot.load_extension("bot")` (`bot.extension`).
"""

from typing import Any

__red_end_user_data_statement__ = (
    "This keeps the games you played with it, what you wrote in them, your choices, and your name and id. "
    "/privacy shows, exports and erases all of it."
)
"""What Red-DiscordBot shows of a cog that is installed."""


async def setup(client: Any) -> None:
    """discord.py calls this to load the extension into a `commands.Bot`."""
    from bot.extension import load

    await load(client)


async def teardown(client: Any) -> None:
    """discord.py calls this to unload the extension."""
    from bot.extension import unload

    await unload(client)

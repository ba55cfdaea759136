"""The bot as an extension of somebody else's: `await bot.load_extension("bot")`.

Settings come from the environment and from .env, as for the bot on its own. The host signs in, sends the commands to
Discord (`await bot.tree.sync()`) and serves no health page for us.
"""

import asyncio
from contextlib import AsyncExitStack
from weakref import WeakKeyDictionary

import discord
import structlog
from discord.ext import commands
from pydantic import ValidationError

from bot.errors import StartupError
from bot.plugin import Respect
from bot.resources import alone, check_images, open_database, open_policy
from bot.settings import BotSettings
from store.environment import what_is_wrong
from web.metrics import Metrics

log = structlog.get_logger(__name__)

_loaded: "WeakKeyDictionary[discord.Client, AsyncExitStack]" = WeakKeyDictionary()


async def load(client: commands.Bot) -> None:
    """Attach everything to a host. Raises StartupError, which says what to do, if it cannot run."""
    try:
        settings = BotSettings()
    except ValidationError as error:
        raise StartupError("; ".join(what_is_wrong(error))) from error
    _check_intents(client.intents, settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(alone(settings.store.data_dir))
        database = await stack.enter_async_context(open_database(settings))
        policy = await stack.enter_async_context(open_policy(settings))
        respect = Respect(client, settings, database, policy, Metrics())
        await check_images(respect.images, settings)
        await respect.study.check()
        stack.push_async_callback(respect.close)
        stack.push_async_callback(respect.detach)
        await respect.attach()
        await respect.schedule.start()
        _loaded[client] = stack.pop_all()
    if client.is_ready():
        resuming = asyncio.create_task(respect.connected(), name="respect-resume")
        _loaded[client].push_async_callback(_ended, resuming)


async def unload(client: commands.Bot) -> None:
    """Stop everything and take it from the host."""
    await _loaded.pop(client).aclose()


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _check_intents(granted: discord.Intents, settings: BotSettings) -> None:
    lacking = [name for name in ("guilds", "guild_messages") if not getattr(granted, name)]
    if lacking:
        raise StartupError(
            f"Your bot lacks the intents {', '.join(lacking)}: add them to its discord.Intents."
        )
    if settings.discord.message_content and not granted.message_content:
        raise StartupError(
            "Your bot lacks the message-content intent: add it to its discord.Intents and in the developer portal, or "
            "set RESPECT_DISCORD__MESSAGE_CONTENT=false; people then press the Describe button."
        )

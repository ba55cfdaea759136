"""The bot as a whole: its parts, its start and its stop."""

import asyncio
import math
import signal
import threading
import time
from contextlib import AsyncExitStack
from typing import Any

import discord
import sqlalchemy as sa
import structlog
from discord.ext import commands
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from bot.commands import CommandTree
from bot.connection import PORTAL, ended, log_reconnections_in_one_line, redirect
from bot.errors import DiscordTrouble, StartupError
from bot.plugin import Respect
from bot.resources import alone, check_images, open_database, open_policy
from bot.services import Policy
from bot.settings import BotSettings
from store.database import Database
from web.app import make_app, serving
from web.metrics import Metrics

log = structlog.get_logger(__name__)

SLOW_HEARTBEAT = 10.0
"""Gateway latency in seconds above which the health page reports it."""
GUILD_TIMEOUT, LOCAL_GUILD_TIMEOUT = 2.0, 0.1
"""Seconds to wait for another guild before the bot is considered ready."""
LOOP_WATCH_SECONDS = 0.05
TROUBLE_SECONDS, LONGEST_TROUBLE_SECONDS = 2.0, 60.0
"""The first pause and the longest one between attempts to start while Discord has trouble."""


class RespectBot(commands.AutoShardedBot):
    """discord.py's bot with its services, in as many shards as Discord recommends."""

    def __init__(
        self,
        settings: BotSettings,
        database: Database,
        policy: Policy,
        metrics: Metrics,
        ready: asyncio.Event | None = None,
    ) -> None:
        intents = discord.Intents(
            guilds=True,
            guild_messages=True,
            dm_messages=True,
            message_content=settings.discord.message_content,
        )
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=CommandTree,
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            guild_ready_timeout=LOCAL_GUILD_TIMEOUT if settings.discord.api else GUILD_TIMEOUT,
        )
        self.respect = Respect(self, settings, database, policy, metrics, ready)

    async def setup_hook(self) -> None:
        """Prepare everything that events need, before the gateway connection is opened.

        The features are not loaded with `load_extension`: closing the bot would remove their modules from
        `sys.modules`, and the next bot in the process would then mix classes of two copies of each module.
        """
        await self.respect.attach()
        assert isinstance(self.tree, CommandTree)
        await self.tree.sync_if_changed(self.respect.settings.store.data_dir / "commands.sha256")
        await self.respect.schedule.start()

    async def on_message(self, message: discord.Message, /) -> None:
        """Override: the bot has no text commands."""

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """An event handler failed. Log it; other handlers are not affected."""
        log.exception("event failed", discord_event=event_method)

    async def close(self) -> None:
        """Stop the rounds, the games and then the connection. Everything continues after the next start."""
        await self.respect.close()
        await super().close()

    # --- checks for the health page -----------------------------------------------------------------------

    async def check_gateway(self) -> str | None:
        """A problem of the connection to Discord, None if there is none."""
        if not self.is_ready():
            return "not connected to the gateway"
        if math.isfinite(self.latency) and self.latency > SLOW_HEARTBEAT:
            return f"the gateway answers a heartbeat after {self.latency:.0f} s"
        return None

    async def check_database(self) -> str | None:
        """A problem of the database, None if there is none. Lets database errors pass."""
        async with self.respect.database.async_session() as session:
            await session.exec(sa.text("SELECT 1 FROM game LIMIT 1"))  # pyright: ignore[reportCallIssue, reportArgumentType]
        return None

    async def check_policy(self) -> str | None:
        """A problem of the policy, None if there is none. Raises PolicyError."""
        await self.respect.policy.status()
        return None

    async def refresh_metrics(self) -> None:
        """Update the gauges."""
        self.respect.metrics.games_open.set(await self.respect.games.count_open())
        self.respect.metrics.gateway_seconds.set(self.latency)


async def serve(settings: BotSettings, *, ready: asyncio.Event | None = None) -> None:
    """Run the bot until it is cancelled or told to stop by SIGTERM.

    `ready` is set once the bot is signed in and every game has been resumed. Raises StartupError, which says
    what to do, if it cannot run.
    """
    token = settings.discord.token.get_secret_value().strip() if settings.discord.token else ""
    if not token:
        raise StartupError(
            f"RESPECT_DISCORD__TOKEN is not set: copy the token from {PORTAL} > your application > Bot "
            "into .env. To play without Discord, run `respect demo`."
        )
    if not (token.isascii() and token.isprintable()):
        raise StartupError(
            "RESPECT_DISCORD__TOKEN has characters that no token has: copy it again, on one line, "
            f"from {PORTAL} > your application > Bot."
        )
    redirect(settings)
    log_reconnections_in_one_line()
    _without_voice()
    async with AsyncExitStack() as stack:
        stack.enter_context(alone(settings.store.data_dir))
        database = await stack.enter_async_context(open_database(settings))
        stack.enter_context(_StopOnSigterm())
        policy = await stack.enter_async_context(open_policy(settings))
        metrics = Metrics()
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(DiscordTrouble),
            wait=wait_exponential(multiplier=TROUBLE_SECONDS, max=LONGEST_TROUBLE_SECONDS),
            before_sleep=_log_trouble,
        ):
            with attempt:
                first = attempt.retry_state.attempt_number == 1
                await _serve(settings, token, database, policy, metrics, ready, first)


def _log_trouble(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("Discord has trouble, it is tried again", attempt=state.attempt_number, error=str(error))


async def _serve(
    settings: BotSettings,
    token: str,
    database: Database,
    policy: Policy,
    metrics: Metrics,
    ready: asyncio.Event | None,
    first: bool,
) -> None:
    """Run a bot until it is cancelled. Raises DiscordTrouble if another one should be started."""
    async with AsyncExitStack() as stack:
        bot = RespectBot(settings, database, policy, metrics, ready)
        await check_images(bot.respect.images, settings)
        await bot.respect.study.check()
        await stack.enter_async_context(bot)  # closed at the end, whether it was started or not
        checks = {
            "database": bot.check_database,
            "gateway": bot.check_gateway,
            "policy": bot.check_policy,
        }
        try:
            pages = await stack.enter_async_context(
                serving(make_app(checks, metrics, bot.refresh_metrics), settings.web.host, settings.web.port)
            )
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "no host's name"
            raise StartupError(
                f"{settings.web.host}:{settings.web.port} cannot be listened on for the health page ({why}): set "
                "RESPECT_WEB__PORT to another port, or to 0, and RESPECT_WEB__HOST to an address of this machine."
            ) from error
        log.info("health and metrics", url=pages.url)
        watching = asyncio.create_task(_watch_loop(bot, metrics), name="loop-watch")
        stack.callback(watching.cancel)
        await _run(bot, token, first)


async def _watch_loop(bot: RespectBot, metrics: Metrics) -> None:
    """Measure how late the event loop wakes a task that sleeps, and how long it computed meanwhile.

    It begins when the bot is connected: nobody waits for one that starts.
    """
    loop, longest, busiest = asyncio.get_running_loop(), 0.0, 0.0
    while not bot.is_ready():  # noqa: ASYNC110 - discord.py's event for it is there only after the login
        await asyncio.sleep(LOOP_WATCH_SECONDS)
    while True:
        due, used = loop.time() + LOOP_WATCH_SECONDS, time.thread_time()
        await asyncio.sleep(LOOP_WATCH_SECONDS)
        longest = max(longest, loop.time() - due)
        busiest = max(busiest, time.thread_time() - used)
        metrics.stall_seconds.set(longest)
        metrics.busy_seconds.set(busiest)


def _without_voice() -> None:
    """discord.py warns at each start that voice needs more packages, unless it is told not to."""
    for warning in ("warn_nacl", "warn_dave"):  # not every version has both
        if hasattr(discord.VoiceClient, warning):
            setattr(discord.VoiceClient, warning, False)


async def _run(bot: RespectBot, token: str, first: bool) -> None:
    starting = asyncio.create_task(bot.start(token), name="discord")
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        # While it connects again, discord.py forgets that it was cancelled, but not that it was closed.
        await bot.close()
        starting.cancel()
        await asyncio.wait({starting})
        raise
    except Exception as error:
        if (meaning := ended(error, bot.respect.settings, first=first)) is None:
            raise
        raise meaning from error


class _StopOnSigterm:
    """Context manager: SIGTERM cancels the current task, unless the signal has a handler already."""

    def __enter__(self) -> None:
        self._stopped = False
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._installed = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        )
        if self._installed:
            self._loop.add_signal_handler(signal.SIGTERM, self._stop)

    def _stop(self) -> None:
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if self._installed:
            self._loop.remove_signal_handler(signal.SIGTERM)
        if self._stopped and self._task is not None and kind is asyncio.CancelledError:
            self._task.uncancel()
            return True
        return False

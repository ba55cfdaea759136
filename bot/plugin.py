"""Everything that makes a discord.py bot play and learn, attached to any `commands.Bot`."""

import asyncio
from typing import Any

import discord
import structlog
from discord.ext import commands

from bot import play, privacy, rounds, server, statistics, study
from bot.commands import CommandTree
from bot.images import ImageSets
from bot.language import english_name
from bot.play.display import BoardDisplay
from bot.play.housekeeping import Housekeeping
from bot.play.inbox import Inbox
from bot.play.opening import GameOpener
from bot.play.play_messages import PlayMessages
from bot.play.session import GameSessions
from bot.rounds.console import Console
from bot.rounds.schedule import RoundSchedule
from bot.server.audit import Audit
from bot.services import Policy, register
from bot.settings import BotSettings
from bot.statistics.learning import LearningNotes
from bot.study.running import RunningStudy
from bot.study.survey import SurveyNotes
from store.database import Database
from web.metrics import Metrics

log = structlog.get_logger(__name__)

FEATURES = (play, rounds, privacy, server, statistics, study)


class Respect:
    """The services of one bot (`bot.services.Services`), and its commands, buttons and events."""

    def __init__(
        self,
        client: commands.Bot | commands.AutoShardedBot,
        settings: BotSettings,
        database: Database,
        policy: Policy,
        metrics: Metrics,
        ready: asyncio.Event | None = None,
    ) -> None:
        """`ready` is set once the client is signed in and every game has been resumed. Raises StartupError for a study
        file that is wrong."""
        self.client = client
        self.settings = settings
        self.database = database
        self.policy = policy
        self.metrics = metrics
        self.images = ImageSets()
        self.schedule = RoundSchedule(settings, database, metrics)
        self.audit = Audit(client, database)
        self.console = Console(self)
        self.study = RunningStudy(settings, database, policy)
        notes, surveys = LearningNotes(database, settings), SurveyNotes(self.study)
        plain_messages = settings.discord.message_content
        display = BoardDisplay(client, self.images, notes, surveys, plain_messages)
        self.games = GameSessions(
            database, policy, display, metrics, settings.play.burst, self.schedule.game_finished
        )
        self.opener = GameOpener(client, settings, database, policy, self.games, self.images, self.study)
        self.inbox = Inbox(client, database, self.games, plain_messages, self.command_mention)
        self.play_messages = PlayMessages(client, database, self.images)
        self._housekeeping = Housekeeping(client, settings, database, self.games)
        self._ready = ready
        self._cogs: list[commands.Cog] = []
        self._items: list[type[discord.ui.DynamicItem[Any]]] = []

    async def attach(self) -> None:
        """Add commands, buttons and events to the client."""
        register(self.client, self)
        for feature in FEATURES:
            await feature.setup(self)
        await self.add_cog(_Events(self))

    async def close(self) -> None:
        """Stop the rounds and the games. Everything continues after the next start."""
        await self.schedule.close()
        await self._housekeeping.close()
        await self.play_messages.close()
        await self.console.close()
        await self.inbox.missed.close()
        await self.games.close()
        await self.audit.close()

    async def detach(self) -> None:
        """Take commands, buttons and events from the client."""
        for cog in self._cogs:
            await self.client.remove_cog(cog.qualified_name)
        self.client.remove_dynamic_items(*self._items)

    async def connected(self) -> None:
        """The client is signed in, for the first time or after a session was lost."""
        log.info("ready", bot=self.user.id if self.user else None, guilds=len(self.client.guilds))
        try:
            await self.inbox.missed.resume()
            self._housekeeping.start()
            self.play_messages.start()
        finally:
            if self._ready is not None:
                self._ready.set()

    # --- what features use of the client ------------------------------------------------------------------

    @property
    def user(self) -> discord.ClientUser | None:
        return self.client.user

    @property
    def application(self) -> discord.AppInfo | None:
        return self.client.application

    async def add_cog(self, cog: commands.Cog, /) -> None:
        await self.client.add_cog(cog)
        self._cogs.append(cog)

    def add_dynamic_items(self, *items: type[discord.ui.DynamicItem[Any]]) -> None:
        self.client.add_dynamic_items(*items)
        self._items.extend(items)

    def get_partial_messageable(self, id: int, *, guild_id: int | None = None) -> discord.PartialMessageable:
        return self.client.get_partial_messageable(id, guild_id=guild_id)

    def get_guild(self, id: int, /) -> discord.Guild | None:
        return self.client.get_guild(id)

    def get_channel(
        self, id: int, /
    ) -> discord.abc.GuildChannel | discord.Thread | discord.abc.PrivateChannel | None:
        return self.client.get_channel(id)

    async def fetch_user(self, user_id: int, /) -> discord.User:
        return await self.client.fetch_user(user_id)

    async def is_owner(self, user: discord.abc.User, /) -> bool:
        return await self.client.is_owner(user)  # pyright: ignore[reportArgumentType]

    def command_mention(self, typed: str) -> str | None:
        """The command that a text begins with, as a name to press; None if it begins with none."""
        tree = self.client.tree
        if isinstance(tree, CommandTree):
            return tree.mention(typed)
        name = english_name(typed.split(" ")[0].lower())
        return f"`/{name}`" if tree.get_command(name) is not None else None


class _Events(commands.Cog, name="RespectEvents"):
    """The connection's events."""

    def __init__(self, respect: Respect) -> None:
        self._respect = respect

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        await self._respect.connected()

    @commands.Cog.listener()
    async def on_disconnect(self) -> None:
        """Messages may be missed from now on."""
        self._respect.inbox.missed.disconnected()

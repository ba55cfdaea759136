"""The interface of the bot for commands, buttons and forms, so that they need not import `bot.app`."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import discord
from discord.ext import commands
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.images import ImageSets
from bot.settings import BotSettings
from games.core import Difficulty
from learner.protocol import PolicyStatus, TurnAnswer, TurnRequest
from research.study.file import StudyFile
from store.database import Database
from store.models import EndReason, PlayChannel, Round
from store.rounds import ChosenSchedule


class Policy(Protocol):
    """The policy service's client."""

    async def act(self, request: TurnRequest) -> TurnAnswer: ...

    async def finished(self, game_id: str) -> None: ...

    async def status(self) -> PolicyStatus: ...

    async def reload(self) -> PolicyStatus: ...


class Games(Protocol):
    """The running games (`bot.play.session.GameSessions`)."""

    async def say(
        self, game_id: str, text: str, message_id: str, source: str, user: discord.abc.User
    ) -> bool: ...

    async def choose(self, game_id: str, message_id: str, key: str | None) -> bool: ...

    async def give_up(self, game_id: str, reason: EndReason = ...) -> bool: ...

    async def show_again(self, game_id: str) -> None: ...

    def wake(self, game_id: str) -> None: ...


@dataclass(frozen=True)
class Wish:
    """What somebody wants to play."""

    game: str
    """The game's name."""
    team: bool = False
    """Whether everybody in the thread may instruct."""
    images: str | None = None
    """Label of an image set (`bot.images.label_of`); None, or one that is not offered, is the first that is."""
    difficulty: Difficulty | None = None


class Opener(Protocol):
    """Opens games (`bot.play.opening.GameOpener`)."""

    async def open(
        self, channel: object, user: discord.Member | discord.User, locale: str, wish: Wish
    ) -> discord.Thread: ...

    async def image_sets(self, guild_id: int) -> list[str]: ...


class Inbox(Protocol):
    """Reads the threads of games (`bot.play.inbox.Inbox`)."""

    async def message(self, message: discord.Message) -> bool: ...

    async def edited(self, message: discord.Message) -> None: ...

    async def deleted(self, channel_id: int, message_ids: set[int]) -> None: ...

    async def thread_gone(self, thread_id: int) -> None: ...

    async def channel_gone(self, channel_id: int) -> None: ...


class PlayMessages(Protocol):
    """The messages with Play buttons (`bot.play.play_messages.PlayMessages`)."""

    async def show(self, channel_id: str, *, again: bool = False) -> bool: ...

    async def remove(self, row: PlayChannel) -> None: ...

    async def deleted(self, message_ids: Collection[int]) -> None: ...

    async def channel_gone(self, channel_id: int) -> None: ...


class Audit(Protocol):
    """Writes who did what (`bot.server.audit.Audit`)."""

    def here(self, guild_id: int, line: Callable[[], str], until_now: str | None = None) -> None: ...

    def everywhere(self, line: Callable[[], str]) -> None: ...


class Schedule(Protocol):
    """Starts rounds of learning (`bot.rounds.schedule.RoundSchedule`)."""

    on_start: Callable[[Round], None] | None
    on_end: Callable[[Round], Awaitable[None]] | None
    on_game: Callable[[], Awaitable[None]] | None
    on_day: Callable[[], Awaitable[None]] | None

    @property
    def chosen(self) -> ChosenSchedule: ...

    def next_times(self, count: int) -> list[datetime]: ...

    async def choose(self, cron: str | None, by: str) -> None: ...

    async def request(self, trigger: str, requested_by: str | None = None) -> Round: ...

    async def cancel(self, round_id: int, by: str) -> Round: ...

    async def pull(self) -> None: ...


class RunningStudy(Protocol):
    """The study that the bot runs, or none (`bot.study.running.RunningStudy`)."""

    @property
    def file(self) -> StudyFile | None: ...

    @property
    def name(self) -> str | None: ...

    async def missing_questions(self, session: AsyncSession, player_id: int) -> list[str]: ...

    async def survey_page(self, player_id: int) -> int | None: ...


class RoundConsole(Protocol):
    """What people do about rounds and adapters (`bot.rounds.console.Console`)."""

    async def check(self, interaction: "BotInteraction") -> None: ...

    async def authority(self, interaction: "BotInteraction") -> str: ...

    async def base_model(self) -> str: ...

    def schedule(self) -> str: ...

    async def act(self, interaction: "BotInteraction", kind: str, argument: str = ...) -> str: ...

    async def decide(
        self, interaction: "BotInteraction", kind: str, argument: str, by: str, channel_id: int, *, yes: bool
    ) -> None: ...

    async def leave_affected(self) -> bool: ...

    async def resume(self) -> None: ...


class Services(Protocol):
    """The part of the bot (`bot.plugin.Respect`) that its features use."""

    @property
    def settings(self) -> BotSettings: ...

    @property
    def user(self) -> discord.ClientUser | None: ...

    @property
    def application(self) -> discord.AppInfo | None: ...

    @property
    def database(self) -> Database: ...

    @property
    def policy(self) -> Policy: ...

    @property
    def images(self) -> ImageSets: ...

    @property
    def games(self) -> Games: ...

    @property
    def opener(self) -> Opener: ...

    @property
    def inbox(self) -> Inbox: ...

    @property
    def play_messages(self) -> PlayMessages: ...

    @property
    def audit(self) -> Audit: ...

    @property
    def schedule(self) -> Schedule: ...

    @property
    def console(self) -> RoundConsole: ...

    @property
    def study(self) -> RunningStudy: ...

    async def fetch_user(self, user_id: int, /) -> discord.User: ...

    async def is_owner(self, user: discord.abc.User, /) -> bool: ...

    def command_mention(self, typed: str) -> str | None: ...

    def get_guild(self, id: int, /) -> discord.Guild | None: ...

    def get_channel(
        self, id: int, /
    ) -> discord.abc.GuildChannel | discord.Thread | discord.abc.PrivateChannel | None: ...

    async def add_cog(self, cog: commands.Cog, /) -> None: ...

    def add_dynamic_items(self, *items: type[discord.ui.DynamicItem[discord.ui.Item[Any]]]) -> None: ...

    def get_partial_messageable(
        self, id: int, *, guild_id: int | None = None
    ) -> discord.PartialMessageable: ...


BotInteraction = discord.Interaction[Any]
"""A command, a button press or a submitted form."""


_registered: "WeakKeyDictionary[discord.Client, Services]" = WeakKeyDictionary()


def register(client: discord.Client, services: Services) -> None:
    """Say which services a client has."""
    _registered[client] = services


def services_of(interaction: BotInteraction) -> Services:
    """The services of the client that received an interaction."""
    return _registered[interaction.client]

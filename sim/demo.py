"""The demo: the local service with its page, the real bot in a subprocess, simulated players, and rounds."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from pydantic import SecretStr
from sqlmodel import func, select

from bot.settings import BotSettings
from games.core import Outcome
from learner.examples.labels import parse_system
from learner.feedback import open_decoder
from learner.feedback.decode import decode_interactions
from learner.settings import NOVICE
from local_discord import BOT_INVITE, LocalDiscord, Permission
from local_discord.invoke import ActionRefused
from local_discord.people import Person
from sim.community import LIVELY, NAMES, CommunityMember, Pace
from sim.players import open_players
from store.database import Database
from store.environment import RENAMED, variables
from store.folder import private_file
from store.guilds import add_play_channel
from store.migrations import upgrade
from store.models import Game, Round
from store.rounds import active_round, latest_rounds
from store.settings import OWN_STORE
from store.statistics import RoundStatistics, round_statistics
from store.training import usable_interactions

log = structlog.get_logger(__name__)

CHANNEL = "play"
RESTART_SECONDS = 1.0
STOP_SECONDS = 5.0
"""Time for the bot to end before it is killed. What was interrupted is resumed at the next start."""
MAX_STARTS = 3
"""Number of exits before it is online after which the bot is given up."""
SILENT_SECONDS = 300.0
"""Seconds that the bot may log nothing while it starts."""
RESPONSE_SECONDS = 15.0
"""Seconds that an interaction waits for its answer; longer than Discord's 3 s, because training runs on the same
machine."""


class DemoError(RuntimeError):
    """The demo cannot continue; the message says where to look."""


IMAGES = "classic:40"
"""Few figures, so that each is described often enough to be learnt during a demo."""
BURST = 1.0
"""Seconds to wait for more messages of a person. It slows down simulated players, so `once` does not wait."""


@dataclass(frozen=True)
class DemoOptions:
    """Options of the demo."""

    data_dir: Path
    port: int = 8080
    games_per_round: int = 40
    players: int = 4
    player_spec: str = "people"
    seed: int = 0
    settings: BotSettings = field(default_factory=BotSettings)
    """The operator's settings, except for those of the store (`own_settings`)."""
    program: tuple[str, ...] = ("-m", "bot")
    """Python's arguments that run the bot."""

    @property
    def own_settings(self) -> BotSettings:
        """The settings with the demo's own store: never the operator's database."""
        return self.settings.changed(
            store={**OWN_STORE, "data_dir": self.data_dir}, training={"seed": self.seed}
        )


class BotProcess:
    """The real bot in a subprocess, restarted whenever it exits."""

    def __init__(self, environment: dict[str, str], log_file: Path, program: tuple[str, ...]) -> None:
        self._program = program
        self.environment = environment
        """Of its next start."""
        self.log_file = log_file
        self.process: asyncio.subprocess.Process | None = None
        self.starts = 0

    async def keep_running(self) -> None:
        """Run until cancelled, then shut the bot down."""
        try:
            while True:
                with self.log_file.open("ab") as output:
                    self.process = await asyncio.create_subprocess_exec(
                        *(sys.executable, *self._program, "--parent", str(os.getpid())),
                        env=self.environment,
                        stdout=output,
                        stderr=output,
                        start_new_session=True,  # Ctrl+C ends the demo, which then ends the bot
                    )
                self.starts += 1
                code = await self.process.wait()
                log.warning("the bot ended and is started again", code=code, log=str(self.log_file))
                await asyncio.sleep(RESTART_SECONDS)
        finally:
            await self._stop()

    async def _stop(self) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
            except TimeoutError:
                os.killpg(self.process.pid, signal.SIGKILL)  # its policy service too
                await self.process.wait()


@dataclass(eq=False)
class Demo:
    """A running demo."""

    options: DemoOptions
    service: LocalDiscord
    database: Database
    bot: BotProcess
    members: list[CommunityMember]
    moderator: Person

    @property
    def url(self) -> str:
        """URL of the page."""
        return f"{self.service.base_url}/"

    async def play_forever(self) -> None:
        """Simulated players play at a human pace, and rounds start after a number of games, until cancelled."""
        await asyncio.gather(*(member.keep_playing(CHANNEL, lambda: True) for member in self.members))

    async def play_games(self, count: int, on_finished: Callable[[int], None]) -> None:
        """Play `count` games as fast as possible; calls `on_finished` with the number of finished games."""
        begun = finished = 0

        def wanted() -> bool:
            nonlocal begun
            begun += 1
            return begun <= count

        async def play_on(member: CommunityMember) -> None:
            nonlocal finished
            while wanted():
                await member.play(CHANNEL)
                finished += 1
                on_finished(finished)

        try:
            async with asyncio.TaskGroup() as tasks:
                for member in self.members:
                    tasks.create_task(play_on(member))
        except* (ActionRefused, TimeoutError) as errors:
            told = "; ".join(str(error) for error in errors.exceptions)
            raise DemoError(f"A simulated player got no answer ({told}). See {self.bot.log_file}.") from None

    async def run_round(self, on_progress: Callable[[Round], None]) -> Round:
        """Send `/round start` as a moderator, and return the round when it has ended."""
        before = await self._last_round()
        await self.moderator.slash(CHANNEL, "round start")
        while True:
            await asyncio.sleep(0.5)
            row = await self._last_round()
            if row is None or (before is not None and row.id == before.id):
                continue
            on_progress(row)
            if row.active is None:
                return row

    async def _last_round(self) -> Round | None:
        async with self.database.async_session() as session:
            rows = await session.run_sync(lambda sync: latest_rounds(sync, 1))  # pyright: ignore[reportArgumentType]
        return rows[0] if rows else None

    def results(self) -> list[RoundStatistics]:
        """Statistics of each round. The newest games, which no round has decoded yet, are decoded first."""
        with self.database.session() as session:
            interactions = usable_interactions(session, None)
        scheme, _ = parse_system(self.options.settings.rounds.system)
        decode_interactions(self.database, interactions, open_decoder("rules", scheme))
        with self.database.session() as session:
            return round_statistics(session, scheme)

    async def counts(self) -> tuple[int, Round | None]:
        """(number of finished games, the active round)."""
        async with self.database.async_session() as session:
            games = await session.exec(
                select(func.count()).select_from(Game).where(Game.outcome != Outcome.OPEN)
            )
            row = await session.run_sync(active_round)  # pyright: ignore[reportArgumentType]
            return games.one(), row


@asynccontextmanager
async def running_demo(options: DemoOptions, once: bool = False) -> AsyncIterator[Demo]:
    """Start everything and wait until the bot is online; stop everything at the end."""
    database = Database.of(options.own_settings.store)
    await asyncio.to_thread(upgrade, database)
    pace = Pace() if once else LIVELY
    try:
        async with LocalDiscord(
            port=options.port,
            page=True,
            icon=Path(__file__).parent / "icon.svg",
            welcome="Play tangram reference games with the bot, and watch others play.",
            guild_name="Tangram Lounge",
            channels={CHANNEL: "Describe the figures, the bot finds them", "general": "Anything else"},
            bot_name="tangram-bot",
            bot_permissions=BOT_INVITE | Permission.PIN_MESSAGES,
            rate_limits=not once,
            response_window=RESPONSE_SECONDS,
        ) as service:
            async with database.async_writing() as session:  # newcomers see a button there
                guild_id, channel_id = service.guild.id, service.channel(CHANNEL).id
                await add_play_channel(session, str(guild_id), str(channel_id))
            log_file = private_file(options.data_dir / "bot.log")
            bot = BotProcess(_environment(options, service, once), log_file, options.program)
            keeper = asyncio.create_task(bot.keep_running())
            try:
                factory = open_players(options.player_spec)
                rng = random.Random(options.seed)
                members = [
                    CommunityMember(
                        await service.people.join(NAMES[i % len(NAMES)]),
                        factory,
                        database,
                        random.Random(rng.random()),
                        pace,
                    )
                    for i in range(options.players)
                ]
                moderator = await service.people.join("Moderator", moderator=True)
                await _online(service, moderator, bot, keeper)
                yield Demo(options, service, database, bot, members, moderator)
            finally:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
    finally:
        await database.aclose()


async def _online(service: LocalDiscord, person: Person, bot: BotProcess, keeper: asyncio.Task[None]) -> None:
    """Wait until the bot has registered its commands and is connected. Raises `DemoError` if it does not get
    there."""
    loop = asyncio.get_running_loop()
    written, written_at = 0, loop.time()
    while not (
        service.gateway.connected and any(known["name"] == "play" for known in person.commands(CHANNEL))
    ):
        if keeper.done():
            await keeper
        if bot.starts > MAX_STARTS:
            last = bot.log_file.read_text(errors="replace").rstrip().rpartition("\n")[2]
            raise DemoError(
                f"The bot ended {MAX_STARTS} times before it was online. The last line of {bot.log_file}: {last}"
            )
        size = bot.log_file.stat().st_size if bot.log_file.exists() else 0
        if size != written:
            written, written_at = size, loop.time()
        elif loop.time() - written_at > SILENT_SECONDS:
            raise DemoError(
                f"The bot is not online and has logged nothing for {SILENT_SECONDS:.0f} s. See {bot.log_file}."
            )
        await asyncio.sleep(0.1)


def _environment(options: DemoOptions, service: LocalDiscord, once: bool) -> dict[str, str]:
    """The bot's environment: the demo's settings and those that the bot needs in a demo."""
    chosen = {RENAMED.get(name, name) for name in variables()}
    settings = options.own_settings.changed(
        play={
            "cooldown": 0.0,
            "burst": 0.0 if once else BURST,
            **({} if "RESPECT_PLAY__IMAGES" in chosen else {"images": IMAGES}),
        },
        policy={} if "RESPECT_POLICY__MODEL" in chosen else {"model": NOVICE},
        discord={
            "token": SecretStr(service.token),
            "api": service.rest_url,
            "gateway": service.gateway_url,
            "message_content": True,
        },
        rounds={
            "every_games": 0 if once else options.games_per_round,
            "schedule": None,
            "managed_by": None,  # moderators of the page
            "elsewhere": False,  # no worker knows its database
            "cooldown": 0.0,
            "least_games": 0,
            "discord_permission": None,
        },
        web={"port": 0},
    )
    return settings.environment(BotSettings)

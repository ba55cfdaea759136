"""`respect bench chaos`: many games while Discord fails and processes are killed. Nothing may be lost or doubled.

The real bot, its policy service and its rounds run in processes of their own against the local Discord-compatible
service. While simulated players play, the gateway drops, requests fail, are slow or lose their answer, and bot, service
and round are killed. In the end every message that a player sent in a running game must be in exactly one turn.
"""

import asyncio
import contextlib
import math
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import psutil
import structlog
from sqlmodel import col, func, select

from bot.settings import BotSettings
from games.core import Outcome
from games.figures import open_images
from local_discord.faults import Fault
from local_discord.invoke import ActionRefused
from local_discord.model import Channel
from local_discord.people import Person
from sim.bench.watch import LOOK_SECONDS, longest_stall, until
from sim.demo import Demo, DemoOptions, running_demo
from store.database import Database
from store.models import Game, Instruction, Player, Round, Turn
from store.rounds import latest_rounds

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 300.0
"""How long a player waits for an answer before the message counts as unanswered."""
IMAGES = "classic:40"


@dataclass(frozen=True)
class ChaosOptions:
    """How much is played and what fails."""

    data_dir: Path
    games: int = 500
    guilds: int = 20
    players: int = 20
    seed: int = 0
    drop_seconds: float = 20.0
    """Seconds between drops of the gateway's connection."""
    failing: float = 0.05
    """Share of requests that are answered 429 or 5xx, or lose their answer."""
    slow: float = 0.02
    slow_seconds: float = 5.0
    """Share of requests that wait, and for how long."""
    bot_kills: int = 5
    service_kills: int = 5
    round_kills: int = 2
    settings: BotSettings = field(default_factory=BotSettings)


@dataclass
class ChaosReport:
    """What happened. `lost`, `doubled`, `unanswered` and `left_waiting` must be 0."""

    games: int = 0
    guilds: int = 0
    messages: int = 0
    """Messages that players sent in running games."""
    turns: int = 0
    lost: int = 0
    """Messages that are in no turn, though their game went on or ended after them."""
    doubled: int = 0
    """Messages that are in more than one turn."""
    unanswered: int = 0
    """Messages without a board within the time that a player waits."""
    left_waiting: int = 0
    """Messages that are still queued in the end."""
    boards_missing: int = 0
    """Games whose newest board, or end, was not shown."""
    bot_kills: int = 0
    service_kills: int = 0
    round_kills: int = 0
    gateway_drops: int = 0
    failed_requests: int = 0
    round: str | None = None
    """How the round ended that was killed."""
    longest_stall: float = 0.0
    """Longest time in seconds for which the bot's event loop did not run."""
    tracebacks: int = 0
    """Tracebacks in the bot's log."""
    log_bytes: int = 0
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, doubled or left."""
        return not (self.lost + self.doubled + self.unanswered + self.left_waiting + self.boards_missing)


async def bench_chaos(options: ChaosOptions) -> ChaosReport:
    """Play under chaos, and count. Raises DemoError if the bot does not get online at the beginning."""
    began = monotonic()
    settings = options.settings.changed(play={"images": IMAGES})
    demo_options = DemoOptions(options.data_dir, port=0, players=1, seed=options.seed, settings=settings)
    async with running_demo(demo_options, once=True) as demo:
        async with longest_stall(demo.bot.log_file) as stall:
            report = await _Chaos(options, demo).run()
        report.longest_stall = stall.seconds
    text = demo.bot.log_file.read_text(errors="replace")
    report.tracebacks, report.log_bytes = text.count("Traceback"), len(text.encode())
    report.seconds = monotonic() - began
    return report


class _Chaos:
    """One run."""

    def __init__(self, options: ChaosOptions, demo: Demo) -> None:
        self._options = options
        self._demo = demo
        self._rng = random.Random(options.seed)
        self._report = ChaosReport(guilds=options.guilds)
        self._channel = demo.service.channel("play")
        self._begun = 0
        self._players: list[_Player] = []

    async def run(self) -> ChaosReport:
        service, options = self._demo.service, self._options
        channels = [self._channel]
        for number in range(1, options.guilds):
            guild = service.world.add_guild(f"Server {number}")
            channels.append(service.world.add_channel(guild, "play"))
        images = open_images(IMAGES)
        words = sorted({text for texts in images.descriptions().values() for text in texts})
        for number in range(options.players):
            channel = channels[number % len(channels)]
            person = await service.people.join(f"Player {number}", service.world.guild(channel.guild_id or 0))
            rng = random.Random(self._rng.random())
            self._players.append(_Player(person, channel, self._demo.database, rng, words))
        self._add_faults()
        disturbing = [asyncio.create_task(each) for each in (self._drop(), self._kill(), self._round())]
        try:
            async with asyncio.TaskGroup() as tasks:
                for player in self._players:
                    tasks.create_task(self._play_on(player))
            service.faults.clear()
            await disturbing[2]  # the round
        finally:
            for task in disturbing:
                task.cancel()
            await asyncio.gather(*disturbing, return_exceptions=True)
        await until(self._settled, ANSWER_SECONDS)
        return await self._counted()

    async def _play_on(self, player: "_Player") -> None:
        while self._begun < self._options.games:
            self._begun += 1
            await player.play()
            self._report.games += 1

    # --- what fails ---------------------------------------------------------------------------------------

    def _add_faults(self) -> None:
        share, faults = self._options.failing / 4, self._demo.service.faults
        always = {"count": None, "seconds": 1e9}
        faults.add(Fault(kind="rate_limit", probability=share, **always))
        faults.add(Fault(kind="error", status=503, probability=share, **always))
        faults.add(Fault(kind="error", status=502, after=True, probability=share, **always))
        faults.add(Fault(kind="drop", probability=share, **always))
        slow = {"probability": self._options.slow, "delay": self._options.slow_seconds}
        faults.add(Fault(kind="delay", **slow, **always))

    async def _drop(self) -> None:
        while True:
            await asyncio.sleep(self._options.drop_seconds)
            self._demo.service.gateway.drop(resumable=self._rng.random() < 0.5)
            self._report.gateway_drops += 1

    async def _kill(self) -> None:
        """Kill bot and policy service, spread over the games."""
        due = [("bot", _at(n, self._options.bot_kills)) for n in range(self._options.bot_kills)]
        due += [
            ("service", _at(n + 0.5, self._options.service_kills)) for n in range(self._options.service_kills)
        ]
        for what, share in sorted(due, key=lambda each: each[1]):
            await self._played(share)
            if what == "bot" and await self._killed(lambda process: process.pid == self._bot_pid()):
                self._report.bot_kills += 1
            elif what == "service" and await self._killed(_runs("learner.serving")):
                self._report.service_kills += 1

    async def _round(self) -> None:
        """Have a round after a third of the games, and kill its process."""
        if not self._options.round_kills:
            return
        await self._played(1 / 3)
        while (row := await self._last_round()) is None:
            with contextlib.suppress(ActionRefused, TimeoutError):
                await self._demo.moderator.slash(self._channel, "round start")
            await asyncio.sleep(1)
        for _ in range(self._options.round_kills):
            if await self._killed(_runs("learner.rounds"), wait=60.0):
                self._report.round_kills += 1
        while row is not None and row.active:
            await asyncio.sleep(1)
            row = await self._last_round()
        self._report.round = row.status.value if row is not None else None

    async def _played(self, share: float) -> None:
        """Wait until a share of the games has been played."""

        async def enough() -> bool:
            return self._report.games >= share * self._options.games

        await until(enough, math.inf)

    async def _last_round(self) -> Round | None:
        async with self._demo.database.async_session() as session:
            rows = await session.run_sync(lambda sync: latest_rounds(sync, 1))  # pyright: ignore[reportArgumentType]
        return rows[0] if rows else None

    def _bot_pid(self) -> int | None:
        process = self._demo.bot.process
        return process.pid if process is not None and process.returncode is None else None

    async def _killed(self, wanted: "Callable[[psutil.Process], bool]", wait: float = 120.0) -> bool:
        """Kill a process below this one, once there is such a process. False if there is none for too long."""
        deadline = monotonic() + wait
        while monotonic() < deadline:
            for process in psutil.Process(os.getpid()).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if wanted(process):
                        process.send_signal(signal.SIGKILL)
                        log.info("killed", pid=process.pid)
                        return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    # --- what came of it ----------------------------------------------------------------------------------

    async def _settled(self) -> bool:
        return not (await self._left_waiting() or await self._boards_missing())

    async def _left_waiting(self) -> int:
        async with self._demo.database.async_session() as session:
            return (await session.exec(select(func.count()).select_from(Instruction))).one()

    async def _boards_missing(self) -> int:
        turns = select(func.count()).where(Turn.game_id == Game.id).scalar_subquery()
        missing = (col(Game.shown_turns).is_(None)) | (col(Game.shown_turns) != turns)
        over = (col(Game.outcome) != Outcome.OPEN) & col(Game.result_shown).is_(False)
        async with self._demo.database.async_session() as session:
            query = select(func.count()).select_from(Game).where(missing | over)
            return (await session.exec(query)).one()

    async def _counted(self) -> ChaosReport:
        report, played = self._report, Counter[str]()
        async with self._demo.database.async_session() as session:
            for last, earlier in await session.exec(select(Turn.message_id, Turn.earlier_message_ids)):
                played.update([last or "", *(earlier or ())])
                report.turns += 1
        said = [message for player in self._players for message in player.said]
        report.messages = len(said)
        report.lost = sum(played[message] == 0 for message in said)
        report.doubled = sum(played[message] > 1 for message in said)
        report.unanswered = sum(player.unanswered for player in self._players)
        report.left_waiting = await self._left_waiting()
        report.boards_missing = await self._boards_missing()
        report.failed_requests = sum(record.status >= 429 for record in self._demo.service.log)
        return report


class _Player:
    """Plays one game after another: a description in each turn, and waits for the board that answers it."""

    def __init__(
        self, person: Person, channel: Channel, database: Database, rng: random.Random, words: list[str]
    ) -> None:
        self._person = person
        self._channel = channel
        self._database = database
        self._rng = rng
        self._words = words
        self.said: list[str] = []
        """Ids of the messages sent in running games."""
        self.unanswered = 0

    async def play(self) -> None:
        """One game, from `/play` to its end."""
        while (game := await self._game()) is None:
            with contextlib.suppress(ActionRefused, TimeoutError):
                await self._person.slash(self._channel, "play")
            await until(self._has_game, 20.0)
        while (game := await self._game()) is not None and game.thread_id is not None:
            message = await self._person.say(int(game.thread_id), self._rng.choice(self._words))
            self.said.append(str(message.id))

            async def answered(game_id: str = game.id, message_id: str = str(message.id)) -> bool:
                return await self._answered(game_id, message_id)

            if not await until(answered, ANSWER_SECONDS):
                log.error("a message is not answered", game=game.id, message=message.id)
                self.unanswered += 1
                return

    async def _has_game(self) -> bool:
        return await self._game() is not None

    async def _game(self) -> Game | None:
        """The player's running game, once its first board is shown."""
        query = (
            select(Game)
            .join(Player)
            .where(Player.external_id == str(self._person.id), Game.outcome == Outcome.OPEN)
            .where(col(Game.shown_turns).is_not(None))
        )
        async with self._database.async_session() as session:
            return (await session.exec(query)).first()

    async def _answered(self, game_id: str, message_id: str) -> bool:
        async with self._database.async_session() as session:
            game = await session.get_one(Game, game_id)
            mine = select(Turn.number).where(Turn.game_id == game_id, Turn.message_id == message_id)
            number = (await session.exec(mine)).first()
        return number is not None and game.shown_turns is not None and game.shown_turns >= number


def _at(number: float, count: int) -> float:
    """The share of the games after which the nth of so many kills is due."""
    return (number + 0.5) / (count + 1)


def _runs(module: str) -> "Callable[[psutil.Process], bool]":
    return lambda process: module in process.cmdline()

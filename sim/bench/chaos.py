"""`respect bench chaos`: many games while Discord fails and processes are killed. Nothing may be lost or doubled.

The real bot, its policy service and its rounds run in processes of their own against the local Discord-compatible
service. While simulated players play, with messages and forms, the gateway drops, requests fail, are slow or lose their
answer, the disk is full and the clock is set back, and bot, service, rounds and their workers are killed. In the end
everything that a player said in a running game must be in exactly one turn, or the bot has asked for it again.
"""

import asyncio
import contextlib
import math
import random
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import structlog
from sqlmodel import col, func, select

from bot.settings import BotSettings
from games import GAMES
from games.core import Outcome
from games.figures import open_images
from local_discord.faults import Fault
from local_discord.request_log import RequestRecord, Validator
from sim.bench.chaos_report import ChaosReport
from sim.bench.fuzz import PINS
from sim.bench.killed_rounds import KilledRounds
from sim.bench.private_words import Said
from sim.bench.trouble import Clock, NotPossible, SmallDisk, kill_bot, killed, runs, small_disk
from sim.bench.undeterred import ANSWER_SECONDS, Undeterred
from sim.bench.watch import longest_stall, until
from sim.demo import BotProcess, Demo, DemoOptions, running_demo
from store.models import Game, Instruction, Turn

log = structlog.get_logger(__name__)

IMAGES = "classic:40"
SHORT_ROUNDS = {"epochs": 1, "least_steps": 0, "grounding_epochs": 4}
ACKNOWLEDGED = 40060
"""Discord's code for an interaction that is acknowledged twice: the first answer got lost."""
STOP_SECONDS = 60.0
"""More than the bot's own limits, for a busy machine."""
MOST_TURNS = 10
"""Of one game."""
DELETED = ("DELETE", "/channels/{channel_id}")
"""The thread of a game that could not be saved. Like pins, the bot may not be allowed it, and does without."""
LOGS = ("*.log", "*.log.*", "card.json")


@dataclass(frozen=True)
class ChaosOptions:
    """How much is played and what fails."""

    data_dir: Path
    games: int = 500
    minutes: float = math.inf
    """After so many no more games begin."""
    guilds: int = 20
    players: int = 20
    seed: int = 0
    names: tuple[str, ...] = tuple(GAMES)
    """Names of the games that are played."""
    forms: float = 0.25
    """Share of what is said that is said in forms."""
    drop_seconds: float = 20.0
    """Seconds between drops of the gateway's connection."""
    failing: float = 0.05
    """Share of requests that are answered 429 or 5xx, or lose their answer."""
    slow: float = 0.02
    slow_seconds: float = 5.0
    """Share of requests that wait, and for how long."""
    bot_kills: int = 5
    service_kills: int = 5
    """Kills of the policy service while the bot runs; one more after every other kill of the bot, while that starts."""
    round_kills: int = 2
    """Kills of the process of a round, each in a round of its own that the bot runs."""
    worker_kills: int = 1
    """Kills of a worker that has a round, which another one takes over."""
    disk_fills: int = 2
    disk_seconds: float = 10.0
    """How often the disk is full, and for how long."""
    clock_back: int = 3600
    """Seconds by which the bot's clock is set back after half of the games."""
    keep: Path | None = None
    """A new folder for a copy of the bot's data, to look into."""
    settings: BotSettings = field(default_factory=BotSettings)


async def bench_chaos(options: ChaosOptions, validator: Validator | None = None) -> ChaosReport:
    """Play under chaos, and count. `validator`: Discord's description of its API.

    Raises DemoError if the bot does not get online at the beginning.
    """
    began = monotonic()
    settings = options.settings.changed(play={"images": IMAGES}, training=SHORT_ROUNDS)
    not_possible: list[str] = []
    with contextlib.ExitStack() as stack:
        disk: SmallDisk | None = None
        try:
            disk = stack.enter_context(small_disk(options.data_dir)) if options.disk_fills else None
        except NotPossible as error:
            not_possible.append(str(error))
        clock = Clock(options.data_dir)
        demo_options = DemoOptions(
            options.data_dir,
            port=0,
            players=0,
            seed=options.seed,
            settings=settings,
            program=clock.program,
        )
        async with running_demo(demo_options, once=True) as demo:
            async with longest_stall(demo.bot.log_file) as stall:
                report = await _Chaos(options, demo, disk, clock, validator).run()
            report.longest_stall, report.longest_busy = stall.seconds, stall.busy_seconds
            report.exit_code = await _stopped(demo.bot)
        text = demo.bot.log_file.read_text(errors="replace")
        if options.keep is not None:
            shutil.copytree(options.data_dir, options.keep)
    report.not_possible = not_possible
    report.tracebacks, report.log_bytes = text.count("Traceback"), len(text.encode())
    report.seconds = monotonic() - began
    return report


async def _stopped(bot: BotProcess) -> int | None:
    """The exit code of a bot that is asked to stop."""
    assert bot.process is not None
    bot.process.terminate()
    with contextlib.suppress(TimeoutError):
        return await asyncio.wait_for(bot.process.wait(), STOP_SECONDS)
    return None


class _Chaos:
    """One run."""

    def __init__(
        self,
        options: ChaosOptions,
        demo: Demo,
        disk: SmallDisk | None,
        clock: Clock,
        validator: Validator | None,
    ) -> None:
        self._options = options
        self._demo = demo
        self._disk = disk
        self._clock = clock
        self._validator = validator
        self._rng = random.Random(options.seed)
        self._report = ChaosReport(guilds=options.guilds)
        self._channel = demo.service.channel("play")
        self._begun, self._began = 0, monotonic()
        self._players: list[Undeterred] = []

    async def run(self) -> ChaosReport:
        service = self._demo.service
        await self._gather()
        self._add_faults()
        service.log.validator = self._check
        rounds = KilledRounds(self._demo, self._channel, self._rng)
        having_rounds = asyncio.create_task(self._have_rounds(rounds))
        disturbing = [
            asyncio.create_task(self._drop()),
            asyncio.create_task(self._disturb()),
            having_rounds,
        ]
        try:
            async with asyncio.TaskGroup() as tasks:
                for player in self._players:
                    tasks.create_task(self._play_on(player))
            service.faults.clear()
            await having_rounds
        finally:
            for task in disturbing:
                task.cancel()
            await asyncio.gather(*disturbing, return_exceptions=True)
        await until(self._settled, ANSWER_SECONDS)
        return await self._counted()

    async def _gather(self) -> None:
        """Let the players join their servers."""
        service, options = self._demo.service, self._options
        channels = [self._channel]
        for number in range(1, options.guilds):
            guild = service.world.add_guild(f"Server {number}")
            channels.append(service.world.add_channel(guild, "play"))
        words = sorted({text for texts in open_images(IMAGES).descriptions().values() for text in texts})
        for number in range(options.players):
            channel = channels[number % len(channels)]
            name = f"Quin{chr(97 + number // 26 % 26)}{chr(97 + number % 26)}"  # found in no log by chance
            person = await service.people.join(name, service.world.guild(channel.guild_id or 0))
            rng = random.Random(self._rng.random())
            player = Undeterred(
                person, channel, self._demo.database, rng, words, options.names, options.forms
            )
            service.world.listen(player.hear)
            self._players.append(player)

    async def _play_on(self, player: Undeterred) -> None:
        latest = self._began + 60 * self._options.minutes
        while self._begun < self._options.games and monotonic() < latest:
            self._begun += 1
            await player.play()
            self._report.games += 1

    def _check(self, record: RequestRecord) -> list[str]:
        """Look at every request of the bot."""
        report = self._report
        report.requests += 1
        if (
            not 200 <= record.status < 429
        ):  # struck by a fault, not answered: the service may not have read it
            report.failed_requests += 1
            return []
        problems = self._validator(record) if self._validator is not None else []
        code = record.answer.get("code") if isinstance(record.answer, dict) else None
        optional = record.route.startswith(PINS) or (record.method, record.route) == DELETED
        expected = record.status == 404 or code == ACKNOWLEDGED or (optional and record.status == 403)
        if record.status >= 400 and not expected:
            problems.append(f"{record.status} {record.answer}")
        for problem in problems:
            key = f"{record.method} {record.route}: {problem}"[:300]
            report.bad_requests[key] = report.bad_requests.get(key, 0) + 1
        return problems

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

    async def _disturb(self) -> None:
        """Kill bot and policy service, fill the disk and set the clock back, spread over the games."""
        options = self._options
        due = [
            (self._kill_both if number % 2 == 0 else self._kill_bot, _at(number, options.bot_kills))
            for number in range(options.bot_kills)
        ]
        kills, fills = options.service_kills, options.disk_fills if self._disk is not None else 0
        due += [(self._kill_service, _at(number + 0.5, kills)) for number in range(kills)]
        due += [(self._fill_disk, _at(number + 0.25, fills)) for number in range(fills)]
        if self._options.clock_back:
            due.append((self._set_clock_back, 0.5))
        for what, share in sorted(due, key=lambda each: each[1]):
            await self._played(share)
            await what()

    async def _kill_bot(self) -> None:
        self._report.bot_kills += await kill_bot(self._demo.bot)

    async def _kill_both(self) -> None:
        """Kill the bot, and the policy service while the next bot starts."""
        await self._kill_bot()
        await self._kill_service()

    async def _kill_service(self) -> None:
        self._report.service_kills += await killed(runs("learner.serving"))

    async def _fill_disk(self) -> None:
        assert self._disk is not None
        await asyncio.to_thread(self._demo.database.scrub)  # SQLite would write into its log's old pages
        log.info("the disk is full")
        self._disk.fill()
        try:
            await asyncio.sleep(self._options.disk_seconds)
        finally:
            self._disk.free()
        log.info("the disk has room again")
        self._report.disk_fills += 1

    async def _set_clock_back(self) -> None:
        self._clock.set_back(self._options.clock_back)
        self._report.clock_set_back = True

    async def _have_rounds(self, rounds: KilledRounds) -> None:
        """Have rounds after a third of the games."""
        options, report = self._options, self._report
        if not (options.round_kills or options.worker_kills):
            return
        await self._played(1 / 3)
        try:
            await rounds.run(options.round_kills, options.worker_kills)
        finally:
            report.rounds, report.bot_kills = rounds.ended, report.bot_kills + rounds.bot_kills
            report.round_kills, report.worker_kills = rounds.round_kills, rounds.worker_kills

    async def _played(self, share: float) -> None:
        """Wait until a share of the games has been played, parts of running ones included."""

        async def enough() -> bool:
            running = sum(min(1.0, player.said_in_game / MOST_TURNS) for player in self._players)
            return self._report.games + running >= share * self._options.games

        await until(enough, math.inf)

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
        report.put_off = max((player.put_off for player in self._players), default=0)
        for player in self._players:
            report.forms_failed += len(player.failed_forms)
            for said in player.said:
                missing = not (played[said.id] or said.refused or said.after_end)
                report.messages += not said.form
                report.forms += said.form
                report.lost += missing and not said.form
                report.forms_lost += missing and said.form
                report.doubled += played[said.id] + said.refused > 1
                report.refused += said.refused
                report.after_end += said.after_end
                report.unanswered += said.unanswered
        report.left_waiting = await self._left_waiting()
        report.boards_missing = await self._boards_missing()
        report.words_in_logs = await asyncio.to_thread(self._words_in_logs)
        return report

    def _words_in_logs(self) -> int:
        said = Said()
        for player in self._players:
            said.add_name(player.person.name)
            for words in player.uttered:
                said.add(words)
        files = (path for pattern in LOGS for path in self._options.data_dir.rglob(pattern))
        return sum(
            any(said.found_in(line))
            for path in files
            for line in path.read_text(errors="replace").splitlines()
        )


def _at(number: float, count: int) -> float:
    """The share of the games after which the nth of so many is due."""
    return (number + 0.5) / (count + 1)

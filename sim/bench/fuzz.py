"""`respect bench fuzz`: hostile messages, forms, buttons, commands and names, sent to the real bot.

Nothing of it may stop the bot, ping anybody, change what the sender may not change, or fill the log. Senders go past
the checks of Discord's client (`local_discord.forged`).
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from sqlmodel import col, func, select

from bot.settings import BotSettings
from games.core import Outcome
from local_discord import LocalDiscord
from local_discord.model import Event, Message, MessageType
from local_discord.permissions import Permission
from local_discord.request_log import RequestRecord
from sim.bench.crowd import SHARES, Crowd
from sim.bench.watch import longest_stall, until
from sim.demo import DemoOptions, running_demo
from store.database import Database
from store.models import (
    Consent,
    Game,
    GuildSettings,
    Instruction,
    PlayChannel,
    Player,
    Round,
    RoundEvent,
    Turn,
)

SETTLE_SECONDS = 300.0
TROUBLE = re.compile(r"\[(?:warning|error|critical) *\] (.{,30})")
PINS = "/channels/{channel_id}/messages/pins"
"""Requests that the bot may not make in every server, and does without."""
KEPT = (GuildSettings, PlayChannel, Round, RoundEvent, Consent)
"""Tables that nothing of this may change."""


@dataclass(frozen=True)
class FuzzOptions:
    """How much is sent."""

    data_dir: Path
    messages: int = 10_000
    seed: int = 0
    people: int = 12
    settings: BotSettings = field(default_factory=BotSettings)


@dataclass
class FuzzReport:
    """What came of it."""

    sent: dict[str, int] = field(default_factory=dict)
    """What was sent -> how often."""
    games: int = 0
    turns: int = 0
    requests: int = 0
    """Requests of the bot to Discord."""
    pings: list[str] = field(default_factory=list)
    """What pinged somebody: all but a player's name over the first board."""
    forbidden: list[str] = field(default_factory=list)
    """Changes that the rules forbid."""
    unanswered: list[str] = field(default_factory=list)
    """Commands, buttons and forms that got no answer."""
    bad_requests: dict[str, int] = field(default_factory=dict)
    """Requests that Discord refuses, or that do not match its description -> how many."""
    left_waiting: int = 0
    """Messages that are still queued in the end."""
    tracebacks: int = 0
    """Tracebacks in the bot's log."""
    warnings: dict[str, int] = field(default_factory=dict)
    """Its warnings and errors -> how many lines."""
    to_deleted: int = 0
    """Answers to messages that their authors had deleted meanwhile."""
    log_bytes: int = 0
    longest_stall: float = 0.0
    """Longest time in seconds for which the bot's event loop did not run."""
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether nothing happened that must not."""
        happened = (self.pings, self.forbidden, self.unanswered, self.bad_requests)
        noise = sum(self.warnings.values()) > 20 + sum(self.sent.values()) / 100
        return not (any(happened) or self.left_waiting or self.tracebacks or noise)

    def read_log(self, text: str) -> None:
        """Count what is in the bot's log."""
        self.tracebacks = text.count("Traceback (most")
        self.warnings = dict(Counter(found.strip() for found in TROUBLE.findall(text)))
        self.log_bytes = len(text.encode())


async def bench_fuzz(
    options: FuzzOptions, validator: Callable[[RequestRecord], list[str]] | None = None
) -> FuzzReport:
    """Send everything to a bot of its own, with the embedded policy. `validator`: Discord's description of its API.

    Raises DemoError if the bot does not get online.
    """
    demo_options = DemoOptions(
        options.data_dir, port=0, players=1, seed=options.seed, settings=options.settings
    )
    async with running_demo(demo_options, once=True) as demo:
        fuzz = Fuzz(demo.service, demo.database, options.seed, options.people, validator)
        async with longest_stall(demo.bot.log_file) as stall:
            report = await fuzz.run(options.messages)
    report.longest_stall = stall.seconds
    report.read_log(demo.bot.log_file.read_text(errors="replace"))
    return report


class Fuzz:
    """One run against a bot that is connected to a local service."""

    def __init__(
        self,
        service: LocalDiscord,
        database: Database,
        seed: int = 0,
        people: int = 12,
        validator: Callable[[RequestRecord], list[str]] | None = None,
        shares: Mapping[str, int] = SHARES,
    ) -> None:
        """`shares`: what is sent (`sim.bench.crowd.Crowd`)."""
        self._service = service
        self._database = database
        self._validator = validator
        self._report = FuzzReport()
        self._crowd = Crowd(service, database, random.Random(seed), shares)
        self._people = people

    async def run(self, messages: int) -> FuzzReport:
        """Send so many. The log is for the caller to read."""
        began, service, report, crowd = monotonic(), self._service, self._report, self._crowd
        before = await self._kept()
        stop, validator = service.world.listen(self._hear), service.log.validator
        service.log.validator = self._check
        role = service.world.bot_role(service.guild)
        service.world.set_role_permissions(
            service.guild, role, role.permissions | Permission.MENTION_EVERYONE
        )
        try:
            await crowd.gather(self._people)
            await crowd.send(messages)
            await until(self._settled, SETTLE_SECONDS)
        finally:
            stop()
            service.log.validator = validator
        await self._judge(before)
        report.sent, report.unanswered = dict(crowd.sent), crowd.unanswered
        report.seconds = monotonic() - began
        return report

    # --- what came of it ----------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        """Look at every message of the bot: whom does it ping?"""
        message = event.record
        if event.name not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or not isinstance(message, Message):
            return
        if message.author.id != self._service.world.app.user.id or message.type is MessageType.THREAD_CREATED:
            return
        self._crowd.hear(message.channel_id)
        first = re.match(r"Hi <@(\d+)>!", message.content)
        pinged = {user.id for user in message.mentions} - ({int(first[1])} if first else set())
        if pinged or message.mention_roles or message.mention_everyone:
            self._report.pings.append(message.content[:200])

    def _check(self, record: RequestRecord) -> list[str]:
        """Look at every request of the bot."""
        self._report.requests += 1
        problems = self._validator(record) if self._validator is not None else []
        allowed = (404, 429, 403) if record.route.startswith(PINS) else (404, 429)
        if 400 <= record.status < 500 and record.status not in allowed:
            if "MESSAGE_REFERENCE_UNKNOWN_MESSAGE" in str(record.answer):
                self._report.to_deleted += 1
            else:
                problems.append(f"{record.status} {record.answer}")
        for problem in problems if record.status < 500 else ():
            key = f"{record.method} {record.route}: {problem}"[:300]
            self._report.bad_requests[key] = self._report.bad_requests.get(key, 0) + 1
        return problems

    async def _kept(self) -> dict[str, list[Any]]:
        mine = str(self._service.guild.id)
        async with self._database.async_session() as session:
            found = {table.__name__: list((await session.exec(select(table))).all()) for table in KEPT}
        return {
            name: [
                row.model_dump(exclude={"message_id"})
                for row in rows
                if getattr(row, "guild_id", mine) == mine
            ]
            for name, rows in found.items()
        }

    async def _settled(self) -> bool:
        async with self._database.async_session() as session:
            turns = select(func.count()).where(Turn.game_id == Game.id).scalar_subquery()
            missing = (col(Game.shown_turns).is_(None)) | (col(Game.shown_turns) != turns)
            unshown = (await session.exec(select(func.count()).select_from(Game).where(missing))).one()
            self._report.left_waiting = (
                await session.exec(select(func.count()).select_from(Instruction))
            ).one()
        return not (unshown or self._report.left_waiting)

    async def _judge(self, before: dict[str, list[Any]]) -> None:
        """Compare the store with what the senders may do."""
        report, known = self._report, {str(each.person.id): each for each in self._crowd.senders}
        after = await self._kept()
        for name, rows in after.items():
            if rows != before[name]:
                report.forbidden.append(
                    f"{name}: {len(before[name])} rows before, {len(rows)} after or changed"
                )
        async with self._database.async_session() as session:
            players = {row.id: row for row in await session.exec(select(Player))}
            games = {row.id: row for row in await session.exec(select(Game))}
            turns = list(await session.exec(select(Turn)))
        for game in games.values():
            sender = known.get(players[game.player_id].external_id)
            if sender is None:
                report.forbidden.append(f"game {game.id}: of nobody who plays")
            elif game.outcome is Outcome.GIVEN_UP:
                report.forbidden.append(
                    f"game {game.id}: ended ({game.end_reason}), though its player did not"
                )
            elif game.guild_id != str(sender.home.guild_id):
                report.forbidden.append(f"game {game.id}: in another server")
        for turn in turns:
            game = games[turn.game_id]
            speaker = players[turn.player_id if game.team and turn.player_id is not None else game.player_id]
            allowed = (int(speaker.external_id), int(game.thread_id or 0))
            wrote = [
                self._crowd.wrote.get(each or "")
                for each in (turn.message_id, *(turn.earlier_message_ids or ()))
            ]
            if any(each != allowed for each in wrote):
                report.forbidden.append(f"turn {turn.id}: not written by its player in its thread")
        report.games, report.turns = len(games), len(turns)

"""`respect bench fuzz`: hostile messages, forms, buttons, commands and names, sent to the real bot.

Nothing of it may stop the bot, ping anybody, change what the sender may not change, or fill the log. Senders go past the
checks of Discord's client (`local_discord.forged`).
"""

import asyncio
import contextlib
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import structlog
from sqlmodel import col, func, select

from bot.components import Button, Form
from bot.settings import BotSettings
from games.core import Outcome
from local_discord import LocalDiscord
from local_discord.forged import Forger, answer_to
from local_discord.invoke import ActionRefused
from local_discord.model import Channel, Event, Interaction, Message, Upload
from local_discord.people import Person
from local_discord.permissions import Permission
from local_discord.request_log import RequestRecord
from sim.bench.hostile import Hostile
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

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 60.0
"""How long an answer to an interaction is waited for."""
REPLY_SECONDS = 0.25
"""How long the answer to a message is waited for: many have none."""
SETTLE_SECONDS = 300.0
TROUBLE = re.compile(r"\[(?:warning|error|critical) *\]")
SHARES = {
    **{"message": 40, "extras": 5, "elsewhere": 10, "edit": 4, "delete": 2},
    **{"button": 14, "form": 9, "command": 12, "choices": 2, "name": 2},
}
"""What is sent -> its share."""
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
    warnings: int = 0
    """Its lines of warnings and errors."""
    log_bytes: int = 0
    longest_stall: float = 0.0
    """Longest time in seconds for which the bot's event loop did not run."""
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether nothing happened that must not."""
        happened = (self.pings, self.forbidden, self.unanswered, self.bad_requests)
        noise = self.warnings > 20 + sum(self.sent.values()) / 100
        return not (any(happened) or self.left_waiting or self.tracebacks or noise)

    def read_log(self, text: str) -> None:
        """Count what is in the bot's log."""
        self.tracebacks, self.warnings = text.count("Traceback (most"), len(TROUBLE.findall(text))
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


@dataclass
class _Sender:
    """Somebody who sends what is hostile."""

    person: Person
    home: Channel
    """The channel where this one plays."""
    member: bool = True
    """False for a moderator of another server."""
    game: Game | None = None
    said: list[Message] = field(default_factory=list)


class Fuzz:
    """One run against a bot that is connected to a local service."""

    def __init__(
        self,
        service: LocalDiscord,
        database: Database,
        seed: int = 0,
        people: int = 12,
        validator: Callable[[RequestRecord], list[str]] | None = None,
    ) -> None:
        self._service = service
        self._database = database
        self._rng = random.Random(seed)
        self._people = people
        self._validator = validator
        self._report = FuzzReport()
        self._forger = Forger(service)
        self._hostile = Hostile(self._rng, self._ids)
        self._senders: list[_Sender] = []
        self._wrote: dict[str, tuple[int, int]] = {}
        """Id of a message or of a form -> who sent it, in which thread."""
        self._left = 0
        self._told: Counter[int] = Counter()
        """Channel -> messages of the bot in it."""

    async def run(self, messages: int) -> FuzzReport:
        """Send so many. The log is for the caller to read."""
        began, service, report = monotonic(), self._service, self._report
        before = await self._kept()
        stop, validator = service.world.listen(self._hear), service.log.validator
        service.log.validator = self._check
        bot_role = service.world.bot_role(service.guild)
        service.world.set_role_permissions(
            service.guild, bot_role, bot_role.permissions | Permission.MENTION_EVERYONE
        )
        await self._gather()
        self._left = messages
        try:
            async with asyncio.TaskGroup() as tasks:
                for sender in self._senders:
                    tasks.create_task(self._send_on(sender))
            await until(self._settled, SETTLE_SECONDS)
        finally:
            stop()
            service.log.validator = validator
        await self._judge(before)
        report.seconds = monotonic() - began
        return report

    async def _gather(self) -> None:
        service, play = self._service, self._service.channel("play")
        elsewhere = service.world.add_guild("Elsewhere")
        far = service.world.add_channel(elsewhere, "far")
        for _ in range(self._people - 1):
            self._senders.append(_Sender(await service.people.join(self._hostile.name()), play))
        other = await service.people.join("Other", elsewhere, moderator=True)
        self._senders.append(_Sender(other, far, member=False))

    async def _send_on(self, sender: _Sender) -> None:
        while self._left > 0:
            self._left -= 1
            kind = self._rng.choices(list(SHARES), list(SHARES.values()))[0]
            self._report.sent[kind] = self._report.sent.get(kind, 0) + 1
            with contextlib.suppress(ActionRefused):
                await getattr(self, f"_{kind}")(sender)

    # --- what is sent -------------------------------------------------------------------------------------

    async def _message(self, sender: _Sender) -> None:
        thread = await self._thread(sender)
        text = self._hostile.text()
        reply_to = self._rng.choice(sender.said) if sender.said and self._rng.random() < 0.1 else None
        await self._say(
            sender, thread, text, reply_to=reply_to if reply_to and reply_to.channel_id == thread.id else None
        )

    async def _extras(self, sender: _Sender) -> None:
        thread, rng = await self._thread(sender), self._rng
        if rng.random() < 0.4:
            upload = Upload(self._hostile.name(), bytes(range(200)), rng.choice(("image/png", "text/plain")))
            await self._say(sender, thread, rng.choice(("", self._hostile.text(50))), files=[upload])
        else:
            await self._say(sender, thread, "", extras=self._hostile.extras())

    async def _elsewhere(self, sender: _Sender) -> None:
        """In other people's threads, in a channel, in a direct message."""
        games = [each.game for each in self._senders if each.game is not None and each is not sender]
        threads = [int(game.thread_id) for game in games if game.thread_id is not None]
        there = [
            self._service.world.channels[each] for each in threads if each in self._service.world.channels
        ]
        place = self._rng.choice([*there, sender.home, await sender.person.direct()])
        await self._say(sender, place, self._hostile.text())

    async def _say(self, sender: _Sender, place: Channel, text: str, **about: Any) -> None:
        told = self._told[place.id]
        message = await sender.person.say(place, text, **about)
        self._wrote[str(message.id)] = (sender.person.id, place.id)
        sender.said = [*sender.said[-20:], message]
        deadline = monotonic() + REPLY_SECONDS
        while self._told[place.id] == told and monotonic() < deadline:
            await asyncio.sleep(0.01)

    async def _edit(self, sender: _Sender) -> None:
        if sender.said:
            await sender.person.edit(self._rng.choice(sender.said), self._hostile.text())

    async def _delete(self, sender: _Sender) -> None:
        if sender.said:
            await sender.person.delete(sender.said.pop(self._rng.randrange(len(sender.said))))

    async def _name(self, sender: _Sender) -> None:
        sender.person.user.global_name = self._hostile.name()

    async def _button(self, sender: _Sender) -> None:
        custom_id, place = await self._custom_id(sender, BUTTONS)
        sent = self._forger.press(sender.person, place, custom_id)
        await self._answered(sent, "button", custom_id, Button)

    async def _form(self, sender: _Sender) -> None:
        custom_id, place = await self._custom_id(sender, FORMS)
        names = ["utterance", self._hostile.text(20)] if self._rng.random() < 0.3 else ["utterance"]
        values = {
            name: self._hostile.text(4000) if self._rng.random() < 0.7 else self._hostile.value()
            for name in names
        }
        sent = self._forger.submit(sender.person, place, custom_id, values)
        self._wrote[str(sent.id)] = (sender.person.id, place.id)
        await self._answered(sent, "form", custom_id, Form)

    async def _command(self, sender: _Sender) -> None:
        command = self._rng.choice(
            COMMANDS if sender.member else [each for each in COMMANDS if "round" not in each]
        )
        place = self._rng.choice((sender.home, sender.home, await sender.person.direct()))
        sent = self._forger.command(sender.person, place, command, self._options(command, sender))
        await self._answered(sent, "command", command, None)

    async def _choices(self, sender: _Sender) -> None:
        command, option = self._rng.choice(
            (
                ("replay", "game"),
                ("setup", "images"),
                ("round promote", "adapter"),
                ("round schedule", "cron"),
            )
        )
        typed = {option: self._hostile.text(100)}
        sent = self._forger.command(sender.person, sender.home, command, typed, focused=option)
        if sent.choices is not None:
            await sent.choices

    def _options(self, command: str, sender: _Sender) -> dict[str, Any]:
        known = {
            "play": ("game", "who"),
            "giveup": ("player",),
            "rules": ("game",),
            "stats": ("games",),
            "leaderboard": ("season",),
            "replay": ("game",),
            "setup": (
                "images",
                "cooldown",
                "idle",
                "team",
                "lock",
                "language",
                "reset",
                "games",
                "reports",
                "not_in",
            ),
            "round schedule": ("cron",),
            "round promote": ("adapter",),
        }.get(command, ())
        picked = self._rng.sample(known, self._rng.randrange(1, len(known) + 1)) if known else []
        options: dict[str, Any] = {name: self._hostile.value() for name in picked}
        if "player" in options:
            options["player"] = self._rng.choice(self._senders).person
        for name in (
            "reports",
            "not_in",
        ):  # channels of the server that is not the sender's, if it is a moderator
            if name in options:
                options[name] = self._service.channel("play")
        if self._rng.random() < 0.1:
            options[self._hostile.text(32)] = self._hostile.value()
        if not sender.member and command == "setup":  # its own server's settings are its own
            options = {name: value for name, value in options.items() if name in ("reports", "not_in")}
            options.setdefault("not_in", self._service.channel("play"))
        return options

    async def _custom_id(self, sender: _Sender, templates: tuple[str, ...]) -> tuple[str, Channel]:
        """A custom id about somebody's game or panel, often not quite right, and where it is used."""
        rng, other = self._rng, self._rng.choice([each for each in self._senders if each is not sender])
        template = rng.choice(templates)
        mine = "{game}" in template and rng.random() < 0.3 and not template.startswith("giveup-yes")
        game = sender.game if mine else other.game
        custom_id = template.format(
            game=game.id if game is not None else "0" * 32,
            other=other.person.id,
            me=sender.person.id,
            whose=rng.choice((sender.person.id, other.person.id)),
            huge=rng.choice(("9" * 30, "-1", "abc", "1", "0")),
        )
        place = (
            await self._thread(sender) if mine else rng.choice((sender.home, await sender.person.direct()))
        )
        return self._hostile.broken(custom_id) if rng.random() < 0.35 else custom_id, place

    async def _answered(self, sent: Interaction, kind: str, what: str, base: type | None) -> None:
        """Wait for the answer to what the bot has to answer."""
        if base is not None and not any(pattern.fullmatch(what) for pattern in _templates(base)):
            return
        if await answer_to(sent, ANSWER_SECONDS) is None:
            self._report.unanswered.append(f"{kind} {what[:120]!r}")

    async def _thread(self, sender: _Sender) -> Channel:
        """The thread of a sender's running game; a new one if there is none."""
        world = self._service.world
        for _ in range(3):
            sender.game = await self._game(sender)
            if sender.game is not None and sender.game.thread_id is not None:
                return world.channels[int(sender.game.thread_id)]
            with contextlib.suppress(ActionRefused):
                sent = await sender.person.slash(sender.home, "play")
                await answer_to(sent, ANSWER_SECONDS)
        return sender.home

    async def _game(self, sender: _Sender) -> Game | None:
        query = (
            select(Game)
            .join(Player)
            .where(Player.external_id == str(sender.person.id), Game.outcome == Outcome.OPEN)
        )
        async with self._database.async_session() as session:
            return (await session.exec(query)).first()

    def _ids(self) -> dict[str, Any]:
        service = self._service
        person = self._rng.choice(self._senders).person.id if self._senders else 1
        moderators = service.world.moderator_role(service.guild).id
        return {"person": person, "role": moderators, "channel": service.channel("play").id, "player": "x"}

    # --- what came of it ----------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        """Look at every message of the bot: whom does it ping?"""
        message = event.record
        if event.name not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or not isinstance(message, Message):
            return
        if message.author.id != self._service.world.app.user.id:
            return
        self._told[message.channel_id] += 1
        first = re.match(r"Hi <@(\d+)>!", message.content)
        pinged = {user.id for user in message.mentions} - ({int(first[1])} if first else set())
        if pinged or message.mention_roles or message.mention_everyone:
            self._report.pings.append(message.content[:200])

    def _check(self, record: RequestRecord) -> list[str]:
        """Look at every request of the bot."""
        self._report.requests += 1
        problems = self._validator(record) if self._validator is not None else []
        if 400 <= record.status < 500 and record.status not in (404, 429):
            problems.append(f"{record.status} {(record.answer or {}).get('message', '')}")
        for problem in problems if record.status < 500 else ():
            key = f"{record.method} {record.route}: {problem}"[:300]
            self._report.bad_requests[key] = self._report.bad_requests.get(key, 0) + 1
        return problems

    async def _kept(self) -> dict[str, list[Any]]:
        mine = str(self._service.guild.id)
        async with self._database.async_session() as session:
            found = {table.__name__: list((await session.exec(select(table))).all()) for table in KEPT}
        return {
            name: [row.model_dump() for row in rows if getattr(row, "guild_id", mine) == mine]
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
        report, known = self._report, {str(each.person.id): each for each in self._senders}
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
            allowed = (int(players[game.player_id].external_id), int(game.thread_id or 0))
            wrote = [
                self._wrote.get(each or "") for each in (turn.message_id, *(turn.earlier_message_ids or ()))
            ]
            if any(each != allowed for each in wrote):
                report.forbidden.append(f"turn {turn.id}: not written by its player in its thread")
        report.games, report.turns = len(games), len(turns)


BUTTONS = (
    *(
        "describe:{game}:{whose}",
        "giveup:{game}:{whose}",
        "giveup-yes:{game}:{whose}",
        "giveup-no:{game}:{whose}",
    ),
    *("endgame:{game}", "newgame", "newgame:{huge}", "newgame:pick:team"),
    *(
        "round:cancel:{huge}:{me}",
        "round:promote:base:{me}",
        "round:rollback:{huge}:{me}",
        "round:cancel:1:{other}",
    ),
    *(
        "round-request:yes:start:{me}:{huge}:",
        "round-request:yes:cancel:{me}:1:{huge}",
        "round-request:no:x:1:1:x",
    ),
    *(
        "privacy:training:{other}",
        "privacy:export:{other}",
        "privacy:erase-yes:{other}",
        "choice:research:{other}",
    ),
    *("quiz:{whose}", "survey:x:{huge}:{whose}", "survey:x:99:{whose}"),
)
"""Custom ids of buttons. Those that its owner may press with effect are tried by others only."""
FORMS = ("describe-form:{game}:{whose}", "quiz-form:{whose}", "survey-form:x:9:{whose}")
COMMANDS = (
    *("play", "giveup", "resume", "help", "rules", "stats", "leaderboard", "replay", "setup", "privacy"),
    *(
        "round start",
        "round cancel",
        "round promote",
        "round rollback",
        "round schedule",
        "round status",
        "round",
    ),
    *("nothing", "play now", "setup reset"),
)


def _templates(base: type) -> list[re.Pattern[str]]:
    found: list[re.Pattern[str]] = []
    for kind in base.__subclasses__():
        pattern: Any = getattr(kind, "template" if base is Form else "__discord_ui_compiled_template__")
        found += [pattern, *_templates_below(kind, base)]
    return found


def _templates_below(kind: type, base: type) -> list[re.Pattern[str]]:
    name = "template" if issubclass(base, Form) else "__discord_ui_compiled_template__"
    return [
        pattern
        for below in kind.__subclasses__()
        for pattern in (getattr(below, name), *_templates_below(below, base))
    ]

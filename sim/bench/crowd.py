"""The senders of `respect bench fuzz`: a crowd of players, and a moderator of another server.

They play, and send what is hostile in between. They do nothing that they may do and that ends a game, erases a player
or makes a choice, so that whatever ends, goes or is chosen is a fault.
"""

import asyncio
import contextlib
import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import select

from bot.components import Button, Form
from games.core import Outcome
from local_discord import LocalDiscord
from local_discord.forged import Forger, answer_to
from local_discord.invoke import ActionRefused
from local_discord.model import Channel, Interaction, Message, Upload
from local_discord.people import Person
from sim.bench.hostile import Hostile
from store.database import Database
from store.models import Game, Player

ANSWER_SECONDS = 60.0
"""How long an answer to an interaction is waited for."""
REPLY_SECONDS = 0.25
"""How long the answer to a message is waited for: many have none."""
SHARES = {
    "message": 40,
    "extras": 5,
    "elsewhere": 10,
    "edit": 4,
    "delete": 2,
    "button": 14,
    "form": 9,
    "command": 12,
    "choices": 2,
    "name": 2,
}
"""What is sent -> its share."""
BUTTONS = (
    "describe:{game}:{whose}",
    "giveup:{game}:{whose}",
    "giveup-yes:{game}:{whose}",
    "giveup-no:{game}:{whose}",
    "endgame:{game}",
    "meant:{game}:1:1:a",
    "meant:{game}:{huge}:9:",
    "newgame",
    "newgame:{huge}",
    "newgame:pick:team",
    "newgame:pick:team:near@{huge}",
    "round:cancel:{huge}:{me}",
    "round:promote:base:{me}",
    "round:rollback:{huge}:{me}",
    "round:cancel:1:{other}",
    "round-request:yes:start:{me}:{huge}:",
    "round-request:yes:cancel:{me}:1:{huge}",
    "round-request:no:x:1:1:x",
    "privacy:training:{other}",
    "privacy:export:{other}",
    "privacy:erase-yes:{other}",
    "choice:research:{other}",
    "quiz:{whose}",
    "survey:x:{huge}:{whose}",
    "survey:x:99:{whose}",
)
"""Custom ids of buttons. Those that its owner may press with effect are tried by others only."""
FORMS = ("describe-form:{game}:{whose}", "quiz-form:{whose}", "survey-form:x:9:{whose}")
COMMANDS = (
    "play",
    "giveup",
    "resume",
    "help",
    "rules",
    "stats",
    "leaderboard",
    "replay",
    "setup",
    "privacy",
    "round start",
    "round cancel",
    "round promote",
    "round rollback",
    "round schedule",
    "round status",
    "round",
    "nothing",
    "play now",
)


@dataclass
class Sender:
    """Somebody who sends what is hostile."""

    person: Person
    home: Channel
    """The channel where this one plays."""
    member: bool = True
    """False for a moderator of another server."""
    game: Game | None = None
    said: list[Message] = field(default_factory=list)


class Crowd:
    """Everybody who sends."""

    def __init__(
        self, service: LocalDiscord, database: Database, rng: random.Random, shares: Mapping[str, int]
    ) -> None:
        """`shares`: what is sent, a key of `SHARES` -> how often compared with the others."""
        self._shares = shares
        self._service = service
        self._database = database
        self._rng = rng
        self._forger = Forger(service)
        self._hostile = Hostile(rng, self._ids)
        self._left = 0
        self._heard = defaultdict[int, asyncio.Event](asyncio.Event)
        """Channel -> whether the bot wrote there."""
        self.senders: list[Sender] = []
        self.sent: Counter[str] = Counter()
        """What was sent -> how often."""
        self.unanswered: list[str] = []
        """Commands, buttons and forms that got no answer."""
        self.wrote: dict[str, tuple[int, int]] = {}
        """Id of a message or of a form -> who sent it, in which thread."""

    def hear(self, channel_id: int) -> None:
        """The bot wrote in a channel."""
        self._heard[channel_id].set()

    async def send(self, messages: int) -> None:
        """Send so many, all senders at the same time."""
        self._left = messages
        async with asyncio.TaskGroup() as tasks:
            for each in self.senders:
                tasks.create_task(self._send_on(each))

    async def gather(self, people: int) -> None:
        """Let so many join."""
        service, play = self._service, self._service.channel("play")
        elsewhere = service.world.add_guild("Elsewhere")
        far = service.world.add_channel(elsewhere, "far")
        for _ in range(people - 1):
            self.senders.append(Sender(await service.people.join(self._hostile.name()), play))
        other = await service.people.join("Other", elsewhere, moderator=True)
        self.senders.append(Sender(other, far, member=False))

    async def _send_on(self, sender: Sender) -> None:
        while self._left > 0:
            self._left -= 1
            kind = self._rng.choices(list(self._shares), list(self._shares.values()))[0]
            self.sent[kind] += 1
            with contextlib.suppress(ActionRefused):
                await getattr(self, f"_{kind}")(sender)

    async def _message(self, sender: Sender) -> None:
        thread = await self._thread(sender)
        text = self._hostile.text()
        reply_to = self._rng.choice(sender.said) if sender.said and self._rng.random() < 0.1 else None
        await self._say(
            sender, thread, text, reply_to=reply_to if reply_to and reply_to.channel_id == thread.id else None
        )

    async def _extras(self, sender: Sender) -> None:
        thread, rng = await self._thread(sender), self._rng
        if rng.random() < 0.4:
            upload = Upload(self._hostile.name(), bytes(range(200)), rng.choice(("image/png", "text/plain")))
            await self._say(sender, thread, rng.choice(("", self._hostile.text(50))), files=[upload])
        else:
            await self._say(sender, thread, "", extras=self._hostile.extras())

    async def _elsewhere(self, sender: Sender) -> None:
        """In other people's threads, in a channel, in a direct message."""
        games = [each.game for each in self.senders if each.game is not None and each is not sender]
        threads = [int(game.thread_id) for game in games if game.thread_id is not None]
        there = [
            self._service.world.channels[each] for each in threads if each in self._service.world.channels
        ]
        place = self._rng.choice([*there, sender.home, await sender.person.direct()])
        await self._say(sender, place, self._hostile.text())

    async def _say(self, sender: Sender, place: Channel, text: str, **about: Any) -> None:
        heard = self._heard[place.id]
        heard.clear()
        message = await sender.person.say(place, text, **about)
        self.wrote[str(message.id)] = (sender.person.id, place.id)
        sender.said = [*sender.said[-20:], message]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(heard.wait(), REPLY_SECONDS)

    async def _edit(self, sender: Sender) -> None:
        if sender.said:
            await sender.person.edit(self._rng.choice(sender.said), self._hostile.text())

    async def _delete(self, sender: Sender) -> None:
        if sender.said:
            await sender.person.delete(sender.said.pop(self._rng.randrange(len(sender.said))))

    async def _name(self, sender: Sender) -> None:
        sender.person.user.global_name = self._hostile.name()

    async def _button(self, sender: Sender) -> None:
        custom_id, place = await self._custom_id(sender, BUTTONS)
        sent = self._forger.press(sender.person, place, custom_id)
        await self._answered(sent, "button", custom_id, Button)

    async def _form(self, sender: Sender) -> None:
        custom_id, place = await self._custom_id(sender, FORMS)
        names = ["utterance", self._hostile.text(20)] if self._rng.random() < 0.3 else ["utterance"]
        values = {
            name: self._hostile.text(4000) if self._rng.random() < 0.7 else self._hostile.value()
            for name in names
        }
        sent = self._forger.submit(sender.person, place, custom_id, values)
        self.wrote[str(sent.id)] = (sender.person.id, place.id)
        await self._answered(sent, "form", custom_id, Form)

    async def _command(self, sender: Sender) -> None:
        command = self._rng.choice(
            COMMANDS if sender.member else [each for each in COMMANDS if "round" not in each]
        )
        place = self._rng.choice((sender.home, sender.home, await sender.person.direct()))
        sent = self._forger.command(sender.person, place, command, self._options(command, sender))
        await self._answered(sent, "command", command, None)

    async def _choices(self, sender: Sender) -> None:
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

    def _options(self, command: str, sender: Sender) -> dict[str, Any]:
        known = {
            "play": ("game", "who", "images", "difficulty"),
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
        kinds = {"cooldown": 10, "idle": 4, "team": 5, "lock": 5}
        options: dict[str, Any] = {name: self._hostile.value(kinds.get(name, 3)) for name in picked}
        if "player" in options:
            options["player"] = self._rng.choice(self.senders).person
        for name in (
            "reports",
            "not_in",
        ):  # channels of the server that is not the sender's, if it is a moderator
            if name in options:
                options[name] = self._service.channel("play")
        if self._rng.random() < 0.1:
            options[self._hostile.text(32)] = self._hostile.value(3)
        if not sender.member and command == "setup":  # its own server's settings are its own
            options = {name: value for name, value in options.items() if name in ("reports", "not_in")}
            options.setdefault("not_in", self._service.channel("play"))
        return options

    async def _custom_id(self, sender: Sender, templates: tuple[str, ...]) -> tuple[str, Channel]:
        """A custom id about somebody's game or panel, often not quite right, and where it is used."""
        rng, other = self._rng, self._rng.choice([each for each in self.senders if each is not sender])
        template = rng.choice(templates)
        ends = template.startswith(("giveup-yes",) if sender.member else ("giveup-yes", "endgame"))
        mine = "{game}" in template and rng.random() < 0.3 and not ends
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
            self.unanswered.append(f"{kind} {what[:120]!r}")

    async def _thread(self, sender: Sender) -> Channel:
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

    async def _game(self, sender: Sender) -> Game | None:
        query = (
            select(Game)
            .join(Player)
            .where(Player.external_id == str(sender.person.id), Game.outcome == Outcome.OPEN)
        )
        async with self._database.async_session() as session:
            return (await session.exec(query)).first()

    def _ids(self) -> dict[str, Any]:
        service = self._service
        person = self._rng.choice(self.senders).person.id if self.senders else 1
        moderators = service.world.moderator_role(service.guild).id
        return {"person": person, "role": moderators, "channel": service.channel("play").id, "player": "x"}


def _templates(base: type) -> list[re.Pattern[str]]:
    """The custom ids of all buttons or forms of the bot."""
    name = "template" if issubclass(base, Form) else "__discord_ui_compiled_template__"
    return [pattern for kind in base.__subclasses__() for pattern in (getattr(kind, name), *_templates(kind))]

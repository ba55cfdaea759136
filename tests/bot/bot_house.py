"""Helpers of the bot's tests: a policy that follows orders, and the bot with a local Discord and a database."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import SecretStr
from sqlmodel import col, select

from bot.app import serve
from bot.settings import BotSettings
from games import GAMES
from games.core import Outcome
from learner.protocol import PolicyStatus, TurnAnswer, TurnRequest
from local_discord import LocalDiscord, Person
from local_discord.client import START_SECONDS
from local_discord.feed import PATIENCE_SECONDS
from local_discord.model import Channel, Message
from store.database import Database
from store.games import state_of
from store.models import Game, Instruction, Turn
from tests.postgres import database_url

CHANNELS = {"general": "Anything", "play": "Games"}


@dataclass
class ObedientPolicy:
    """A policy service that plays the utterance if it is a legal action, and clicks a random figure otherwise."""

    url: str = ""
    asked: list[TurnRequest] = field(default_factory=list)
    answers: dict[str, TurnAnswer] = field(default_factory=dict)
    away: bool = False
    broken_adapters: set[str] = field(default_factory=set)
    current: str = "base"
    logp: float = -1.5
    """Of every answer."""
    reloads: int = 0
    finished_games: list[str] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is cleared, turns wait."""
    rng: random.Random = field(default_factory=lambda: random.Random(0))

    async def act(self, request: web.Request) -> web.Response:
        turn = TurnRequest.model_validate_json(await request.text())
        self.asked.append(turn)
        await self.open.wait()
        if self.away:
            return web.json_response({"error": "away", "retry": True}, status=503)
        if turn.adapter in self.broken_adapters:
            return web.json_response({"error": f"{turn.adapter} is broken", "retry": False}, status=409)
        if turn.request_id not in self.answers:
            legal = GAMES[turn.game].legal_actions(turn.state)
            clicks = [action for action in legal if len(action.split()) == 2]  # one, which rarely ends a game
            action = turn.utterance if turn.utterance in legal else self.rng.choice(clicks)
            self.answers[turn.request_id] = TurnAnswer(
                action=action, logp=self.logp, adapter=turn.adapter, base_model="obedient", seconds=0.01
            )
        return web.json_response(self.answers[turn.request_id].model_dump())

    async def status(self, _request: web.Request) -> web.Response:
        if self.away:
            return web.json_response({"error": "away", "retry": True}, status=503)
        status = PolicyStatus(
            base_model="obedient",
            current=self.current,
            loaded=(),
            turns=len(self.answers),
            waiting=0,
            uptime_seconds=1.0,
        )
        return web.json_response(status.model_dump())

    async def finished(self, request: web.Request) -> web.Response:
        self.finished_games.append((await request.json())["game_id"])
        return web.json_response({})

    async def reload(self, request: web.Request) -> web.Response:
        self.reloads += 1
        return await self.status(request)


@dataclass
class House:
    """The bot with everything that a test needs, and helpers for what people do."""

    discord: LocalDiscord
    policy: ObedientPolicy
    settings: BotSettings
    database: Database
    bot: "asyncio.Task[None] | None" = None

    def with_settings(self, **sections: dict[str, Any]) -> None:
        self.settings = self.settings.changed(**sections)

    async def start(self, timeout: float = START_SECONDS) -> None:
        ready = asyncio.Event()
        self.bot = asyncio.create_task(serve(self.settings, ready=ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self.bot, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=timeout)
        waiting.cancel()
        if self.bot.done():
            await self.bot
        assert ready.is_set(), "the bot did not get ready"

    async def stop(self) -> None:
        if self.bot is not None:
            self.bot.cancel()
            await asyncio.gather(self.bot, return_exceptions=True)
            self.bot = None

    async def play(self, person: Person, **options: str) -> Channel:
        """Use `/play` and wait for the first board. Gives the thread."""
        await person.slash("play", "play", options)
        board = await person.wait_message(lambda message: f"Hi <@{person.id}>" in message.content)
        return self.discord.world.channel(board.channel_id)

    async def turn(self, person: Person, thread: Channel, words: str) -> Message:
        """Say something and wait for the board that answers it."""
        await person.say(thread, words)
        return await self.next_board(person, thread)

    async def next_board(self, person: Person, thread: Channel, **options: Any) -> Message:
        """The next board with buttons: a new board, not the edit that removes the buttons of an old one."""
        return await person.wait_message(
            lambda message: has_board(message) and message.components, where=thread, **options
        )

    def boards(self, person: Person, thread: Channel) -> list[Message]:
        return [message for message in person.history(thread) if has_board(message)]

    async def game(self, thread: Channel) -> Game:
        async with self.database.async_session() as session:
            query = select(Game).where(Game.thread_id == str(thread.id))
            return (await session.exec(query)).one()

    async def settled(self, thread: Channel) -> Game:
        """The game, once everything is saved."""

        async def check() -> Game | None:
            game, turns = await self.game(thread), await self.turns(thread)
            over = game.outcome is not Outcome.OPEN
            return game if game.shown_turns == len(turns) and over == game.result_shown else None

        return await self.eventually(check)

    async def waiting(self, thread: Channel) -> list[str]:
        """The number of utterances in the queue."""
        game = await self.game(thread)
        async with self.database.async_session() as session:
            query = select(Instruction).where(Instruction.game_id == game.id).order_by(col(Instruction.id))
            return [row.text for row in await session.exec(query)]

    async def turns(self, thread: Channel) -> list[Turn]:
        game = await self.game(thread)
        async with self.database.async_session() as session:
            query = select(Turn).where(Turn.game_id == game.id).order_by(col(Turn.number))
            return list((await session.exec(query)).all())

    async def winning_words(self, thread: Channel) -> str:
        """The action that solves a fresh game in one turn."""
        game = await self.game(thread)
        turns = await self.turns(thread)
        state = state_of(game, turns)
        action = GAMES[game.game].action_to(game.listener, state, frozenset(game.targets))
        assert action is not None
        return action

    async def eventually(self, check: Callable[[], Any], timeout: float = PATIENCE_SECONDS) -> Any:
        """Wait until `check`, which may be a coroutine function, gives a true value."""
        async with asyncio.timeout(timeout):
            while True:
                found = check()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.02)


def has_board(message: Message) -> bool:
    return any(attachment.filename.startswith("board-") for attachment in message.attachments)


def buttons(message: Message) -> list[str]:
    """Labels of a message's buttons."""
    return [button["label"] for row in message.components for button in row["components"]]


@asynccontextmanager
async def house_of(
    discord_service: LocalDiscord, policy: ObedientPolicy, folder: Path
) -> AsyncIterator[House]:
    chosen = BotSettings(_env_file=None).changed(  # pyright: ignore[reportCallIssue]
        store={"data_dir": folder, "database_url": database_url(folder)},
        discord={
            "token": SecretStr(discord_service.token),
            "api": discord_service.rest_url,
            "gateway": discord_service.gateway_url,
        },
        service={"url": policy.url},
        play={"cooldown": 0, "burst": 0},
        web={"port": 0},
    )
    house = House(discord_service, policy, chosen, Database(chosen.store.url))
    try:
        yield house
    finally:
        await house.stop()
        await house.database.aclose()

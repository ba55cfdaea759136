"""The message of a round: it is edited while the round runs, and at the end it says how it went."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import discord
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from bot.errors import OUTSIDE
from bot.language import channel_locale, speaking
from bot.respond import NO_PINGS
from bot.rounds import report_texts
from bot.services import BotInteraction, Services
from store.models import Round
from store.rounds import rounds_with_message, waits_for_worker

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
EDIT_SECONDS = 5.0
"""Seconds between two edits at least. A message is edited only where its text changes."""
GONE = frozenset({10003, 10008, 10015, 50001, 50027})
"""Discord's codes for a message that can't be edited any more: it, its channel or the access is gone, or the
interaction is over 15 minutes old."""

Edit = Callable[..., Awaitable[Any]]


class RoundMessages:
    """The messages of rounds that this bot shows. They are found again after a restart."""

    def __init__(self, bot: Services) -> None:
        self._bot = bot
        self._edits: dict[int, Edit] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def begin(
        self, row: Round, channel_id: int, guild_id: int | None, interaction: BotInteraction | None
    ) -> bool:
        """Send the message of a new round to a channel, and follow the round.

        Where the bot may not write there, the answer to the `interaction` is edited instead, for the 15 minutes in
        which Discord allows it. False if there is neither.
        """
        assert row.id is not None
        channel = self._bot.get_partial_messageable(channel_id, guild_id=guild_id)
        locale = await channel_locale(self._bot, self._bot.database, channel_id, guild_id)
        with speaking(locale):
            text = report_texts.round_progress(row)
        try:
            message = await channel.send(text, nonce=f"begin-{row.id}", allowed_mentions=NO_PINGS)
        except OUTSIDE as error:
            log.info("no message of the round", channel=channel_id, round=row.number, reason=str(error))
            if interaction is None:
                return False
            self._follow(row.id, interaction.edit_original_response, "")
            return True
        await self._bot.database.write_in_thread(
            lambda session: _keep(session, row.id, channel_id, message.id)
        )
        with speaking(locale):
            self._follow(row.id, message.edit, text)
        return True

    async def resume(self) -> list[Round]:
        """Follow the rounds again whose message does not show their end. Returns those that have ended meanwhile."""
        ended: list[Round] = []
        for row in await asyncio.to_thread(self._unfinished):
            assert row.id is not None and row.channel_id is not None and row.message_id is not None
            channel = self._bot.get_partial_messageable(int(row.channel_id))
            self._edits[row.id] = channel.get_partial_message(int(row.message_id)).edit
            if row.active is None:
                ended.append(row)
                continue
            with speaking(await channel_locale(self._bot, self._bot.database, int(row.channel_id))):
                self._follow(row.id, self._edits[row.id], "")
        return ended

    async def end(self, row: Round, text: str, file: discord.File | None) -> bool:
        """Let the message of a round show its end. False if there is none to show it."""
        assert row.id is not None
        task, edit = self._tasks.pop(row.id, None), self._edits.pop(row.id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if edit is None:
            return False
        try:
            await edit(content=text, attachments=[file] if file else [])
        except OUTSIDE as error:
            log.info("the end of the round is not in its message", round=row.number, reason=str(error))
            return False
        finally:
            await self._bot.database.write_in_thread(
                lambda session: _keep(session, row.id, row.channel_id, None)
            )
        return True

    async def close(self) -> None:
        """Stop. The messages go on after the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, round_id: int, edit: Edit, shown: str) -> None:
        self._edits[round_id] = edit
        self._tasks[round_id] = asyncio.create_task(self._until_it_ends(round_id, shown))

    async def _until_it_ends(self, round_id: int, shown: str) -> None:
        """Edit the message of a round; its end is shown by `end`."""
        edited = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                row = await asyncio.to_thread(self._read, round_id)
            except SQLAlchemyError:
                continue
            if row is None or row.active is None:
                return
            asked = self._bot.settings.rounds
            waits = waits_for_worker(row, asked.lease, elsewhere=asked.elsewhere)
            text = report_texts.round_progress(row, waits=waits)
            if text == shown or time.monotonic() - edited < EDIT_SECONDS:
                continue
            edited, shown = time.monotonic(), text
            try:
                await self._edits[round_id](content=text)
            except OUTSIDE as error:
                if isinstance(error, discord.HTTPException) and error.code in GONE:
                    return

    def _read(self, round_id: int) -> Round | None:
        with self._bot.database.session() as session:
            return session.get(Round, round_id)

    def _unfinished(self) -> list[Round]:
        with self._bot.database.session() as session:
            return list(rounds_with_message(session))


def _keep(
    session: Session, round_id: int | None, channel_id: int | str | None, message_id: int | None
) -> None:
    row = session.get_one(Round, round_id)
    row.channel_id = None if channel_id is None else str(channel_id)
    row.message_id = None if message_id is None else str(message_id)
    session.add(row)

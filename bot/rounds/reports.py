"""Reports on rounds: how one ended, with the success curve, and later what its adapter gained."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import discord
import structlog
from sqlmodel import Session, col, select

from bot.errors import OUTSIDE
from bot.language import channel_locale, language_of, speaking
from bot.respond import NO_PINGS
from bot.rounds import report_texts
from bot.services import Services
from bot.statistics.pictures import draw_curve
from bot.statistics.texts import CURVE_FILE, curve_alt
from learner.protocol import BASE_ADAPTER
from learner.registry import AdapterError, AdapterRegistry
from store.models import Adapter, GuildSettings, Round, RoundAction
from store.rounds import gain_reported, record_event
from store.standings import Success, gain
from store.statistics import games_played_with, success_by_adapter

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Report:
    """A message with a picture."""

    text: str
    png: bytes | None = None
    alt: str = ""

    def file(self) -> discord.File | None:
        """The picture, to be sent once."""
        return discord.File(io.BytesIO(self.png), CURVE_FILE, description=self.alt) if self.png else None


class Reports:
    """Writes reports and sends them to the moderators' channels."""

    def __init__(self, bot: Services) -> None:
        self._bot = bot
        self._reported: set[str] = set()
        """Adapters whose gain needs no more looking at."""

    def current(self) -> str:
        """The adapter of new games. The base where that cannot be read."""
        try:
            return AdapterRegistry.of(self._bot.settings).current()
        except AdapterError as error:
            log.error("the current adapter is not known", error=str(error))
            return BASE_ADAPTER

    async def of_round(self, row: Round) -> Report:
        """The report on a round that has ended, with the curve of all games by the adapter that played."""
        text = report_texts.round_summary(row, await asyncio.to_thread(self.current))
        successes = await asyncio.to_thread(self._successes)
        if not successes:
            return Report(text)
        games = sum(each.games for each in successes.values())
        png = await asyncio.to_thread(draw_curve, successes)
        return Report(f"{text}\n{report_texts.curve_caption(games)}", png, curve_alt(successes))

    async def send(
        self,
        write: Callable[[], Awaitable[Report]],
        nonce: str,
        also: int | None = None,
        without: int | None = None,
    ) -> None:
        """Send a report to every moderators' channel but `without`, and to the channel `also`.

        `write`: gives the report in the current language. It is called once for each language of these servers.
        """
        written: dict[str, Report] = {}
        async with self._bot.database.async_session() as session:
            found = await session.exec(
                select(GuildSettings.guild_id, GuildSettings.moderators_channel_id).where(
                    col(GuildSettings.moderators_channel_id).is_not(None)
                )
            )
            channels: dict[int, int | None] = {int(channel or 0): int(guild) for guild, channel in found}
        if also is not None:
            channels.setdefault(also, None)
        for channel_id, guild_id in channels.items():
            if channel_id == without:
                continue
            channel = self._bot.get_partial_messageable(channel_id, guild_id=guild_id)
            language = language_of(await channel_locale(self._bot, self._bot.database, channel_id, guild_id))
            if language not in written:
                with speaking(language):
                    written[language] = await write()
            try:
                await _send(channel, written[language], nonce)
            except OUTSIDE as error:
                log.warning("report not sent", guild=guild_id, channel=channel_id, error=str(error))

    async def gain_if_due(self) -> None:
        """Report once what the current adapter gained over the one before it, when it has played enough games."""
        needed = self._bot.settings.rounds.gain_games
        found = await asyncio.to_thread(self._due, needed) if needed else None
        if found is None:
            return
        name, before, channel = found
        successes = await asyncio.to_thread(self._successes)
        self._reported.add(name)
        if name not in successes or before not in successes:
            return
        new, old = successes[name], successes[before]
        gained = gain(new, old)

        def keep(session: Session) -> bool:
            if gain_reported(session, name):
                return False
            record_event(
                session,
                RoundAction.GAIN,
                None,
                adapter=name,
                before=before,
                detail=f"{gained.difference:.4f} {gained.low:.4f} {gained.high:.4f}",
            )
            return True

        if await self._bot.database.write_in_thread(keep):

            async def report() -> Report:
                return Report(report_texts.gain(name, before, gained, new, old))

            await self.send(report, f"gain-{name}"[:25], also=channel)

    def _successes(self) -> dict[str, Success]:
        with self._bot.database.session() as session:
            return success_by_adapter(session)

    def _due(self, needed: int) -> tuple[str, str, int | None] | None:
        """(current adapter, the one before, the channel where its round was asked for), if its gain is to be
        reported now."""
        registry = AdapterRegistry.of(self._bot.settings)
        try:
            name, before, since = registry.current(), registry.previous(), registry.since()
        except AdapterError:
            return None
        if name == BASE_ADAPTER or name in self._reported or before is None or since is None:
            return None
        with self._bot.database.session() as session:
            if gain_reported(session, name):
                self._reported.add(name)
                return None
            if games_played_with(session, name, since, needed) < needed:
                return None
            made_by = select(Round.channel_id).join(Adapter).where(Adapter.name == name)
            channel = session.exec(made_by.order_by(col(Round.id).desc()).limit(1)).first()
        return name, before, int(channel) if channel else None


async def _send(channel: discord.abc.Messageable, report: Report, nonce: str) -> None:
    file = report.file()
    if file is None:
        await channel.send(report.text, nonce=nonce, allowed_mentions=NO_PINGS)
    else:
        await channel.send(report.text, file=file, nonce=nonce, allowed_mentions=NO_PINGS)

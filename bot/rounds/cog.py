"""The commands `/round ...` for moderators, protected by Discord's command permission and by a check here."""

import asyncio
from typing import Any

import structlog
from discord import app_commands
from discord.ext import commands
from sqlmodel import col, select

from bot import texts
from bot.errors import OUTSIDE, Refusal
from bot.permissions import check_moderator
from bot.respond import acknowledge, answer
from bot.rounds.schedule import NothingToLearn
from bot.services import BotInteraction, Services
from learner.protocol import PolicyError
from store.lineage import affected_adapters
from store.models import Adapter, GuildSettings, Origin, Round
from store.rounds import RoundUnderWay, active_round, latest_rounds
from store.statistics import latest_success

log = structlog.get_logger(__name__)

SHOWN = 10
"""Number of rounds in a table."""


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Rounds(commands.GroupCog, group_name="round", group_description="Rounds of learning"):
    """`/round start`, `/round status`, `/round history`."""

    def __init__(self, bot: Services) -> None:
        self.bot = bot
        bot.schedule.on_end = self.announce

    async def interaction_check(self, interaction: BotInteraction, /) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Administrators can open the command to anyone, so the permission is checked again here."""
        check_moderator(interaction)
        return True

    @app_commands.command(description="Learn from the games played so far")
    async def start(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction, thinking=True)
        if self.bot.settings.rounds.system == "control":
            raise Refusal(texts.CONTROL_SYSTEM)
        try:
            row = await self.bot.schedule.request("manual", str(interaction.user.id))
        except RoundUnderWay as error:
            raise Refusal(f"{error}.") from error
        except NothingToLearn as error:
            raise Refusal(self._why_nothing()) from error
        await answer(interaction, texts.round_queued(row.number))

    @app_commands.command(description="How the running round and the last ones are doing")
    async def status(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction, thinking=True)
        active, rows, affected = await asyncio.to_thread(self._status)
        notes = [note for note in (self._note(), texts.affected_adapters(affected)) if note]
        await answer(interaction, texts.round_status(active, rows, "\n".join(notes)))

    @app_commands.command(description="The last rounds and how they ended")
    async def history(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction, thinking=True)
        await answer(interaction, texts.round_history(await asyncio.to_thread(self._history)))

    async def announce(self, row: Round) -> None:
        """Tell the policy to load the new adapter, and report the end of a round to every moderators' channel."""
        try:
            await self.bot.policy.reload()
        except PolicyError as error:
            log.warning("policy did not reload after the round", round=row.number, error=str(error))
        rows = await asyncio.to_thread(self._success)
        results: dict[str, Any] = row.results or {}
        text = texts.round_summary(
            row.number,
            row.error,
            results.get("adapter"),
            bool(results.get("promoted")),
            results.get("reason"),
        )
        if rows:
            text += "\n" + texts.success_table(rows)
        async with self.bot.database.async_session() as session:
            found = await session.exec(
                select(GuildSettings).where(col(GuildSettings.moderators_channel_id).is_not(None))
            )
            channels = [(int(one.guild_id), int(one.moderators_channel_id or 0)) for one in found]
        for guild_id, channel_id in channels:
            channel = self.bot.get_partial_messageable(channel_id, guild_id=guild_id)
            try:
                await channel.send(text, nonce=f"round-{row.id}")
            except OUTSIDE as error:
                log.warning("round not announced", guild=guild_id, channel=channel_id, error=str(error))

    def _why_nothing(self) -> str:
        if self.bot.settings.origin is not Origin.DISCORD:
            return texts.NOTHING_TO_LEARN
        return texts.NO_CONSENT if self.bot.settings.rounds.discord_permission else texts.TRAINING_OFF

    def _note(self) -> str | None:
        off = self.bot.settings.origin is Origin.DISCORD and not self.bot.settings.rounds.discord_permission
        return texts.TRAINING_OFF_SHORT if off else None

    def _status(self) -> tuple[dict[str, Any] | None, list[tuple[int, str, int, float]], dict[str, str]]:
        """(the round under way, success by round, adapters that may not be used and why)."""
        with self.bot.database.session() as session:
            row = active_round(session)
            active = (
                None
                if row is None
                else {"number": row.number, "stage": row.stage, "progress": row.progress or {}}
            )
            affected = {name: str(why) for name, why in affected_adapters(session).items()}
        return active, self._success(), affected

    def _success(self) -> list[tuple[int, str, int, float]]:
        with self.bot.database.session() as session:
            return latest_success(session, SHOWN)

    def _history(self) -> list[dict[str, Any]]:
        with self.bot.database.session() as session:
            rows = latest_rounds(session, SHOWN)
            names = dict(session.exec(select(Adapter.id, Adapter.name)).all())
            return [
                {
                    "number": row.number,
                    "status": row.status.value,
                    "trigger": row.trigger,
                    "ended": int(row.ended_at.timestamp()) if row.ended_at else None,
                    "adapter": names.get(row.adapter_id),
                    "error": row.error,
                }
                for row in rows
            ]

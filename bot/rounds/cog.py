"""The commands `/round ...`, protected by Discord's command permission and by checks here."""

import asyncio
import contextlib
from datetime import timedelta
from itertools import islice

from discord import app_commands
from sqlmodel import Session, select

from bot.cogs import GroupCog
from bot.errors import Refusal
from bot.language import speak
from bot.respond import acknowledge, answer
from bot.rounds import report_texts, texts
from bot.rounds.buttons import sure_button
from bot.rounds.console import refuse_unjudged, refuse_while_running
from bot.rounds.history import round_history
from bot.services import BotInteraction, Services
from games.language import _
from learner.protocol import PolicyError
from learner.registry import AdapterError, AdapterRegistry
from store.lineage import affected_adapters
from store.models import Adapter, AdapterStatus, Origin, Round
from store.rounds import (
    active_round,
    affected_since,
    attempts,
    latest_events,
    latest_rounds,
    waits_for_worker,
)
from store.statistics import success_by_adapter

SHOWN = 10
"""Number of rounds in the history."""
EVENTS_SHOWN = 30
CHOICES = 25
"""Discord's limit."""
STATUS_SECONDS = 1.0
"""Seconds that choices wait for the policy; Discord waits three for them."""


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Rounds(GroupCog, group_name="round", group_description="Rounds of learning"):
    """The console of rounds."""

    def __init__(self, bot: Services) -> None:
        self.bot = bot

    async def interaction_check(self, interaction: BotInteraction, /) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Administrators can open the command to anyone, so the permission is checked again here."""
        await self.bot.console.check(interaction)
        return await super().interaction_check(interaction)

    @app_commands.command(description="Learn from the games played so far")
    async def start(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction, thinking=True)
        await answer(interaction, await self.bot.console.act(interaction, "start"))

    @app_commands.command(description="How the running round is doing, and how well each adapter plays")
    async def status(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction, thinking=True)
        await answer(interaction, await asyncio.to_thread(self._status))

    @app_commands.command(description="The last rounds, who asked for them, and what people did")
    async def history(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction, thinking=True)
        await answer(interaction, await asyncio.to_thread(self._history))

    @app_commands.command(description="End the running round without a new adapter")
    async def cancel(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction, thinking=True)
        await self.bot.console.authority(interaction)
        row = await asyncio.to_thread(self._active)
        if row is None:
            raise Refusal(texts.NO_ROUND)
        buttons = sure_button("cancel", str(row.id), interaction.user.id)
        await answer(interaction, texts.cancel_sure(row), view=buttons)

    @app_commands.command(description="When rounds start; with cron, change it")
    @app_commands.describe(
        cron="Minute, hour, day of month, month and weekday, as in '0 4 * * *'; 'off'; or 'default'"
    )
    async def schedule(
        self, interaction: BotInteraction, cron: app_commands.Range[str, 1, 60] | None = None
    ) -> None:
        await acknowledge(interaction, thinking=True)
        if cron is None:
            await answer(interaction, self.bot.console.schedule())
        else:
            await answer(interaction, await self.bot.console.act(interaction, "schedule", cron.strip()))

    @schedule.autocomplete("cron")
    async def offer_schedules(
        self, interaction: BotInteraction, typed: str
    ) -> list[app_commands.Choice[str]]:
        speak(interaction.locale)
        offered = {cron: f"{cron}: {_(meaning)}" for cron, meaning in texts.SCHEDULES.items()}
        return [
            app_commands.Choice(name=name, value=cron)
            for cron, name in offered.items()
            if typed.casefold() in name.casefold()
        ]

    @app_commands.command(description="Let an adapter play new games, on all servers")
    @app_commands.describe(adapter="Which one; the list has those that may be used")
    async def promote(self, interaction: BotInteraction, adapter: app_commands.Range[str, 1, 60]) -> None:
        await acknowledge(interaction, thinking=True)
        await self.bot.console.authority(interaction)
        base_model = await self.bot.console.base_model()
        current, status = await asyncio.to_thread(self._promotable, adapter, base_model)
        if adapter == current:
            raise Refusal(texts.already_current(adapter))
        buttons = sure_button("promote", adapter, interaction.user.id)
        await answer(interaction, texts.promote_sure(adapter, current, status), view=buttons)

    @promote.autocomplete("adapter")
    async def offer_adapters(self, interaction: BotInteraction, typed: str) -> list[app_commands.Choice[str]]:
        """Nothing for those who may not see rounds: Discord asks for choices without asking who may have them."""
        speak(interaction.locale)
        try:
            await self.bot.console.check(interaction)
        except app_commands.AppCommandError:
            return []
        try:
            async with asyncio.timeout(STATUS_SECONDS):
                base_model = (await self.bot.policy.status()).base_model
        except (PolicyError, TimeoutError):
            base_model = None
        found = await asyncio.to_thread(self._usable, typed.casefold(), base_model)
        return [app_commands.Choice(name=texts.adapter_choice(*each), value=each[0]) for each in found]

    @app_commands.command(description="Go back to the adapter that was in use before, on all servers")
    async def rollback(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction, thinking=True)
        await self.bot.console.authority(interaction)
        base_model = await self.bot.console.base_model()
        current, to = await asyncio.to_thread(self._way_back, base_model)
        buttons = sure_button("rollback", to, interaction.user.id)
        await answer(interaction, texts.rollback_sure(current, to), view=buttons)

    # --- what is read in a thread -------------------------------------------------------------------------

    @property
    def _registry(self) -> AdapterRegistry:
        return AdapterRegistry.of(self.bot.settings)

    def _note(self) -> str | None:
        off = self.bot.settings.origin is Origin.DISCORD and not self.bot.settings.rounds.discord_permission
        return texts.TRAINING_OFF_SHORT if off else None

    def _active(self) -> Round | None:
        with self.bot.database.session() as session:
            return active_round(session)

    def _status(self) -> str:
        with self.bot.database.session() as session:
            try:
                current = self._registry.current()
            except AdapterError as error:
                raise Refusal(f"{error}.") from error
            active, asked = active_round(session), self.bot.settings.rounds
            since = affected_since(session, current)
            deadline = since + timedelta(days=asked.erasure_days) if since and asked.erasure_days else None
            affected = report_texts.affected_adapters(affected_adapters(session), deadline)
            notes = (self.bot.console.schedule(), self._note(), affected)
            waits = active is not None and waits_for_worker(active, asked.lease, elsewhere=asked.elsewhere)
            return report_texts.round_status(active, current, success_by_adapter(session), notes, waits=waits)

    def _history(self) -> str:
        with self.bot.database.session() as session:
            rows, events = latest_rounds(session, SHOWN), latest_events(session, EVENTS_SHOWN)
            names: dict[int | None, str] = dict(session.exec(select(Adapter.id, Adapter.name)).all())
            since = rows[-1].created_at if len(rows) == SHOWN else None  # older rounds are not shown either
            return round_history(rows, events, names, since, attempts(session, rows))

    def _usable(self, typed: str, base_model: str | None) -> list[tuple[str, AdapterStatus | None]]:
        """Adapters that may be promoted, by the beginning of a name: (name, status)."""
        with self.bot.database.session() as session:
            statuses = _statuses(session)
            names = (name for name in self._registry.usable(session, base_model) if typed in name)
            return [(name, statuses.get(name)) for name in islice(names, CHOICES)]

    def _promotable(self, name: str, base_model: str) -> tuple[str, AdapterStatus | None]:
        """(the adapter in use, the status of the one to promote). Raises Refusal if it may not be promoted."""
        with self.bot.database.session() as session:
            refuse_while_running(session)
            refuse_unjudged(session, name)
            try:
                self._registry.refuse_unusable(session, name, base_model)
            except AdapterError as error:
                raise Refusal(f"{error}.") from error
            current = ""  # where it cannot be read, a promotion writes it anew
            with contextlib.suppress(AdapterError):
                current = self._registry.current()
            return current, _statuses(session).get(name)

    def _way_back(self, base_model: str) -> tuple[str, str]:
        """(the adapter in use, the one before it). Raises Refusal if there is no way back."""
        with self.bot.database.session() as session:
            refuse_while_running(session)
            try:
                to = self._registry.previous()
                if to is None:
                    raise Refusal(texts.NOTHING_TO_GO_BACK_TO)
                self._registry.refuse_unusable(session, to, base_model)
                return self._registry.current(), to
            except AdapterError as error:
                raise Refusal(f"{error}.") from error


def _statuses(session: Session) -> dict[str, AdapterStatus]:
    return {
        name: AdapterStatus(status) for name, status in session.exec(select(Adapter.name, Adapter.status))
    }

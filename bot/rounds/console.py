"""What people do about rounds and adapters: who may, the act itself, and requests to the owner."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any

import discord
import structlog
from discord import app_commands
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, select

from bot.errors import OUTSIDE, Refusal
from bot.language import channel_locale, speak, speaking
from bot.respond import NO_PINGS
from bot.rounds import report_texts, texts
from bot.rounds.buttons import decide_buttons
from bot.rounds.history import ERASED, event_line, round_line
from bot.rounds.messages import RoundMessages
from bot.rounds.reports import Reports
from bot.rounds.schedule import NoRound, NothingToLearn, TooLate, TooSoon
from bot.services import BotInteraction, Services
from learner.protocol import PolicyError
from learner.registry import AdapterError, AdapterRegistry
from store.lineage import affected_adapters
from store.models import Adapter, AdapterStatus, Origin, Round, RoundAction, RoundEvent, now
from store.players import known_player
from store.rounds import RoundUnderWay, active_round, affected_since, record_event

log = structlog.get_logger(__name__)


class Authority(StrEnum):
    """What somebody may do about rounds and adapters."""

    ACT = "act"
    REQUEST = "request"
    """Ask the owner to confirm it."""


class Console:
    """Does what commands and buttons ask for."""

    def __init__(self, bot: Services) -> None:
        self._bot = bot
        self._messages = RoundMessages(bot)
        self.reports = Reports(bot)
        bot.schedule.on_start = lambda row: bot.audit.everywhere(partial(texts.started, row))
        bot.schedule.on_end = self.ended
        bot.schedule.on_game = self.reports.gain_if_due
        bot.schedule.on_day = self._keep_deadline

    async def resume(self) -> None:
        """Go on with the messages of rounds, and with what was erased."""
        await self.leave_affected()
        for row in await self._messages.resume():
            await self._show_end(row)

    async def close(self) -> None:
        """Stop editing messages."""
        await self._messages.close()

    # --- who may ------------------------------------------------------------------------------------------

    async def check(self, interaction: BotInteraction) -> None:
        """Who may see rounds: moderators and the owner. Raises NoPrivateMessage or MissingPermissions."""
        if interaction.guild is None:
            raise app_commands.NoPrivateMessage
        if not interaction.permissions.manage_guild and not await self._bot.is_owner(interaction.user):
            raise app_commands.MissingPermissions(["manage_guild"])

    async def authority(self, interaction: BotInteraction) -> Authority:
        """What a moderator or the owner may do. Raises Refusal."""
        managed_by, settings = self._bot.settings.managed_by, self._bot.settings.rounds
        moderator = interaction.guild is not None and interaction.permissions.manage_guild
        if moderator and (
            managed_by == "moderators"
            or (managed_by == "servers" and str(interaction.guild_id) in settings.named_servers)
        ):
            return Authority.ACT
        if await self._bot.is_owner(interaction.user):
            return Authority.ACT
        if moderator and managed_by == "request":
            return Authority.REQUEST
        raise Refusal(texts.NOT_MANAGING)

    # --- acts ---------------------------------------------------------------------------------------------

    async def act(self, interaction: BotInteraction, kind: str, argument: str = "") -> str:
        """Do something or, where the owner decides, request it. Returns the answer. Raises Refusal.

        `kind`: "start"; "cancel" with the id of a round; "promote" and "rollback" with the adapter that is to be
        current; "schedule" with a cron expression, "off" or "default".
        """
        by = str(interaction.user.id)
        if await self.authority(interaction) is Authority.REQUEST:
            return await self._request(interaction, kind, argument, by)
        outcome = await self._do(
            kind, argument, by, interaction.channel_id, interaction.guild_id, interaction
        )
        return outcome()

    async def _do(
        self,
        kind: str,
        argument: str,
        by: str,
        channel_id: int | None,
        guild_id: int | None,
        interaction: BotInteraction | None = None,
    ) -> Callable[[], str]:
        """Do something. Gives what came of it, in words of the language in which that is called."""
        match kind:
            case "start":
                return await self._start(by, channel_id, guild_id, interaction)
            case "cancel":
                return await self._cancel(_round_id(argument), by)
            case "promote" | "rollback":
                return await self._make_current(kind, argument, by)
            case _:
                return await self._choose_schedule(argument, by)

    async def _start(
        self, by: str, channel_id: int | None, guild_id: int | None, interaction: BotInteraction | None
    ) -> Callable[[], str]:
        if self._bot.settings.rounds.system == "control":
            raise Refusal(texts.CONTROL_SYSTEM)
        try:
            row = await self._bot.schedule.request("manual", by)
        except RoundUnderWay as error:
            raise Refusal(texts.under_way(error.number)) from error
        except NothingToLearn as error:
            raise Refusal(self._why_nothing()) from error
        except TooSoon as error:
            raise Refusal(texts.too_soon(error)) from error
        if channel_id is not None:
            await self._messages.begin(row, channel_id, guild_id, interaction)
        return partial(texts.round_queued, row.number)

    def _why_nothing(self) -> str:
        if self._bot.settings.origin is not Origin.DISCORD:
            return texts.NOTHING_TO_LEARN
        return texts.NO_CONSENT if self._bot.settings.rounds.discord_permission else texts.TRAINING_OFF

    async def _cancel(self, round_id: int, by: str) -> Callable[[], str]:
        try:
            row = await self._bot.schedule.cancel(round_id, by)
        except NoRound as error:
            raise Refusal(texts.ROUND_OVER) from error
        except TooLate as error:
            raise Refusal(texts.TOO_LATE) from error
        return partial(texts.cancelled, row.number)

    async def _make_current(self, kind: str, name: str, by: str) -> Callable[[], str]:
        base_model = await self.base_model()
        registry = AdapterRegistry.of(self._bot.settings)
        action = RoundAction.ROLLBACK if kind == "rollback" else RoundAction.PROMOTE

        def change(session: Session) -> str:
            refuse_while_running(session)
            if kind == "rollback":
                before = registry.current()
                if registry.previous() != name:
                    raise Refusal(texts.CHANGED_MEANWHILE)
                registry.rollback(session, base_model)
            else:
                refuse_unjudged(session, name)
                before = registry.promote(session, name, base_model)
            if before != name:
                record_event(session, action, by, adapter=name, before=before)
            return before

        try:
            # It is fetched here, not while others wait for their turn to write.
            await asyncio.to_thread(registry.refuse_unusable, None, name, base_model)
            before = await self._bot.database.write_in_thread(change)
        except AdapterError as error:
            raise Refusal(f"{error}.") from error
        await self._reload()
        if before == name:
            return partial(texts.already_current, name)
        self._tell(RoundEvent(action=action, by=by, adapter=name, before=before))
        return partial(texts.promoted, name, before)

    async def leave_affected(self) -> bool:
        """Something was erased, or is no longer agreed to: go back from the adapter in use, if it learnt from it.

        Gives whether no new game is played with such an adapter any more. Where the owner leaves that to the next
        round, it is done after the deadline. While a round runs it does nothing, as that does the same at its end.
        """
        asked = self._bot.settings.rounds
        at_once = asked.after_erasure == "rollback"
        registry = AdapterRegistry.of(self._bot.settings)

        def change(session: Session) -> RoundEvent | None:
            refuse_while_running(session)
            if not at_once and not _is_overdue(session, registry.current(), asked.erasure_days):
                return None
            left = registry.leave_affected(session)
            if left is None:
                return None
            about: dict[str, Any] = {"adapter": left["to"], "before": left["from"], "detail": ERASED}
            record_event(session, RoundAction.ROLLBACK, None, **about)
            return RoundEvent(action=RoundAction.ROLLBACK, **about)

        try:
            event = await self._bot.database.write_in_thread(change)
        except Refusal:
            return False
        except (AdapterError, OSError) as error:
            log.error("the adapter in use could not be taken out of service", error=str(error))
            return False
        if event is not None:
            await self._reload()
            self._tell(event)
        return at_once or event is not None

    async def _keep_deadline(self) -> None:
        try:
            await self.leave_affected()
        except SQLAlchemyError as error:
            log.error("database not available", error=str(error.__cause__ or error))

    async def base_model(self) -> str:
        """The fingerprint of the base model that plays. Raises Refusal if it does not answer."""
        try:
            return (await self._bot.policy.status()).base_model
        except PolicyError as error:
            raise Refusal(texts.POLICY_AWAY) from error

    async def _choose_schedule(self, typed: str, by: str) -> Callable[[], str]:
        cron = {texts.OFF: "", texts.OPERATORS: None}.get(typed, typed)
        try:
            await self._bot.schedule.choose(cron, by)
        except ValueError as error:
            raise Refusal(texts.no_cron(typed, str(error))) from error
        self._tell(RoundEvent(action=RoundAction.SCHEDULE, by=by, detail=cron))
        return self.schedule

    def schedule(self) -> str:
        """When rounds start, in words."""
        schedule = self._bot.schedule
        return texts.schedule(schedule.chosen, schedule.next_times(3), self._bot.settings.rounds.every_games)

    # --- requests -----------------------------------------------------------------------------------------

    async def _request(self, interaction: BotInteraction, kind: str, argument: str, by: str) -> str:
        assert interaction.guild is not None and interaction.channel_id is not None
        shown = await self._shown(kind, argument)
        try:
            place, locale = await self._where_owners_decide()
            with speaking(locale):
                buttons = decide_buttons(kind, argument, by, interaction.channel_id)
                text = texts.request(by, interaction.guild.name, report_texts.act(kind, shown))
            await place.send(
                text, view=buttons, nonce=f"ask-{interaction.id}"[:25], allowed_mentions=NO_PINGS
            )
        except OUTSIDE as error:
            log.warning("a request could not be sent", error=str(error))
            raise Refusal(texts.OWNER_AWAY) from error
        await self._record(RoundAction.REQUEST, by, kind, shown)
        return texts.REQUESTED

    async def _shown(self, kind: str, argument: str) -> str:
        """An argument as people know it: the number of a round in place of its id."""
        if kind != "cancel":
            return argument
        async with self._bot.database.async_session() as session:
            row = await session.get(Round, _round_id(argument))
        return str(row.number) if row else argument

    async def _where_owners_decide(self) -> tuple[discord.abc.Messageable, str]:
        """(where, in which locale). Raises Refusal, and what Discord's requests raise."""
        if channel := self._bot.settings.rounds.requests_channel:
            locale = await channel_locale(self._bot, self._bot.database, int(channel))
            return self._bot.get_partial_messageable(int(channel)), locale
        application = self._bot.application
        if application is None:
            raise Refusal(texts.OWNER_AWAY)
        team = application.team
        owner_id = (team.owner_id if team else None) or application.owner.id
        async with self._bot.database.async_session() as session:
            owner = await known_player(session, self._bot.settings.origin, str(owner_id))
        place = await (await self._bot.fetch_user(owner_id)).create_dm()
        return place, owner.locale if owner is not None else "en"

    async def decide(
        self, interaction: BotInteraction, kind: str, argument: str, by: str, channel_id: int, *, yes: bool
    ) -> None:
        """Confirm or refuse a request. Raises Refusal for those who may not, and for what cannot be done."""
        decider = str(interaction.user.id)
        trusted = str(interaction.channel_id) == self._bot.settings.rounds.requests_channel
        moderator = interaction.guild is not None and interaction.permissions.manage_guild
        if not (trusted and moderator) and not await self._bot.is_owner(interaction.user):
            raise Refusal(texts.NOT_MANAGING)
        shown = await self._shown(kind, argument)
        what = report_texts.act(kind, shown)
        outcome = await self._do(kind, argument, by, channel_id, None) if yes else None
        await self._record(RoundAction.CONFIRM if yes else RoundAction.REFUSE, decider, kind, shown)
        asked = interaction.message.content if interaction.message else what
        said = (
            texts.request_refused(asked, decider)
            if outcome is None
            else texts.request_confirmed(asked, decider, outcome())
        )
        await interaction.edit_original_response(content=said, view=None)
        if kind == "start" and yes:
            return  # the round has a message there
        try:
            channel = self._bot.get_partial_messageable(channel_id)
            with speaking(await channel_locale(self._bot, self._bot.database, channel_id)):
                told = texts.your_request(by, report_texts.act(kind, shown), outcome() if outcome else None)
            await channel.send(told, nonce=f"told-{interaction.id}"[:25], allowed_mentions=NO_PINGS)
        except OUTSIDE as error:
            log.warning("the answer to a request could not be sent", error=str(error))

    async def _record(self, action: RoundAction, by: str, kind: str, shown: str) -> None:
        detail = f"{kind} {shown}".strip()  # each reader of the history gets it in words of a language
        await self._bot.database.write_in_thread(
            lambda session: record_event(session, action, by, detail=detail)
        )
        self._tell(RoundEvent(action=action, by=by, detail=detail))

    def _tell(self, event: RoundEvent) -> None:
        """Write what somebody did to the audit channels."""
        self._bot.audit.everywhere(partial(event_line, event))

    # --- the end of a round -------------------------------------------------------------------------------

    async def ended(self, row: Round) -> None:
        """Fetch the new adapter, tell the policy to load it, and report the end of a round."""
        await self._bot.schedule.pull()
        await self._reload()
        self._bot.audit.everywhere(await asyncio.to_thread(self._end_of, row))
        await self._show_end(row)

    def _end_of(self, row: Round) -> Callable[[], str]:
        with self._bot.database.session() as session:
            by = session.exec(
                select(RoundEvent.by).where(
                    RoundEvent.round_id == row.id, RoundEvent.action == RoundAction.CANCEL
                )
            ).first()
            adapter = session.get(Adapter, row.adapter_id) if row.adapter_id is not None else None
            names = {row.adapter_id: adapter.name} if adapter is not None else {}
        return partial(round_line, row, {row.id: by}, names)

    async def _show_end(self, row: Round) -> None:
        channel_id = int(row.channel_id) if row.channel_id else None
        if channel_id is not None:
            speak(await channel_locale(self._bot, self._bot.database, channel_id))
        report = await self.reports.of_round(row)
        shown = await self._messages.end(row, report.text, report.file())
        await self.reports.send(
            partial(self.reports.of_round, row), f"round-{row.id}", without=channel_id if shown else None
        )

    async def _reload(self) -> None:
        try:
            await self._bot.policy.reload()
        except PolicyError as error:
            log.warning("the policy did not reload", error=str(error))


def _round_id(argument: str) -> int:
    """Raises Refusal for what is no id of a round: a custom id may come from anywhere."""
    if not re.fullmatch(r"[0-9]{1,18}", argument):
        raise Refusal(texts.ROUND_OVER)
    return int(argument)


def refuse_while_running(session: Session) -> None:
    """Raises Refusal while a round may change the current adapter itself."""
    if (row := active_round(session)) is not None:
        raise Refusal(texts.round_under_way(row.number))


def _is_overdue(session: Session, adapter: str, days: int) -> bool:
    """Whether it was found so many days ago that this adapter may no longer be used. Otherwise that is recorded."""
    if not days or adapter not in affected_adapters(session):
        return False
    since = affected_since(session, adapter)
    if since is None:
        record_event(session, RoundAction.AFFECTED, None, adapter=adapter)
    return since is not None and now() - since >= timedelta(days=days)


def refuse_unjudged(session: Session, name: str) -> None:
    """Raises Refusal for the adapter of a round that did not end. The next round writes over it."""
    status = session.exec(select(Adapter.status).where(Adapter.name == name)).first()
    if status is AdapterStatus.CANDIDATE:
        raise Refusal(texts.never_judged(name))

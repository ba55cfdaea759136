"""Starts rounds of learning: by a cron schedule, after enough games, or on request. One at a time, and ends them.

A round's row is written before its process starts, and records how it ended. If the process died together with the
bot, the round is resumed at the next start; if the process is still running, the bot waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, func, select

from bot.errors import StartupError
from bot.rounds.cron import Cron
from bot.settings import BotSettings
from learner.protocol import BASE_ADAPTER
from learner.registry import AdapterError, AdapterRegistry
from learner.rounds.process import RoundProcess, is_locked
from store.database import Database
from store.lineage import affected_adapters
from store.logs import message_of
from store.models import Round, RoundAction, RoundStatus, now
from store.rounds import (
    ChosenSchedule,
    RoundUnderWay,
    active_round,
    cancel,
    chosen_schedule,
    finish,
    games_since,
    games_since_last_round,
    last_done_round,
    record_event,
    request_round,
)
from store.training import has_usable_interactions
from web.metrics import Metrics

log = structlog.get_logger(__name__)

JOB = "rounds"
"""Id of the schedule's job."""
POLL_SECONDS = 2.0


class NothingToLearn(RuntimeError):
    """There are no finished games that may be used for training."""


class TooSoon(RuntimeError):
    """The last round ended too short a time ago, or too few games have finished since."""

    def __init__(self, again: datetime | None, games: int, needed: int) -> None:
        """`again`: when the next round may start, None if at any time. `games`: new ones, of so many `needed`."""
        super().__init__("too soon after the last round")
        self.again, self.games, self.needed = again, games, needed


class NoRound(RuntimeError):
    """No round is under way."""


class TooLate(RuntimeError):
    """The round's adapter is current already."""


class RoundSchedule:
    """Starts rounds and watches each of them until it ends."""

    def __init__(self, settings: BotSettings, database: Database, metrics: Metrics) -> None:
        self._settings = settings
        self._database = database
        self._metrics = metrics
        self._scheduler = AsyncIOScheduler()
        self._watch: asyncio.Task[None] | None = None
        self._process: RoundProcess | None = None
        self._counting: asyncio.Task[None] | None = None
        self._forgetting: asyncio.Task[None] | None = None
        self._pending = False
        self._closing = False
        self._changing = asyncio.Lock()
        """Held while a round's process is started, and while a round is cancelled."""
        self._watched: int | None = None
        """Id of the round whose end is not reported yet."""
        self._chosen = ChosenSchedule(settings.rounds.schedule)
        self._trigger: Cron | None = None
        self.on_game: Callable[[], Awaitable[None]] | None = None
        """Called after a game has finished, not more than once at a time."""
        self.on_day: Callable[[], Awaitable[None]] | None = None
        """Called once a day."""
        self.on_start: Callable[[Round], None] | None = None
        """Called with the row of every round that is queued."""
        self.on_end: Callable[[Round], Awaitable[None]] | None = None
        """Called with the row of every round that ends while this bot runs."""

    async def start(self) -> None:
        """Resume an unfinished round and start the schedule. Raises StartupError for a bad cron expression."""
        if default := self._settings.rounds.schedule:
            try:
                Cron(default)
            except ValueError as error:
                raise StartupError(
                    f"RESPECT_ROUNDS__SCHEDULE {default!r} is not a cron expression: {error}. "
                    "Example: '0 4 * * *' is every day at four."
                ) from error
        self._follow(await asyncio.to_thread(self._read_chosen))
        missed = await asyncio.to_thread(self._missed)
        await self.pull()
        self._forgetting = asyncio.create_task(self._forget_erased())
        if self.on_day is not None:
            self._scheduler.add_job(self.on_day, "interval", days=1)
        self._scheduler.start()
        self._watch_to_the_end()
        if missed:
            await self._request_quietly("schedule")
        self.game_finished()

    @property
    def chosen(self) -> ChosenSchedule:
        """When rounds start."""
        return self._chosen

    def next_times(self, count: int) -> list[datetime]:
        """When the schedule starts its next rounds, soonest first; empty without a schedule."""
        found: list[datetime] = []
        while self._trigger is not None and len(found) < count:
            following = self._trigger.get_next_fire_time(found[-1] if found else None, now())
            if following is None:
                break
            found.append(following)
        return found

    async def choose(self, cron: str | None, by: str) -> None:
        """Keep a schedule in the store and follow it: a cron expression, "" for none, None for the operator's.

        Raises ValueError for what is no cron expression.
        """
        if cron:
            Cron(cron)

        def write(session: Session) -> None:
            record_event(session, RoundAction.SCHEDULE, by, detail=cron)

        await self._database.write_in_thread(write)
        log.info("schedule of rounds changed", cron=cron)
        self._follow(await asyncio.to_thread(self._read_chosen))

    def _follow(self, chosen: ChosenSchedule) -> None:
        self._chosen, self._trigger = chosen, None
        if self._scheduler.get_job(JOB) is not None:
            self._scheduler.remove_job(JOB)
        if chosen.cron is None:
            return
        try:
            self._trigger = Cron(chosen.cron)
        except ValueError as error:  # one that was kept, and that is not understood any more
            log.error("no schedule of rounds", cron=chosen.cron, error=str(error))
            return
        self._scheduler.add_job(
            self._request_quietly,
            self._trigger,
            args=["schedule"],
            id=JOB,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    def _read_chosen(self) -> ChosenSchedule:
        with self._database.session() as session:
            return chosen_schedule(session, self._settings.rounds.schedule)

    async def close(self) -> None:
        """Stop. A running round is stopped too and resumed after the next start."""
        self._closing = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        for task in (self._watch, self._counting, self._forgetting):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._process is not None:
            await self._process.stop()

    async def request(self, trigger: str, requested_by: str | None = None) -> Round:
        """Request a round and start it. Raises `RoundUnderWay`, `NothingToLearn` or `TooSoon`."""
        row = await asyncio.to_thread(self._queue, trigger, requested_by)
        log.info("round queued", round=row.number, trigger=trigger)
        if self.on_start is not None:
            self.on_start(row)
        self._watched = row.id
        self._watch_to_the_end()
        return row

    async def cancel(self, round_id: int, by: str) -> Round:
        """End a round that is queued or running. Raises `NoRound` if it has ended, `TooLate` if its adapter plays."""
        async with self._changing:
            row = await asyncio.to_thread(self._active)
            if row is None or row.id != round_id:
                raise NoRound
            if self._process is not None:
                await self._process.stop()
            row = await asyncio.to_thread(self._end_as_cancelled, round_id, by)
        if row.status is not RoundStatus.CANCELLED:
            raise NoRound
        log.info("round cancelled", round=row.number)
        self._watched = round_id
        self._watch_to_the_end()
        return row

    def _end_as_cancelled(self, round_id: int, by: str) -> Round:
        """A process of another bot or of a shell stops when it next reports. Raises `TooLate`."""
        registry = AdapterRegistry.of(self._settings)
        with self._database.session() as session:
            try:
                registry.pull()
                current = registry.current()
                if current != BASE_ADAPTER and registry.card(current).round_id == round_id:
                    raise TooLate
                registry.leave_affected(session)
            except (AdapterError, OSError) as error:
                log.error("the adapter in use could not be read", error=str(error))
            return cancel(session, round_id, by)

    async def pull(self) -> None:
        """Bring the adapters here up to date with their URL, if they have one."""
        try:
            await asyncio.to_thread(AdapterRegistry.of(self._settings).pull)
        except (AdapterError, OSError) as error:
            log.error("adapters could not be fetched", error=str(error))

    async def _forget_erased(self) -> None:
        """Take out of the cards at the URL what was erased while it could not be reached. Each round does, too."""

        def forget() -> None:
            registry = AdapterRegistry.of(self._settings)
            if registry.has_url:
                with self._database.session() as session:
                    registry.forget_erased(session)

        try:
            await asyncio.to_thread(forget)
        except (AdapterError, SQLAlchemyError) as error:
            log.error("cards at the URL could not be rewritten", error=message_of(error))

    def game_finished(self) -> None:
        """A game ended: start a round if there are enough games now."""
        counting = self._counting is not None and not self._counting.done()
        if not self._closing and not counting:
            self._counting = asyncio.create_task(self._count())

    def _queue(self, trigger: str, requested_by: str | None) -> Round:
        with self._database.session() as session:
            # A round without games still takes an adapter out of service that may no longer be used.
            if active_round(session) is None and self._current_adapter() not in affected_adapters(session):
                asked = self._settings.rounds
                if not has_usable_interactions(
                    session, asked.discord_permission, local_games=asked.local_games
                ):
                    raise NothingToLearn
                self._refuse_too_soon(session)
            return request_round(session, self._settings.rounds.system, trigger, requested_by)

    def _refuse_too_soon(self, session: Session) -> None:
        last, needed = last_done_round(session), self._settings.rounds.least_games
        games = games_since(session, last and (last.started_at or last.created_at), needed)
        waits = None
        if last is not None and last.ended_at is not None:
            again = last.ended_at + timedelta(minutes=self._settings.rounds.cooldown)
            # A round that ended in the future: the clock was set back since.
            waits = again if last.ended_at <= now() < again else None
        if waits is not None or games < needed:
            raise TooSoon(waits, games, needed)

    def _current_adapter(self) -> str | None:
        try:
            return AdapterRegistry.of(self._settings).current()
        except AdapterError:
            return None

    def _missed(self) -> bool:
        """Whether a scheduled round was due while the bot was not running."""
        if self._trigger is None:
            return False
        with self._database.session() as session:
            last = session.exec(select(func.max(Round.created_at)).where(Round.trigger == "schedule")).one()
        if last is None:
            return False
        since = max(last, self._chosen.at or last)
        due = self._trigger.get_next_fire_time(None, since)
        return due is not None and due <= now()

    async def _count(self) -> None:
        wanted = self._settings.rounds.every_games

        def enough() -> bool:
            with self._database.session() as session:
                return games_since_last_round(session, wanted) == wanted

        try:
            if wanted and await asyncio.to_thread(enough):
                await self._request_quietly("games")
            if self.on_game is not None:
                await self.on_game()
        except SQLAlchemyError as error:
            log.error("games could not be counted", error=str(error.__cause__ or error))
        except Exception:
            log.exception("what follows a game failed")

    async def _request_quietly(self, trigger: str) -> None:
        try:
            await self.request(trigger)
        except (RoundUnderWay, NothingToLearn, TooSoon) as error:
            log.info("no round started", trigger=trigger, reason=str(error) or type(error).__name__)
        except SQLAlchemyError as error:
            log.error("round could not be queued", error=str(error.__cause__ or error))

    # --- the process --------------------------------------------------------------------------------------

    def _watch_to_the_end(self) -> None:
        self._pending = True
        if not self._closing and (self._watch is None or self._watch.done()):
            self._watch = asyncio.create_task(self._watch_rounds(), name="rounds")

    async def _watch_rounds(self) -> None:
        while self._pending and not self._closing:
            self._pending = False
            await self._until_none_is_active()

    async def _until_none_is_active(self) -> None:
        """Run the active round, if there is one, until it has ended, in this or another process."""
        while not self._closing:
            try:
                async with self._changing:
                    row = await asyncio.to_thread(self._active)
                    if row is None:
                        break
                    self._watched = row.id
                    if not (self._settings.rounds.elsewhere or row.worker or is_locked(self._settings)):
                        self._process = await RoundProcess.start(self._settings, row)
                if self._process is not None:
                    await self._until_it_exits(row, self._process)
                else:  # run by a worker, a process of an earlier bot, or from a shell
                    await asyncio.sleep(POLL_SECONDS)
            except SQLAlchemyError as error:
                log.error("database not available", error=str(error.__cause__ or error))
                await asyncio.sleep(POLL_SECONDS)
        watched, self._watched = self._watched, None
        if watched is not None and not self._closing:
            await self._ended(watched)

    async def _until_it_exits(self, row: Round, process: RoundProcess) -> None:
        assert row.id is not None
        reason = await process.wait()
        async with self._changing:  # what was stopped ends as cancelled
            self._process = None
            if not (self._closing or process.stopped or is_locked(self._settings)):
                await asyncio.to_thread(self._mark_if_active, row.id, reason)

    def _active(self) -> Round | None:
        with self._database.session() as session:
            return active_round(session)

    def _mark_if_active(self, round_id: int, reason: str) -> None:
        with self._database.session() as session:
            row = active_round(session)
            if row is not None and row.id == round_id and row.worker is None:
                finish(session, round_id, error=reason)

    async def _ended(self, round_id: int) -> None:
        def read() -> Round | None:
            with self._database.session() as session:
                return session.get(Round, round_id)

        row = await asyncio.to_thread(read)
        if row is None:
            return
        self._metrics.rounds.labels(status=row.status.value).inc()
        if row.status is RoundStatus.FAILED:
            log.error("round failed", round=row.number, error=row.error)
        elif row.status is RoundStatus.DONE:
            log.info("round done", round=row.number, results=row.results)
        if self.on_end is not None:
            try:
                await self.on_end(row)
            except Exception:
                log.exception("the end of a round could not be announced", round=row.number)

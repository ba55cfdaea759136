"""Starts rounds of learning: by a cron schedule, after enough games, or on request. One at a time.

A round's row is written before its process starts, and records how it ended. If the process died together with the
bot, the round is resumed at the next start; if the process is still running, the bot waits for it.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import func, select

from bot.errors import StartupError
from bot.rounds.cron import Cron
from bot.settings import BotSettings
from learner.registry import AdapterError, AdapterRegistry
from learner.rounds import LOCK_FILE, command
from learner.settings import LearnerSettings
from store.database import Database
from store.folder import private_file
from store.lineage import affected_adapters
from store.models import Round, RoundStatus, now
from store.rounds import RoundUnderWay, active_round, finish, games_since_last_round, request_round
from store.training import has_usable_interactions
from web.metrics import Metrics

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
STOP_SECONDS = 10.0
LOG_TAIL = 300


class NothingToLearn(RuntimeError):
    """There are no finished games that may be used for training."""


class RoundSchedule:
    """Starts rounds and watches each of them until it ends."""

    def __init__(self, settings: BotSettings, database: Database, metrics: Metrics) -> None:
        self._settings = settings
        self._database = database
        self._metrics = metrics
        self._scheduler = AsyncIOScheduler()
        self._watch: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._counting: asyncio.Task[None] | None = None
        self._pending = False
        self._closing = False
        self.on_end: Callable[[Round], Awaitable[None]] | None = None
        """Called with the row of every round that ends while this bot runs."""

    async def start(self) -> None:
        """Resume an unfinished round and start the schedule. Raises StartupError for a bad cron expression."""
        missed = False
        if self._settings.rounds.schedule:
            try:
                trigger = Cron(self._settings.rounds.schedule)
            except ValueError as error:
                raise StartupError(
                    f"RESPECT_ROUNDS__SCHEDULE {self._settings.rounds.schedule!r} is not a cron expression: "
                    f"{error}. Example: '0 4 * * *' is every day at four."
                ) from error
            self._scheduler.add_job(
                self._request_quietly,
                trigger,
                args=["schedule"],
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
            )
            missed = await asyncio.to_thread(self._missed, trigger)
        self._scheduler.start()
        self._watch_to_the_end()
        if missed:
            await self._request_quietly("schedule")
        self.game_finished()

    async def close(self) -> None:
        """Stop. A running round is stopped too and resumed after the next start."""
        self._closing = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        for task in (self._watch, self._counting):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._process is not None:
            await _stop(self._process)

    async def request(self, trigger: str, requested_by: str | None = None) -> Round:
        """Request a round and start it. Raises `RoundUnderWay` or `NothingToLearn`."""
        row = await asyncio.to_thread(self._queue, trigger, requested_by)
        log.info("round queued", round=row.number, trigger=trigger)
        self._watch_to_the_end()
        return row

    def game_finished(self) -> None:
        """A game ended: start a round if there are enough games now."""
        counting = self._counting is not None and not self._counting.done()
        if self._settings.rounds.every_games and not self._closing and not counting:
            self._counting = asyncio.create_task(self._count())

    def _queue(self, trigger: str, requested_by: str | None) -> Round:
        with self._database.session() as session:
            asked = self._settings.rounds
            nothing = not has_usable_interactions(
                session, asked.discord_permission, local_games=asked.local_games
            )
            # A round without games still takes an adapter out of service that may no longer be used.
            if (
                active_round(session) is None
                and nothing
                and self._current_adapter() not in affected_adapters(session)
            ):
                raise NothingToLearn
            return request_round(session, self._settings.rounds.system, trigger, requested_by)

    def _current_adapter(self) -> str | None:
        try:
            return AdapterRegistry(self._settings.adapters_dir).current()
        except AdapterError:
            return None

    def _missed(self, trigger: Cron) -> bool:
        """Whether a scheduled round was due while the bot was not running."""
        with self._database.session() as session:
            last = session.exec(select(func.max(Round.created_at)).where(Round.trigger == "schedule")).one()
        due = trigger.get_next_fire_time(None, last) if last is not None else None
        return due is not None and due <= now()

    async def _count(self) -> None:
        wanted = self._settings.rounds.every_games

        def enough() -> bool:
            with self._database.session() as session:
                return games_since_last_round(session, wanted) == wanted

        try:
            if await asyncio.to_thread(enough):
                await self._request_quietly("games")
        except SQLAlchemyError as error:
            log.error("games could not be counted", error=str(error.__cause__ or error))

    async def _request_quietly(self, trigger: str) -> None:
        try:
            await self.request(trigger)
        except (RoundUnderWay, NothingToLearn) as error:
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
        watched: int | None = None
        while not self._closing:
            try:
                row = await asyncio.to_thread(self._active)
                if row is None:
                    break
                watched = row.id
                if _is_locked(self._settings.adapters_dir / LOCK_FILE):
                    await asyncio.sleep(POLL_SECONDS)  # by a process of an earlier bot, or from a shell
                else:
                    await self._run(row)
            except SQLAlchemyError as error:
                log.error("database not available", error=str(error.__cause__ or error))
                await asyncio.sleep(POLL_SECONDS)
        if watched is not None:
            await self._ended(watched)

    async def _run(self, row: Round) -> None:
        assert row.id is not None
        path = private_file(self._settings.store.data_dir / "logs" / f"round-{row.id}.log")
        with path.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command(row.id, self._settings.rounds.processes),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._settings.environment(LearnerSettings),
                start_new_session=True,
            )
        log.info("round started", round=row.number, pid=self._process.pid, log=str(path))
        code = await self._process.wait()
        self._process = None
        if self._closing or _is_locked(self._settings.adapters_dir / LOCK_FILE):
            return
        await asyncio.to_thread(self._mark_if_active, row.id, _reason(code, path))

    def _active(self) -> Round | None:
        with self._database.session() as session:
            return active_round(session)

    def _mark_if_active(self, round_id: int, reason: str) -> None:
        with self._database.session() as session:
            row = active_round(session)
            if row is not None and row.id == round_id:
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
        else:
            log.info("round done", round=row.number, results=row.results)
        if self.on_end is not None:
            try:
                await self.on_end(row)
            except Exception:
                log.exception("the end of a round could not be announced", round=row.number)


def _is_locked(path: Path) -> bool:
    """Whether a process holds the lock of the rounds."""
    if not path.exists():
        return False
    try:
        with FileLock(path, blocking=False):
            return False
    except Timeout:
        return True


def _reason(code: int, path: Path) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = "; the machine may have run out of memory" if -code == signal.SIGKILL else ""
        return f"Its process was ended by {name}{hint}."
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_TAIL))
        lines = file.read().decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "no output"
    return f"Its process ended with code {code} before the round did: {last}"


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

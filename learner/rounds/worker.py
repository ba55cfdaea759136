"""`respect round worker`: takes queued rounds from the store and runs them, on whatever machine it is.

A worker holds a round for as long as it says, again and again, that it lives. Another one takes the round over when
the row has not changed for the time of a lease, measured by its own clock: the machines' clocks need not agree. What
decides is the row (`store.rounds.take` and `hold`), and a worker that lost its round changes nothing any more.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import time

import structlog
from sqlalchemy.exc import SQLAlchemyError

from learner.rounds.process import RoundProcess
from learner.settings import LearnerSettings
from store.database import Database
from store.models import Round, RoundStatus
from store.rounds import RoundEnded, RoundTaken, active_round, finish, give_up, hold, take

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
BEATS_PER_LEASE = 5


class RoundWorker:
    """Runs one round after another, each in a process that ends with this one."""

    def __init__(self, settings: LearnerSettings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._lease = settings.rounds.lease
        self._stop = asyncio.Event()
        self._seen: Round | None = None
        """The running round of another worker, as it was at `_seen_at`."""
        self._seen_at = 0.0
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

    async def run(self, *, once: bool = False) -> Round | None:
        """Run rounds until SIGTERM or SIGINT, or one. Returns the row of the last one that ended here."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        log.info("waiting for rounds", worker=self.name)
        ended = None
        while not self._stop.is_set() and not (once and ended):
            try:
                taken = await asyncio.to_thread(self._take)
                if taken is not None:
                    ended = await self._run(taken) or ended
                    continue
            except SQLAlchemyError as error:
                log.error("database not available", error=str(error.__cause__ or error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), LOOK_SECONDS)
        return ended

    def _take(self) -> Round | None:
        """Take the active round, if nobody runs it, or if the one who does has not said so for the time of a lease."""
        with self._database.session() as session:
            row = active_round(session)
            if row is None or (row.status is not RoundStatus.QUEUED and not self._is_silent(row)):
                return None
            if not take(session, row, self.name):
                return None
        log.info("round taken", round=row.number, before=row.worker)
        return row

    def _is_silent(self, row: Round) -> bool:
        seen = self._seen
        if seen is None or (seen.id, seen.worker, seen.heartbeat_at) != (
            row.id,
            row.worker,
            row.heartbeat_at,
        ):
            self._seen, self._seen_at = row, time.monotonic()
        return time.monotonic() - self._seen_at >= self._lease

    async def _run(self, row: Round) -> Round | None:
        """Run a round until it ends, is lost, or this worker stops. Returns its row if it has ended."""
        assert row.id is not None
        process = await RoundProcess.start(self._settings, row, self.name)
        ending = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            while not (ending.done() or stopping.done()):
                await asyncio.to_thread(self._beat, row.id)
                await asyncio.wait(
                    {ending, stopping},
                    timeout=self._lease / BEATS_PER_LEASE,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            if ending.done():
                return await asyncio.to_thread(self._end, row.id, ending.result())
            await process.stop()
            await asyncio.to_thread(self._give_up, row.id)
        except RoundEnded:  # by its process, which is about to exit, or by somebody who cancelled it
            await process.stop()
            return await asyncio.to_thread(self._row, row.id)
        except RoundTaken as error:
            log.warning("round left", reason=str(error))
            await process.stop()
        finally:
            for task in (ending, stopping):
                task.cancel()
        return None

    def _beat(self, round_id: int) -> None:
        """Say that the round's worker lives. Raises `RoundEnded` or `RoundTaken`."""
        try:
            with self._database.session() as session:
                hold(session, round_id, self.name)
        except SQLAlchemyError as error:  # the lease goes on running out
            log.error("database not available", error=str(error.__cause__ or error))

    def _end(self, round_id: int, reason: str) -> Round:
        """The row of a round whose process has exited, as failed if that did not end it. Raises `RoundTaken`."""
        with self._database.session() as session:
            return finish(session, round_id, worker=self.name, error=reason)

    def _give_up(self, round_id: int) -> None:
        with self._database.session() as session:
            give_up(session, round_id, self.name)

    def _row(self, round_id: int) -> Round:
        with self._database.session() as session:
            return session.get_one(Round, round_id)

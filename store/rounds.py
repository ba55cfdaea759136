"""Rounds in the database: requesting, reporting progress and finishing. Sync, for the learner and the command
line."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from games.core import Outcome
from store.models import Game, Origin, Player, PlayerTrust, Round, RoundAction, RoundEvent, RoundStatus, now


class RoundUnderWay(RuntimeError):
    """A round is already queued or running; only one may be active."""

    def __init__(self, number: int | None) -> None:
        """`number` of the active round; None if it ended meanwhile."""
        round_ = f"Round {number}" if number is not None else "A round"
        super().__init__(f"{round_} is under way; wait until it ends")
        self.number = number


class RoundEnded(RuntimeError):
    """The round has ended, for example because somebody cancelled it; its process must stop."""


class RoundTaken(RuntimeError):
    """Another process runs the round; this one must stop and change nothing more."""

    def __init__(self, row: Round) -> None:
        by = f"the worker {row.worker}" if row.worker else "a process of the bot's machine"
        super().__init__(f"Round {row.number} is run by {by}: wait until it ends, or cancel it")


@dataclass(frozen=True)
class ChosenSchedule:
    """When rounds start."""

    cron: str | None
    """A cron expression; None: on no schedule."""
    by: str | None = None
    """The platform's id of who chose it; None for the operator's setting."""
    at: datetime | None = None
    """When it was chosen."""


def request_round(
    session: Session, system: str, trigger: str = "manual", requested_by: str | None = None
) -> Round:
    """Queue a round. Raises `RoundUnderWay` if one is active, which a database constraint enforces."""
    last = session.exec(select(func.max(Round.number)).where(Round.status == RoundStatus.DONE)).one() or 0
    row = Round(number=last + 1, system=system, trigger=trigger, requested_by=requested_by)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        active = active_round(session)
        raise RoundUnderWay(active.number if active else None) from None
    return row


def active_round(session: Session) -> Round | None:
    """The round that is queued or running, if any."""
    return session.exec(select(Round).where(col(Round.active).is_(True))).one_or_none()


def latest_rounds(session: Session, limit: int = 10) -> Sequence[Round]:
    """The newest rounds, newest first."""
    return session.exec(select(Round).order_by(col(Round.id).desc()).limit(limit)).all()


def attempts(session: Session, rows: Sequence[Round]) -> dict[int | None, int]:
    """Id -> which attempt a round is, from 1: a round that failed or was cancelled leaves its number to the next."""
    numbers = {row.number for row in rows}
    found, counted = dict[int | None, int](), Counter[int]()
    query = select(Round.id, Round.number).where(col(Round.number).in_(numbers)).order_by(col(Round.id))
    for round_id, number in session.exec(query):
        counted[number] += 1
        found[round_id] = counted[number]
    return found


def games_since_last_round(session: Session, at_most: int | None = None) -> int:
    """Number of games that finished since the last round was requested, without imported ones.

    With `at_most` it stops counting there, so that it reads no more games than that.
    """
    return games_since(session, session.exec(select(func.max(Round.created_at))).one(), at_most)


def last_done_round(session: Session) -> Round | None:
    """The newest round that ended well."""
    query = select(Round).where(Round.status == RoundStatus.DONE).order_by(col(Round.id).desc()).limit(1)
    return session.exec(query).first()


def games_since(session: Session, moment: datetime | None, at_most: int | None = None) -> int:
    """Number of games that finished after a time, without imported ones; with `at_most` it stops counting there."""
    query = select(Game.id).where(Game.outcome != Outcome.OPEN, Game.origin != Origin.IMPORTED)
    if moment is not None:
        query = query.where(col(Game.ended_at) > moment)
    return session.exec(select(func.count()).select_from(query.limit(at_most).subquery())).one()


def quarantined(session: Session, number: int) -> frozenset[int]:
    """Ids of the players whom a finished round put into quarantine."""
    query = select(Round.results).where(Round.number == number, Round.status == RoundStatus.DONE)
    results = session.exec(query).first() or {}
    return frozenset(int(player) for player in results.get("trust", {}).get("quarantined", ()))


def in_quarantine(session: Session, game: Game) -> bool:
    """Whether a game's player was in quarantine when it began. Feedback is then left out of its prompts."""
    return game.player_id in quarantined(session, game.round)


def forget_trust(session: Session, player_id: int) -> None:
    """Remove a player from the trust results of rounds, because SQLite may reuse an erased player's id."""
    for row in session.exec(select(Round)):
        if trust := row.results.get("trust"):
            row.results = {**row.results, "trust": trust_without(trust, player_id)}
            session.add(row)


def trust_of(session: Session, player_id: int) -> list[dict[str, Any]]:
    """What rounds found of the trust in a player: the mean that put the player in quarantine, or a capped weight."""
    found: list[dict[str, Any]] = []
    for number, results in session.exec(select(Round.number, Round.results).order_by(col(Round.id))):
        trust = (results or {}).get("trust") or {}
        mean, capped = trust.get("quarantined", {}).get(str(player_id)), player_id in trust.get("capped", ())
        if mean is not None or capped:
            found.append({"round": number, "quarantined": mean is not None, "trust": mean, "capped": capped})
    return found


def record_trust(session: Session, round_id: int, found: Sequence[PlayerTrust]) -> None:
    """Replace what a round found of the trust in players, without those who were erased meanwhile."""
    session.exec(sa.delete(PlayerTrust).where(col(PlayerTrust.round_id) == round_id))
    there = set(session.exec(select(Player.id)))
    session.add_all(row for row in found if row.player_id in there)


def trust_without(trust: Mapping[str, Any], player_id: int) -> dict[str, Any]:
    """What a round found of trust, without one player."""
    quarantined = {other: mean for other, mean in trust["quarantined"].items() if other != str(player_id)}
    lists = {
        name: [each for each in trust[name] if each != player_id]
        for name in ("capped", "doubted")
        if name in trust
    }
    influence = {
        other: share for other, share in trust.get("influence", {}).items() if other != str(player_id)
    }
    return {**trust, "quarantined": quarantined, **lists} | ({"influence": influence} if influence else {})


# --- who runs a round ------------------------------------------------------------------------------------


def take(session: Session, seen: Round, worker: str) -> bool:
    """Let a worker run an active round. False if anybody did anything to the round since its row was `seen`.

    One statement compares and changes the row, so that of several workers one succeeds.
    """
    taken = (
        sa.update(Round)
        .where(
            col(Round.id) == seen.id,
            col(Round.active).is_(True),
            col(Round.status) == seen.status,
            col(Round.worker) == seen.worker,
            col(Round.heartbeat_at) == seen.heartbeat_at,
        )
        .values(worker=worker, status=RoundStatus.RUNNING, heartbeat_at=now())
    )
    return _changes_one(session, taken)


def hold(session: Session, round_id: int, worker: str | None) -> None:
    """Lock a round until the transaction ends, for the process that runs it, and record that it lives.

    Nobody can take the round or cancel it meanwhile. `worker`: None if no worker but the bot's machine runs it. Raises
    `RoundEnded` or `RoundTaken`.
    """
    held = sa.update(Round).where(
        col(Round.id) == round_id, col(Round.active).is_(True), col(Round.worker) == worker
    )
    if not _changes_one(session, held.values(heartbeat_at=now())):
        row = session.get_one(Round, round_id, populate_existing=True)
        raise (
            RoundTaken(row) if row.active else RoundEnded(f"Round {row.number} has ended: {row.status.value}")
        )


def give_up(session: Session, round_id: int, worker: str) -> None:
    """Let the next worker have a round. Raises `RoundEnded` or `RoundTaken`."""
    hold(session, round_id, worker)
    row = session.get_one(Round, round_id, populate_existing=True)
    row.worker, row.status, row.stage, row.progress = None, RoundStatus.QUEUED, "queued", {}
    session.add(row)


def waits_for_worker(row: Round, lease: float, *, elsewhere: bool) -> bool:
    """Whether no worker has said for the time of a lease that it runs a round that is one's to run.

    `elsewhere`: workers run the rounds that are queued.
    """
    theirs = row.worker is not None or (elsewhere and row.status is RoundStatus.QUEUED)
    last_sign = row.heartbeat_at or row.created_at
    return bool(row.active) and theirs and now() - last_sign >= timedelta(seconds=lease)


def _changes_one(session: Session, statement: sa.Update) -> bool:
    session.flush()
    return session.connection().execute(statement).rowcount == 1


def report(session: Session, round_id: int, stage: str, worker: str | None = None, **progress: Any) -> None:
    """Record a round's stage and progress, and the time of the report. Raises `RoundEnded` or `RoundTaken`."""
    hold(session, round_id, worker)
    row = session.get_one(Round, round_id, populate_existing=True)
    row.status = RoundStatus.RUNNING
    row.started_at = row.started_at or now()
    row.stage = stage
    row.progress = progress
    session.add(row)


def finish(
    session: Session,
    round_id: int,
    *,
    worker: str | None = None,
    error: str | None = None,
    adapter_id: int | None = None,
    **results: Any,
) -> Round:
    """End a round as done, or as failed if there is an `error`. A round that has ended is not changed.

    Raises `RoundTaken` if another worker than `worker` runs it.
    """
    try:
        hold(session, round_id, worker)
    except RoundEnded:
        return session.get_one(Round, round_id)
    row = session.get_one(Round, round_id, populate_existing=True)
    row.status = RoundStatus.FAILED if error else RoundStatus.DONE
    row.active = None
    row.error = error
    row.stage = "failed" if error else "done"
    row.ended_at = now()
    row.adapter_id = adapter_id
    row.results = results
    session.add(row)
    return row


def cancel(session: Session, round_id: int, by: str) -> Round:
    """End a round as cancelled by somebody. A round that has ended is not changed."""
    ended = sa.update(Round).where(col(Round.id) == round_id, col(Round.active).is_(True))
    values = {"status": RoundStatus.CANCELLED, "stage": "cancelled", "active": None, "ended_at": now()}
    if _changes_one(session, ended.values(values)):
        record_event(session, RoundAction.CANCEL, by, round_id=round_id)
    return session.get_one(Round, round_id, populate_existing=True)


# --- what people did -------------------------------------------------------------------------------------


def record_event(session: Session, action: RoundAction, by: str | None, **about: Any) -> None:
    """Add what was done. `about`: other columns of `RoundEvent`."""
    session.add(RoundEvent(action=action, by=by, **about))


def latest_events(session: Session, limit: int) -> Sequence[RoundEvent]:
    """The newest events, newest first."""
    return session.exec(select(RoundEvent).order_by(col(RoundEvent.id).desc()).limit(limit)).all()


def affected_since(session: Session, adapter: str) -> datetime | None:
    """When it was found that an adapter learnt from what may no longer be used; None if it was not yet."""
    query = select(func.min(RoundEvent.at)).where(
        RoundEvent.action == RoundAction.AFFECTED, RoundEvent.adapter == adapter
    )
    return session.exec(query).one()


def chosen_schedule(session: Session, default: str | None) -> ChosenSchedule:
    """The schedule that was chosen last, or the operator's `default`."""
    query = select(RoundEvent).where(RoundEvent.action == RoundAction.SCHEDULE)
    event = session.exec(query.order_by(col(RoundEvent.id).desc()).limit(1)).first()
    if event is None or event.detail is None:
        return ChosenSchedule(default)
    return ChosenSchedule(event.detail or None, event.by, event.at)


def gain_reported(session: Session, adapter: str) -> bool:
    """Whether the gain of an adapter was reported."""
    query = select(RoundEvent.id).where(RoundEvent.action == RoundAction.GAIN, RoundEvent.adapter == adapter)
    return session.exec(query.limit(1)).first() is not None


def rounds_with_message(session: Session) -> Sequence[Round]:
    """Rounds whose message does not show their end yet."""
    return session.exec(select(Round).where(col(Round.message_id).is_not(None))).all()

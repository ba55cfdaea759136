"""The answer to `/round history`: rounds, and what people did."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from bot.rounds.report_texts import ACTS, act, ago, asked, person
from bot.texts import LONGEST_MESSAGE
from games.language import N_, _
from store.models import Round, RoundAction, RoundEvent, RoundStatus

ERASED = "erased"
"""Detail of a rollback that the bot did, because the adapter in use had learnt from what was erased or withdrawn."""
NO_HISTORY = N_("There hasn't been a round yet.")


def round_history(
    rows: Sequence[Round],
    events: Sequence[RoundEvent],
    adapters: Mapping[int | None, str],
    since: datetime | None = None,
    attempts: Mapping[int | None, int] = MappingProxyType({}),
) -> str:
    """Rounds and what people did, newest first. `adapters`: id -> name; `since`: events before it are left out;
    `attempts`: id of a round -> which attempt it is at its number."""
    cancelled = {event.round_id: event.by for event in events if event.action is RoundAction.CANCEL}
    entries = [
        (row.created_at, round_line(row, cancelled, adapters, attempts.get(row.id, 1))) for row in rows
    ]
    entries += [
        (event.at, f"{ago(event.at)} {event_line(event)}")
        for event in events
        if event.action is not RoundAction.CANCEL and (since is None or event.at >= since)
    ]
    if not entries:
        return _(NO_HISTORY)
    lines = [line for _, line in sorted(entries, key=lambda entry: entry[0], reverse=True)]
    while sum(map(len, lines)) + len(lines) > LONGEST_MESSAGE:
        lines.pop()
    return "\n".join(lines)


_STATUS = {
    RoundStatus.QUEUED: N_("queued"),
    RoundStatus.RUNNING: N_("running"),
    RoundStatus.DONE: N_("done"),
    RoundStatus.FAILED: N_("failed"),
    RoundStatus.CANCELLED: N_("cancelled"),
}


def round_line(
    row: Round,
    cancelled: Mapping[int | None, str | None],
    adapters: Mapping[int | None, str],
    attempt: int = 1,
) -> str:
    """A round and how it ended. `cancelled`: id of a round -> who cancelled it."""
    when = f" {ago(row.ended_at)}" if row.ended_at else ""
    status = _(_STATUS[row.status])
    if row.status is RoundStatus.CANCELLED:
        status = _("cancelled by {person}").format(person=person(cancelled.get(row.id)))
    what = ""
    if row.error:
        what = f": {row.error[:150]}"
    elif name := adapters.get(row.adapter_id):
        what = (
            _(" → `{adapter}`") if row.results.get("promoted") else _(" → `{adapter}`, not promoted")
        ).format(adapter=name)
    if back := row.results.get("rolled_back"):
        what += _("; went back to `{adapter}`").format(adapter=back["to"])
    which = str(row.number)
    if attempt > 1:
        which = _("{round}, attempt {attempt}").format(round=row.number, attempt=attempt)
    return _("**Round {round}** {status}{when} ({asked}){what}").format(
        round=which, status=status, when=when, asked=asked(row), what=what
    )


def event_line(event: RoundEvent) -> str:
    """What somebody did."""
    before = _(" (before: `{adapter}`)").format(adapter=event.before) if event.before else ""
    match event.action:
        case RoundAction.PROMOTE:
            said = _("{person} promoted `{adapter}`{before}")
        case RoundAction.ROLLBACK if event.detail == ERASED:
            said = _("I went back to `{adapter}`{before}: that had learnt from what may no longer be used")
        case RoundAction.ROLLBACK:
            said = _("{person} went back to `{adapter}`{before}")
        case RoundAction.SCHEDULE if event.detail is None:
            said = _("{person} went back to the operator's schedule")
        case RoundAction.SCHEDULE if event.detail:
            said = _("{person} set the schedule to `{schedule}`")
        case RoundAction.SCHEDULE:
            said = _("{person} switched the schedule off")
        case RoundAction.GAIN:
            return _gain_line(event)
        case RoundAction.AFFECTED:
            said = _("`{adapter}` had learnt from what may no longer be used")
        case RoundAction.REQUEST:
            said = _("{person} requested to {act}")
        case RoundAction.CONFIRM:
            said = _("{person} confirmed the request to {act}")
        case _other:
            said = _("{person} refused the request to {act}")
    return said.format(
        person=person(event.by),
        adapter=event.adapter,
        before=before,
        schedule=event.detail,
        act=_recorded_act(event.detail or ""),
    )


def _recorded_act(detail: str) -> str:
    """What was requested, of the detail of an event: the kind and what it is about."""
    kind, _space, shown = detail.partition(" ")
    return act(kind, shown) if kind in ACTS else detail


def _gain_line(event: RoundEvent) -> str:
    difference, low, high = (float(each) for each in (event.detail or "0 0 0").split())
    return _("`{adapter}` against `{before}`: {points} points ({low} to {high})").format(
        adapter=event.adapter,
        before=event.before,
        points=f"{100 * difference:+.0f}",
        low=f"{100 * low:+.0f}",
        high=f"{100 * high:+.0f}",
    )

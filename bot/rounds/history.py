"""The answer to `/round history`: rounds, and what people did."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.rounds.texts import NO_HISTORY, ago, asked, person
from bot.texts import LONGEST_MESSAGE
from store.models import Round, RoundAction, RoundEvent, RoundStatus


def round_history(
    rows: Sequence[Round],
    events: Sequence[RoundEvent],
    adapters: Mapping[int | None, str],
    since: datetime | None = None,
) -> str:
    """Rounds and what people did, newest first. `adapters`: id -> name; `since`: events before it are left out."""
    cancelled = {event.round_id: event.by for event in events if event.action is RoundAction.CANCEL}
    entries = [(row.created_at, _round_line(row, cancelled, adapters)) for row in rows]
    entries += [
        (event.at, _event_line(event))
        for event in events
        if event.action is not RoundAction.CANCEL and (since is None or event.at >= since)
    ]
    if not entries:
        return NO_HISTORY
    lines = [line for _, line in sorted(entries, key=lambda entry: entry[0], reverse=True)]
    while sum(map(len, lines)) + len(lines) > LONGEST_MESSAGE:
        lines.pop()
    return "\n".join(lines)


def _round_line(
    row: Round, cancelled: Mapping[int | None, str | None], adapters: Mapping[int | None, str]
) -> str:
    when = f" {ago(row.ended_at)}" if row.ended_at else ""
    status = row.status.value
    if row.status is RoundStatus.CANCELLED:
        status += f" by {person(cancelled.get(row.id))}"
    what = ""
    if row.error:
        what = f": {row.error[:150]}"
    elif name := adapters.get(row.adapter_id):
        what = f" → `{name}`" + ("" if row.results.get("promoted") else ", not promoted")
    if back := row.results.get("rolled_back"):
        what += f"; went back to `{back['to']}`"
    return f"**Round {row.number}** {status}{when} ({asked(row)}){what}"


def _event_line(event: RoundEvent) -> str:
    who, before = person(event.by), f" (before: `{event.before}`)" if event.before else ""
    match event.action:
        case RoundAction.PROMOTE:
            said = f"{who} promoted `{event.adapter}`{before}"
        case RoundAction.ROLLBACK:
            said = f"{who} went back to `{event.adapter}`{before}"
        case RoundAction.SCHEDULE if event.detail is None:
            said = f"{who} went back to the operator's schedule"
        case RoundAction.SCHEDULE:
            said = (
                f"{who} set the schedule to `{event.detail}`"
                if event.detail
                else f"{who} switched the schedule off"
            )
        case RoundAction.GAIN:
            said = f"`{event.adapter}` against `{event.before}`: {event.detail}"
        case RoundAction.REQUEST:
            said = f"{who} requested to {event.detail}"
        case RoundAction.CONFIRM:
            said = f"{who} confirmed the request to {event.detail}"
        case _:
            said = f"{who} refused the request to {event.detail}"
    return f"{ago(event.at)} {said}"

"""The texts of rounds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.rounds.schedule import TooSoon
from bot.texts import LONGEST_MESSAGE
from store.models import AdapterStatus, Round, RoundAction, RoundEvent, RoundStatus
from store.rounds import ChosenSchedule
from store.standings import Gain, Success

TRAINING_OFF = (
    "I don't learn from games on Discord: its Developer Policy (rule 21) forbids training on message content "
    "without Discord's express permission. Once you have that permission, record its reference in "
    "`RESPECT_ROUNDS__DISCORD_PERMISSION` and restart me; then only players who agree in `/privacy` count. "
    "Until then there's nothing to learn from."
)
TRAINING_OFF_SHORT = (
    "Learning from games on Discord is off: its permission is not recorded (`/round start` says more)."
)
NOTHING_TO_LEARN = "There are no finished games to learn from yet. Play a few first!"
NO_CONSENT = (
    "There are no finished games of players who agreed to training (`/privacy`), "
    "so there's nothing to learn from."
)
CONTROL_SYSTEM = "The learning system is set to `control`, which never trains (`RESPECT_ROUNDS__SYSTEM`)."
NOT_MANAGING = (
    "Rounds and adapters concern every server I'm in, so whoever runs me decides who may do that "
    "(`RESPECT_ROUNDS__MANAGED_BY`), and you may not. `/round status` and `/round history` are open to you."
)
NO_ROUND = "No round is running, so there's nothing to cancel."
ROUND_OVER = "That round has ended already."
TOO_LATE = "Too late to cancel: its adapter is in use already. `/round rollback` goes back to the one before."
CHANGED_MEANWHILE = "That has changed since you asked: nothing was done. Please ask again."
NOTHING_TO_GO_BACK_TO = "There's nothing to go back to: no adapter was promoted yet."
NEVER_JUDGED = "was never judged, because its round did not end: it can't be promoted"
POLICY_AWAY = (
    "The model that plays doesn't answer, so I can't check that adapter. Please try again in a minute."
)
OWNER_AWAY = "I can't reach whoever runs me, so nobody can confirm that. Please ask them yourself."
TOO_LONG_TO_REQUEST = "That's too long for me to pass on: please ask whoever runs me yourself."
NO_HISTORY = "There hasn't been a round yet."
CONFIRM, REFUSE = "Confirm", "Refuse"


def too_soon(error: TooSoon) -> str:
    """What is missing for the next round."""
    parts = []
    if error.again is not None:
        parts.append(f"The next round may start <t:{int(error.again.timestamp()) + 1}:R>, not sooner.")
    if error.games < error.needed:
        parts.append(
            f"It takes {_count('new finished game', error.needed)} since the last round; there "
            f"{'is' if error.games == 1 else 'are'} {error.games} so far."
        )
    return " ".join(parts)


# --- progress -------------------------------------------------------------------------------------------


STAGES = {
    "queued": ("about to start", 0.0, 0.02),
    "collect": ("gathering games", 0.02, 0.05),
    "decode": ("reading what people said next", 0.05, 0.15),
    "examples": ("choosing what to learn from", 0.15, 0.2),
    "train": ("training", 0.2, 0.85),
    "evaluate": ("comparing old and new", 0.85, 0.95),
    "gate": ("deciding whether the new one is better", 0.95, 0.97),
    "publish": ("handing over to the new one", 0.97, 1.0),
}
"""Stage of a round -> what it is doing, and where the bar stands at its start and end."""
BAR_CELLS = 20


def round_queued(number: int) -> str:
    return (
        f"Round {number} of learning has started. A message here shows how it goes, as does `/round status`."
    )


def round_progress(row: Round) -> str:
    """The message of a round under way, with its bar. It changes only where there is something to see."""
    what, start, end = STAGES.get(row.stage, (row.stage, 0.0, 0.0))
    progress = row.progress or {}
    if total := progress.get("total"):
        start += (end - start) * min(1.0, progress.get("done", 0) / total)
    full = round(start * BAR_CELLS)
    bar = "▰" * full + "▱" * (BAR_CELLS - full)
    left = f" · {_minutes_left(progress)}" if _minutes_left(progress) else ""
    return f"**Round {row.number}** of learning, {_asked(row)}\n{bar} {what}{left}"


def _minutes_left(progress: Mapping[str, Any]) -> str:
    seconds = progress.get("seconds_left")
    return f"about {max(1, round(seconds / 60))} min left" if isinstance(seconds, int | float) else ""


def _progress(progress: Mapping[str, Any]) -> str:
    parts = []
    if progress.get("total"):
        parts.append(f"{progress.get('done', 0)} of {progress['total']}")
    if isinstance(progress.get("loss"), int | float):
        parts.append(f"loss {progress['loss']:.3f}")
    if left := _minutes_left(progress):
        parts.append(left)
    return f" ({', '.join(parts)})" if parts else ""


# --- status ---------------------------------------------------------------------------------------------


ROWS = 10
"""Adapters in a table at most, the newest."""


def round_status(
    active: Round | None, current: str, successes: Mapping[str, Success], notes: Sequence[str | None]
) -> str:
    """`successes`: adapter -> its games, in the order in which they began to play; `current`: the one in use."""
    if active is None:
        lines = ["No round is running."]
    else:
        what, *_ = STAGES.get(active.stage, (active.stage,))
        lines = [f"**Round {active.number}** is {what}{_progress(active.progress or {})}; {_asked(active)}."]
    lines.append(current_adapter(current))
    if successes:
        lines.append(success_table(successes))
    return "\n".join([*lines, *filter(None, notes)])


def current_adapter(name: str) -> str:
    return f"New games are played with {_adapter(name)}."


def _adapter(name: str) -> str:
    return "the base model (`base`)" if name == "base" else f"`{name}`"


def success_table(successes: Mapping[str, Success]) -> str:
    lines = ["games  won  95%         adapter"]
    for name, success in list(successes.items())[-ROWS:]:
        low, high = success.success_ci95
        interval = f"{low:.0%}-{high:.0%}"
        lines.append(f"{success.games:>5} {success.success:>4.0%}  {interval:<11} {name[:40]}")
    return "```\n" + "\n".join(lines) + "\n```"


def affected_adapters(found: Mapping[str, str]) -> str | None:
    """The note on adapters that learnt from erased or withdrawn turns; `found`: name -> why."""
    if not found:
        return None
    told = "\n".join(f"`{name}` {why}." for name, why in sorted(found.items()))
    return f"{told}\nThe next round starts without those turns, and none of these plays new games after it."


# --- the end of a round ---------------------------------------------------------------------------------


def round_summary(row: Round, current: str) -> str:
    """`row`: a round that has ended."""
    results = row.results or {}
    if row.status is RoundStatus.CANCELLED:
        said = f"🛑 Round {row.number} was cancelled."
    elif row.error:
        said = f"⚠️ Round {row.number} failed: {row.error[:500]}"
    else:
        why = f" ({results['reason'][:400]})" if results.get("reason") else ""
        said = f"{'✅ ' if results.get('promoted') else ''}Round {row.number} is done{why}."
        if name := results.get("adapter"):
            said += f" It trained `{name}`{'' if results.get('promoted') else ', which is not used'}."
    if back := results.get("rolled_back"):
        said += f" `{back['from']}` played worse than the one before it, so I went back to `{back['to']}`."
    if left := results.get("out_of_service"):
        said += f" {left['reason'][:200]}, so `{left['to']}` took over."
    return f"{said}\n{_asked(row, capital=True)}. {current_adapter(current)}"


def curve_caption(games: int) -> str:
    return f"How {_count('game', games)} went, by the adapter that played:"


def gain(adapter: str, before: str, found: Gain, new: Success, old: Success) -> str:
    """The report on an adapter that has played enough games."""
    sure = "not clear yet" if found.low <= 0 <= found.high else "better" if found.low > 0 else "worse"
    return (
        f"📈 `{adapter}` has won {new.success:.0%} of {_count('game', new.games)}, {_adapter(before)} before it "
        f"{old.success:.0%} of {_count('game', old.games)}: a gain of {100 * found.difference:+.0f} points "
        f"(95% interval {100 * found.low:+.0f} to {100 * found.high:+.0f}), {sure}."
    )


# --- who asked ------------------------------------------------------------------------------------------


TRIGGERS = {
    "manual": "started by a moderator",
    "schedule": "on schedule",
    "games": "after enough games",
    "turns": "after enough games",  # the old name of "games"
}
"""Trigger of a round -> why it was started, where nobody is named."""


def person(by: str | None) -> str:
    """A person, without a ping (the bot never allows mentions)."""
    if by is None:
        return "somebody"
    return f"<@{by}>" if by.isdecimal() else f"a {by}"


def _asked(row: Round, *, capital: bool = False) -> str:
    by = row.requested_by
    if row.trigger == "manual" and by is not None:
        said = f"{'asked for by' if by.isdecimal() else 'started from'} {person(by)}"
    else:
        said = TRIGGERS.get(row.trigger, row.trigger)
    return said[0].upper() + said[1:] if capital else said


# --- history --------------------------------------------------------------------------------------------


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
    when = f" {_ago(row.ended_at)}" if row.ended_at else ""
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
    return f"**Round {row.number}** {status}{when} ({_asked(row)}){what}"


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
    return f"{_ago(event.at)} {said}"


def gain_short(found: Gain) -> str:
    return f"{100 * found.difference:+.0f} points ({100 * found.low:+.0f} to {100 * found.high:+.0f})"


def _ago(moment: datetime) -> str:
    return f"<t:{int(moment.timestamp())}:R>"


# --- cancel, promote, roll back -------------------------------------------------------------------------


CANCEL_YES, PROMOTE_YES, ROLLBACK_YES = "Yes, cancel the round", "Yes, promote", "Yes, roll back"


def cancel_sure(row: Round) -> str:
    return (
        f"Cancel round {row.number} ({_asked(row)})? What it has trained so far is lost; the games stay, and the next "
        "round learns from them."
    )


def cancelled(number: int) -> str:
    return f"Round {number} is cancelled. Games go on with what I knew before."


def promote_sure(name: str, current: str, status: AdapterStatus | None) -> str:
    note = " Its gate **refused** it." if status is AdapterStatus.REJECTED else ""
    return (
        f"Promote {_adapter(name)}? It takes over from {_adapter(current)}: new games on **all servers** are played "
        f"with it, and running games keep theirs.{note} `/round rollback` undoes it."
    )


def already_current(name: str) -> str:
    return f"New games are played with {_adapter(name)} already."


def promoted(name: str, before: str) -> str:
    return f"Done: new games are played with {_adapter(name)}. Before it was {_adapter(before)}."


def rollback_sure(current: str, to: str) -> str:
    return (
        f"Go back from {_adapter(current)} to {_adapter(to)}? New games on **all servers** are played with the latter, "
        "and running games keep theirs. The former stays, and can be promoted again."
    )


def round_under_way(number: int) -> str:
    return f"Round {number} is under way and may change the adapter itself: wait until it ends, or cancel it first."


def adapter_choice(name: str, status: AdapterStatus | None) -> str:
    """A choice of `/round promote adapter:`."""
    notes = {AdapterStatus.REJECTED: " (refused by its gate)", AdapterStatus.CURRENT: " (in use)"}
    return f"{'base model' if name == 'base' else name}{notes.get(status, '') if status else ''}"[:100]


# --- schedule -------------------------------------------------------------------------------------------


OFF, OPERATORS = "off", "default"
"""The words that clear the schedule, and that go back to the operator's."""
SCHEDULES = {
    "0 4 * * *": "every day at four",
    "0 4 * * 1": "every Monday at four",
    "0 */6 * * *": "every six hours",
    OFF: "no schedule",
    OPERATORS: "as whoever runs me set it",
}
"""What `/round schedule` offers -> what it means."""


def schedule(chosen: ChosenSchedule, times: Sequence[datetime], every_games: int) -> str:
    if chosen.cron is None:
        lines = ["Rounds start on no schedule."]
    else:
        following = ", ".join(f"<t:{int(time.timestamp())}:f>" for time in times)
        lines = [f"Rounds start by `{chosen.cron}`, next: {following or 'never'}."]
    if chosen.at is not None:
        lines.append(f"{person(chosen.by)} chose that {_ago(chosen.at)}.")
    if every_games:
        lines.append(f"A round also starts after every {_count('new game', every_games)}.")
    lines.append(
        "-# `/round schedule cron:` changes it; minute, hour, day, month and weekday are in my machine's time."
    )
    return "\n".join(lines)


def no_cron(typed: str, why: str) -> str:
    return (
        f"`{typed[:50].replace('`', '')}` is no schedule: {why}. Example: `0 4 * * *` is every day at four. "
        f"`{OFF}` clears it, `{OPERATORS}` restores the operator's."
    )


# --- requests -------------------------------------------------------------------------------------------

ACTS = {
    "start": "start a round",
    "cancel": "cancel round {}",
    "promote": "promote {}",
    "rollback": "roll back to {}",
    "schedule": "set the schedule of rounds to {}",
}
"""Kind of an act -> what it is, after "to"."""


def act(kind: str, shown: str) -> str:
    return ACTS[kind].format(f"`{shown}`" if shown else "none")


def request(by: str, server: str, what: str) -> str:
    """The message that the owner gets."""
    return f"{person(by)} in **{server[:100]}** asks me to {what}. Rounds and adapters concern every server."


REQUESTED = "I've asked whoever runs me: they confirm or refuse it, and I'll tell you in this channel."


def request_confirmed(asked: str, by: str, outcome: str) -> str:
    return f"{asked}\n✅ Confirmed by {person(by)}. {outcome}"


def request_refused(asked: str, by: str) -> str:
    return f"{asked}\n❌ Refused by {person(by)}."


def your_request(by: str, what: str, outcome: str | None) -> str:
    """The answer in the channel where something was requested. `outcome`: None where it was refused."""
    if outcome is None:
        return f"{person(by)}, whoever runs me doesn't want me to {what}."
    return f"{person(by)}, you asked me to {what}. {outcome}"


def _count(what: str, number: int) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"

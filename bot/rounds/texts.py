"""The texts of commands for rounds: answers, questions, the schedule and requests."""

from collections.abc import Sequence
from datetime import datetime

from bot.language import number
from bot.rounds.report_texts import adapter_name, ago, asked, person
from bot.rounds.schedule import TooSoon
from games.language import N_, _, ngettext
from store.models import AdapterStatus, Round
from store.rounds import ChosenSchedule

TRAINING_OFF = N_(
    "I don't learn from games on Discord: its Developer Policy (rule 21) forbids training on message content "
    "without Discord's express permission. Once you have that permission, record its reference in "
    "`RESPECT_ROUNDS__DISCORD_PERMISSION` and restart me; then only players who agree in `/privacy` count. "
    "Until then there's nothing to learn from."
)
TRAINING_OFF_SHORT = N_(
    "Learning from games on Discord is off: its permission is not recorded (`/round start` says more)."
)
NOTHING_TO_LEARN = N_("There are no finished games to learn from yet. Play a few first!")
NO_CONSENT = N_(
    "There are no finished games of players who agreed to training (`/privacy`), "
    "so there's nothing to learn from."
)
CONTROL_SYSTEM = N_("The learning system is set to `control`, which never trains (`RESPECT_ROUNDS__SYSTEM`).")
NOT_MANAGING = N_(
    "Rounds and adapters concern every server I'm in, so whoever runs me decides who may do that "
    "(`RESPECT_ROUNDS__MANAGED_BY`), and you may not. `/round status` and `/round history` are open to you."
)
NO_ROUND = N_("No round is running, so there's nothing to cancel.")
ROUND_OVER = N_("That round has ended already.")
TOO_LATE = N_(
    "Too late to cancel: its adapter is in use already. `/round rollback` goes back to the one before."
)
CHANGED_MEANWHILE = N_("That has changed since you asked: nothing was done. Please ask again.")
NOTHING_TO_GO_BACK_TO = N_("There's nothing to go back to: no adapter was promoted yet.")
POLICY_AWAY = N_(
    "The model that plays doesn't answer, so I can't check that adapter. Please try again in a minute."
)
OWNER_AWAY = N_("I can't reach whoever runs me, so nobody can confirm that. Please ask them yourself.")
TOO_LONG_TO_REQUEST = N_("That's too long for me to pass on: please ask whoever runs me yourself.")
CONFIRM, REFUSE = N_("Confirm"), N_("Refuse")


def never_judged(name: str) -> str:
    return _("`{adapter}` was never judged, because its round did not end: it can't be promoted.").format(
        adapter=name
    )


def under_way(number: int | None) -> str:
    if number is None:
        return _("A round is under way; wait until it ends.")
    return _("Round {round} is under way; wait until it ends.").format(round=number)


def too_soon(error: TooSoon) -> str:
    """What is missing for the next round."""
    parts = []
    if error.again is not None:
        when = f"<t:{int(error.again.timestamp()) + 1}:R>"
        parts.append(_("The next round may start {when}, not sooner.").format(when=when))
    if error.games < error.needed:
        parts.append(
            ngettext(
                "It takes {needed} new finished game since the last round; so far: {games}.",
                "It takes {needed} new finished games since the last round; so far: {games}.",
                error.needed,
            ).format(needed=number(error.needed), games=number(error.games))
        )
    return " ".join(parts)


# --- cancel, promote, roll back -------------------------------------------------------------------------


CANCEL_YES, PROMOTE_YES, ROLLBACK_YES = (
    N_("Yes, cancel the round"),
    N_("Yes, promote"),
    N_("Yes, roll back"),
)


def started(row: Round) -> str:
    """For audit channels."""
    return _("**Round {round}** started ({asked})").format(round=row.number, asked=asked(row))


def round_queued(number: int) -> str:
    return _(
        "Round {round} of learning has started. A message here shows how it goes, as does `/round status`."
    ).format(round=number)


def cancel_sure(row: Round) -> str:
    return _(
        "Cancel round {round} ({asked})? What it has trained so far is lost; the games stay, and the next round learns "
        "from them."
    ).format(round=row.number, asked=asked(row))


def cancelled(number: int) -> str:
    return _("Round {round} is cancelled. Games go on with what I knew before.").format(round=number)


def promote_sure(name: str, current: str, status: AdapterStatus | None) -> str:
    said = (
        _(
            "Promote {adapter}? It takes over from {current}: new games on **all servers** are played with it, and "
            "running games keep theirs. Its gate **refused** it. `/round rollback` undoes it."
        )
        if status is AdapterStatus.REJECTED
        else _(
            "Promote {adapter}? It takes over from {current}: new games on **all servers** are played with it, and "
            "running games keep theirs. `/round rollback` undoes it."
        )
    )
    return said.format(adapter=adapter_name(name), current=adapter_name(current))


def already_current(name: str) -> str:
    return _("New games are played with {adapter} already.").format(adapter=adapter_name(name))


def promoted(name: str, before: str) -> str:
    return _("Done: new games are played with {adapter}. Before it was {before}.").format(
        adapter=adapter_name(name), before=adapter_name(before)
    )


def rollback_sure(current: str, to: str) -> str:
    return _(
        "Go back from {current} to {before}? New games on **all servers** are played with the latter, "
        "and running games keep theirs. The former stays, and can be promoted again."
    ).format(current=adapter_name(current), before=adapter_name(to))


def round_under_way(number: int) -> str:
    return _(
        "Round {round} is under way and may change the adapter itself: wait until it ends, or cancel it first."
    ).format(round=number)


def adapter_choice(name: str, status: AdapterStatus | None) -> str:
    """A choice of `/round promote adapter:`."""
    shown = _("base model") if name == "base" else name
    if status is AdapterStatus.REJECTED:
        shown = _("{adapter} (refused by its gate)").format(adapter=shown)
    elif status is AdapterStatus.CURRENT:
        shown = _("{adapter} (in use)").format(adapter=shown)
    return shown[:100]


# --- schedule -------------------------------------------------------------------------------------------


OFF, OPERATORS = "off", "default"
"""The words that clear the schedule, and that go back to the operator's."""
SCHEDULES = {
    "0 4 * * *": N_("every day at four"),
    "0 4 * * 1": N_("every Monday at four"),
    "0 */6 * * *": N_("every six hours"),
    OFF: N_("no schedule"),
    OPERATORS: N_("as whoever runs me set it"),
}
"""What `/round schedule` offers -> what it means."""


def schedule(chosen: ChosenSchedule, times: Sequence[datetime], every_games: int) -> str:
    if chosen.cron is None:
        lines = [_("Rounds start on no schedule.")]
    else:
        following = ", ".join(f"<t:{int(time.timestamp())}:f>" for time in times)
        lines = [
            _("Rounds start by `{cron}`, next: {times}.").format(
                cron=chosen.cron, times=following or _("never")
            )
        ]
    if chosen.at is not None:
        lines.append(_("{person} chose that {when}.").format(person=person(chosen.by), when=ago(chosen.at)))
    if every_games:
        lines.append(
            ngettext(
                "A round also starts after every {games} new game.",
                "A round also starts after every {games} new games.",
                every_games,
            ).format(games=number(every_games))
        )
    lines.append(
        _(
            "-# `/round schedule cron:` changes it; minute, hour, day, month and weekday are in my machine's time."
        )
    )
    return "\n".join(lines)


def no_cron(typed: str, why: str) -> str:
    return _(
        "`{typed}` is no schedule: {why}. Example: `0 4 * * *` is every day at four. `{off}` clears it, `{default}` "
        "restores the operator's."
    ).format(typed=typed[:50].replace("`", ""), why=why, off=OFF, default=OPERATORS)


# --- requests -------------------------------------------------------------------------------------------


def request(by: str, server: str, what: str) -> str:
    """The message that the owner gets."""
    return _("{person} in **{server}** asks me to {act}. Rounds and adapters concern every server.").format(
        person=person(by), server=server[:100], act=what
    )


REQUESTED = N_("I've asked whoever runs me: they confirm or refuse it, and I'll tell you in this channel.")


def request_confirmed(request: str, by: str, outcome: str) -> str:
    confirmed = _("✅ Confirmed by {person}. {outcome}").format(person=person(by), outcome=outcome)
    return f"{request}\n{confirmed}"


def request_refused(request: str, by: str) -> str:
    return f"{request}\n" + _("❌ Refused by {person}.").format(person=person(by))


def your_request(by: str, what: str, outcome: str | None) -> str:
    """The answer in the channel where something was requested. `outcome`: None where it was refused."""
    if outcome is None:
        return _("{person}, whoever runs me doesn't want me to {act}.").format(person=person(by), act=what)
    return _("{person}, you asked me to {act}. {outcome}").format(
        person=person(by), act=what, outcome=outcome
    )

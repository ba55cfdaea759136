"""The texts that say how rounds go and went: progress, status and results."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.language import number, percent
from bot.statistics.texts import count_games, table
from games.language import N_, Sentence, _, ngettext
from store.lineage import Affected
from store.models import Round, RoundStatus
from store.standings import Gain, Success

# --- progress -------------------------------------------------------------------------------------------


STAGES = {
    "queued": (N_("about to start"), 0.0, 0.02),
    "collect": (N_("gathering games"), 0.02, 0.05),
    "decode": (N_("reading what people said next"), 0.05, 0.15),
    "examples": (N_("choosing what to learn from"), 0.15, 0.2),
    "train": (N_("training"), 0.2, 0.85),
    "evaluate": (N_("comparing old and new"), 0.85, 0.95),
    "gate": (N_("deciding whether the new one is better"), 0.95, 0.97),
    "publish": (N_("handing over to the new one"), 0.97, 1.0),
}
"""Stage of a round -> what it is doing, and where the bar stands at its start and end."""
WAITS = N_("waiting for a worker: no `respect round worker` seems to be running")
BAR_CELLS = 20


def round_progress(row: Round, *, waits: bool = False) -> str:
    """The message of a round under way, with its bar. It changes only where there is something to see.

    `waits`: for a worker that runs it.
    """
    what, start, end = STAGES.get(row.stage, (row.stage, 0.0, 0.0))
    what, progress = (WAITS, {}) if waits else (what, row.progress or {})
    if total := progress.get("total"):
        start += (end - start) * min(1.0, progress.get("done", 0) / total)
    full = round(start * BAR_CELLS)
    bar = "▰" * full + "▱" * (BAR_CELLS - full)
    left = f" · {_minutes_left(progress)}" if _minutes_left(progress) else ""
    title = _("**Round {round}** of learning, {asked}").format(round=row.number, asked=asked(row))
    return f"{title}\n{bar} {_(what)}{left}"


def _minutes_left(progress: Mapping[str, Any]) -> str:
    seconds = progress.get("seconds_left")
    if not isinstance(seconds, int | float):
        return ""
    return _("about {minutes} min left").format(minutes=number(max(1, round(seconds / 60))))


def _progress(progress: Mapping[str, Any]) -> str:
    parts = []
    if progress.get("total"):
        parts.append(
            _("{done} of {total}").format(
                done=number(progress.get("done", 0)), total=number(progress["total"])
            )
        )
    if isinstance(progress.get("loss"), int | float):
        parts.append(_("loss {loss}").format(loss=number(progress["loss"], 3)))
    if left := _minutes_left(progress):
        parts.append(left)
    return f" ({', '.join(parts)})" if parts else ""


# --- status ---------------------------------------------------------------------------------------------


ROWS = 10
"""Adapters in a table at most, the newest."""
AFFECTED_SHOWN = 3


def round_status(
    active: Round | None,
    current: str,
    successes: Mapping[str, Success],
    notes: Sequence[str | None],
    *,
    waits: bool = False,
) -> str:
    """`successes`: adapter -> its games, in the order in which they began to play; `current`: the one in use;
    `waits`: the active round does, for a worker."""
    if active is None:
        lines = [_("No round is running.")]
    else:
        what = STAGES[active.stage][0] if active.stage in STAGES else active.stage
        what, progress = (WAITS, {}) if waits else (what, active.progress or {})
        lines = [
            _("**Round {round}**: {stage}{progress}; {asked}.").format(
                round=active.number,
                stage=_(what),
                progress=_progress(progress),
                asked=asked(active),
            )
        ]
    lines.append(current_adapter(current))
    if successes:
        lines.append(success_table(successes))
    return "\n".join([*lines, *(_(note) for note in notes if note)])


def current_adapter(name: str) -> str:
    return _("New games are played with {adapter}.").format(adapter=adapter_name(name))


def success_table(successes: Mapping[str, Success]) -> str:
    heads = [_("games"), _("won"), "95%", _("adapter")]
    rows = [
        (
            number(success.games),
            percent(success.success),
            "-".join(map(percent, success.success_ci95)),
            name[:40],
        )
        for name, success in list(successes.items())[-ROWS:]
    ]
    return table(heads, rows)


def affected_adapters(found: Mapping[str, Affected], deadline: datetime | None = None) -> str | None:
    """The note on adapters that learnt from erased or withdrawn turns; `found`: name -> why.

    `deadline`: when the one in use plays no new games any more, though no round has come.
    """
    if not found:
        return None
    lines = [_affected(name, why) for name, why in sorted(found.items())[-AFFECTED_SHOWN:]]
    if (older := len(found) - AFFECTED_SHOWN) > 0:
        lines.append(
            ngettext(
                "The same is true of {adapters} older one.",
                "The same is true of {adapters} older ones.",
                older,
            ).format(adapters=number(older))
        )
    lines.append(_("The next round starts without those turns, and none of these plays new games after it."))
    if deadline is not None:
        day = f"<t:{int(deadline.timestamp())}:D>"
        lines.append(
            _("Even without a round, the one in use plays no new games from {day} on.").format(day=day)
        )
    return "\n".join(lines)


def _affected(name: str, why: Affected) -> str:
    sentence = {
        (False, True, False): N_("`{adapter}` was trained on turns that have since been erased ({erased})."),
        (False, False, True): N_(
            "`{adapter}` was trained on turns whose players no longer agree to training ({withdrawn})."
        ),
        (False, True, True): N_(
            "`{adapter}` was trained on turns that have since been erased ({erased}) or whose players no longer agree "
            "to training ({withdrawn})."
        ),
        (True, True, False): N_(
            "`{adapter}` was trained from `{parent}`, which learnt from turns that have since been erased ({erased})."
        ),
        (True, False, True): N_(
            "`{adapter}` was trained from `{parent}`, which learnt from turns whose players no longer agree to "
            "training ({withdrawn})."
        ),
        (True, True, True): N_(
            "`{adapter}` was trained from `{parent}`, which learnt from turns that have since been erased ({erased}) "
            "or whose players no longer agree to training ({withdrawn})."
        ),
    }[why.through is not None, bool(why.erased), bool(why.withdrawn)]
    return _(sentence).format(
        adapter=name, parent=why.through, erased=number(why.erased), withdrawn=number(why.withdrawn)
    )


# --- the end of a round ---------------------------------------------------------------------------------


def round_summary(row: Round, current: str) -> str:
    """`row`: a round that has ended. Why one failed is said in the learner's own words, in English."""
    results = row.results or {}
    said = [_ended(row, results)]
    if back := results.get("rolled_back"):
        said.append(
            _("`{adapter}` played worse than the one before it, so I went back to `{before}`.").format(
                adapter=back["from"], before=back["to"]
            )
        )
    if left := results.get("out_of_service"):
        said.append(_affected(left["from"], Affected(**left["why"])))
        said.append(_("So `{adapter}` took over.").format(adapter=left["to"]))
    return f"{' '.join(said)}\n{asked(row, capital=True)}. {current_adapter(current)}"


def _ended(row: Round, results: Mapping[str, Any]) -> str:
    if row.status is RoundStatus.CANCELLED:
        return _("🛑 Round {round} was cancelled.").format(round=row.number)
    if row.error:
        return _("⚠️ Round {round} failed: {reason}").format(round=row.number, reason=row.error[:500])
    why = f" ({Sentence.of(results['why']).translated()})" if results.get("why") else ""
    if results.get("promoted"):
        said = _("✅ Round {round} is done{why}. It trained `{adapter}`.")
    elif results.get("adapter"):
        said = _("Round {round} is done{why}. It trained `{adapter}`, which is not used.")
    else:
        said = _("Round {round} is done{why}.")
    return said.format(round=row.number, why=why, adapter=results.get("adapter"))


def curve_caption(games: int) -> str:
    return ngettext(
        "How {games} game went, by the adapter that played:",
        "How {games} games went, by the adapter that played:",
        games,
    ).format(games=number(games))


def gain(adapter: str, before: str, found: Gain, new: Success, old: Success) -> str:
    """The report on an adapter that has played enough games."""
    sure = (
        _("not clear yet") if found.low <= 0 <= found.high else _("better") if found.low > 0 else _("worse")
    )
    return _(
        "📈 `{adapter}` has won {new} of {new_games}, {before} before it {old} of {old_games}: a gain of {points} "
        "points (95% interval {low} to {high}), {sure}."
    ).format(
        adapter=adapter,
        new=percent(new.success),
        new_games=count_games(new.games),
        before=adapter_name(before),
        old=percent(old.success),
        old_games=count_games(old.games),
        points=f"{100 * found.difference:+.0f}",
        low=f"{100 * found.low:+.0f}",
        high=f"{100 * found.high:+.0f}",
        sure=sure,
    )


# --- who asked ------------------------------------------------------------------------------------------


TRIGGERS = {
    "manual": N_("started by a moderator"),
    "schedule": N_("on schedule"),
    "games": N_("after enough games"),
    "turns": N_("after enough games"),  # the old name of "games"
}
"""Trigger of a round -> why it was started, where nobody is named."""


def person(by: str | None) -> str:
    """A person, without a ping (the bot never allows mentions)."""
    if by is None:
        return _("somebody")
    return f"<@{by}>" if by.isdecimal() else _("a {program}").format(program=by)


def asked(row: Round, *, capital: bool = False) -> str:
    by = row.requested_by
    if row.trigger == "manual" and by is not None:
        said = (_("asked for by {person}") if by.isdecimal() else _("started from {person}")).format(
            person=person(by)
        )
    else:
        said = _(TRIGGERS.get(row.trigger, row.trigger))
    return said[0].upper() + said[1:] if capital else said


def adapter_name(name: str) -> str:
    if name == "base":
        return _("the base model (`base`)")
    return f"`{name}`" if name else _("an adapter that can't be read")


ACTS = {
    "start": N_("start a round"),
    "cancel": N_("cancel round {subject}"),
    "promote": N_("promote {subject}"),
    "rollback": N_("roll back to {subject}"),
    "schedule": N_("set the schedule of rounds to {subject}"),
}
"""Kind of an act -> what it is, after "to"."""


def act(kind: str, shown: str) -> str:
    return _(ACTS[kind]).format(subject=f"`{shown}`" if shown else _("none"))


def ago(moment: datetime) -> str:
    return f"<t:{int(moment.timestamp())}:R>"

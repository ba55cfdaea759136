"""The texts of statistics, leaderboards and replays."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.language import date_and_time, month, number, percent
from games.core import Outcome
from games.language import N_, _, ngettext
from store.standings import Learnt, LearntFromGame, Success, Tally

LONGEST_ALT = 1_024
"""Discord's limit of an alternative text."""
ROWS = 12
"""Adapters in a table at most, the newest."""

MINE, SERVER, BOT = "mine", "server", "bot"
SCOPES = {MINE: N_("mine"), SERVER: N_("this server's"), BOT: N_("the bot's, everywhere")}
"""Value of `/stats games:` -> its label."""
TITLES = {
    MINE: N_("Your games with me"),
    SERVER: N_("The games of this server"),
    BOT: N_("All games with me"),
}
NO_GAMES = {
    MINE: N_("You haven't finished a game with me yet. `/play` starts one in a server!"),
    SERVER: N_("Nobody has finished a game here yet. `/play` starts one!"),
    BOT: N_("Nobody has finished a game with me yet. `/play` starts one in a server!"),
}
NO_SERVER = N_("That is for servers: there are none in direct messages. `/stats games:mine` works here.")
CURVE_FILE = "curve.png"
CURVE_TITLE, CURVE_X, CURVE_Y = N_("Games won"), N_("round of the adapter that played"), N_("share")

_ROUND = re.compile(r"round-0*(\d+)\b.*")


def count_games(games: int) -> str:
    return ngettext("{games} game", "{games} games", games).format(games=number(games))


def adapter_label(name: str) -> str:
    """What an adapter is called in a curve: "3" for round-0003-b-sup, else its name."""
    found = _ROUND.fullmatch(name)
    return found[1] if found else name[:20]


def _interval(tally: Success) -> str:
    low, high = tally.success_ci95
    return _("{low} to {high}").format(low=percent(low), high=percent(high))


def stats(scope: str, tallies: Mapping[str, Tally], learnt_from: int) -> str:
    """The answer to `/stats`. `tallies`: adapter -> its games, oldest adapter first, at least one."""
    total = sum(tallies.values(), Tally(0, 0, 0))
    learnt = (
        _("I've learnt from {games} of them.").format(games=number(learnt_from))
        if learnt_from
        else _("I haven't learnt from any of them.")
    )
    shown = list(tallies.items())[-ROWS:]
    heads = [_("adapter"), _("games"), _("won"), "95%", _("turns")]
    rows = [
        (
            name[:24],
            number(tally.games),
            percent(tally.success),
            "-".join(map(percent, tally.success_ci95)),
            number(tally.turns_per_game, 1),
        )
        for name, tally in shown
    ]
    more = (
        "\n" + _("The last {shown} of {all} adapters.").format(shown=ROWS, all=len(tallies))
        if len(tallies) > ROWS
        else ""
    )
    summary = _(
        "**{title}**: {games}, **{share}** won (95% interval {interval}), {turns} turns a game. "
        "Games that were given up count as not won."
    ).format(
        title=_(TITLES[scope]),
        games=count_games(total.games),
        share=percent(total.success),
        interval=_interval(total),
        turns=number(total.turns_per_game, 1),
    )
    by_adapter = _("{learnt} By the adapter that played:").format(learnt=learnt)
    return f"{summary}\n{by_adapter}\n{table(heads, rows)}{more}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in a code block. The first column is left-aligned, the others are right-aligned."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    told = (
        "  ".join(
            f"{cell:<{width}}" if column == 0 else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
    return "```\n" + "\n".join(told) + "\n```"


def curve_alt(tallies: Mapping[str, Success]) -> str:
    """The numbers of the curve. Where there are too many, those of the oldest adapters are left out."""
    said = [
        _("{adapter}: {share} ({interval}) of {games}").format(
            adapter=name[:40],
            share=percent(tally.success),
            interval=_interval(tally),
            games=count_games(tally.games),
        )
        for name, tally in tallies.items()
    ]
    intro, kept = _("Share of games won by the adapter that played, with 95% interval."), len(said)
    while len(text := f"{intro} {'; '.join(said[len(said) - kept :])}.") > LONGEST_ALT:
        kept -= 1
        intro = _(
            "Share of games won by the adapter that played, with 95% interval. The last {shown} of {all}:"
        ).format(shown=kept, all=len(said))
    return text


# --- what is learnt -------------------------------------------------------------------------------------


def learnt(found: Learnt) -> str:
    """A line with the first board of a game."""
    return _("I've learnt from {games} since {day}.").format(
        games=count_games(found.games), day=f"<t:{int(found.since.timestamp())}:D>"
    )


WILL_LEARN = N_("The next round of learning will use this game.")
WILL_LEARN_AGREED = N_("The next round of learning will use this game, as you agreed (`/privacy`).")


def learnt_from(found: LearntFromGame, turns: int) -> str:
    """What was learnt from a game of so many turns."""
    return ngettext(
        "I learnt from {used} of its {turns} turn (`{adapter}`): {right} taken as right, {wrong} as wrong.",
        "I learnt from {used} of its {turns} turns (`{adapter}`): {right} taken as right, {wrong} as wrong.",
        turns,
    ).format(
        used=found.right + found.wrong,
        turns=number(turns),
        adapter=found.adapter,
        right=found.right,
        wrong=found.wrong,
    )


# --- leaderboards ---------------------------------------------------------------------------------------

THIS_MONTH, LAST_MONTH, ALL_TIME = N_("this month"), N_("last month"), N_("all time")
SEASONS = (THIS_MONTH, LAST_MONTH, ALL_TIME)


def season_title(since: datetime | None) -> str:
    return month(since) if since else _(ALL_TIME)


def leaderboard(
    title: str,
    rows: Sequence[tuple[int, str, Tally]],
    own: str,
    least_games: int,
) -> str:
    """`rows`: (place, display name with Markdown escaped, games). `own`: a sentence about the person who asked.

    Places are bold because Discord would number a list anew, and equals share a place.
    """
    lines = [_("**Leaderboard of this server, {season}**").format(season=title)]
    lines += [
        _("**{place}.** {name}: {share} of {games} won, {turns} turns a game").format(
            place=place,
            name=name,
            share=percent(tally.success),
            games=count_games(tally.games),
            turns=number(tally.turns_per_game, 1),
        )
        for place, name, tally in rows
    ] or [_("Nobody is ranked yet.")]
    lines.append(_(own))
    lines.append(
        _(
            "-# Ranked by the lower end of the 95% interval of success, so that many games count for more than a few "
            "lucky ones. It takes {games} finished games here, without those of a chosen difficulty. Months are in "
            "UTC. `/privacy` takes you off the list."
        ).format(games=least_games)
    )
    return "\n".join(lines)


OWN_UNLISTED = N_("You chose not to be listed (`/privacy`).")
OWN_MISSING = N_("You aren't ranked in this season yet.")


def own_place(place: int) -> str:
    return _("You are number {place}.").format(place=place)


def own_below(places: int) -> str:
    return _("You are not among the first {places}.").format(places=places)


# --- replays --------------------------------------------------------------------------------------------

NO_FINISHED_GAME = N_("You haven't finished a game with me yet, so there's nothing to replay.")
NO_SUCH_GAME = N_("I have no such game. Choose one from the list, or use `/replay` in a game's thread.")
STILL_RUNNING = N_("That game is still running. Once it is over, I can replay it.")
NOT_YOUR_REPLAY = N_(
    "Only its player can replay that game here. Everybody else can use `/replay` in the thread where it was "
    "played."
)
NO_TURNS = N_("Nothing was played in that game, so there's nothing to replay.")
NO_FIGURES = N_("The figures of that game can't be opened any more, so I can't draw it.")
REPLAY_TOO_LARGE = N_("That replay is too large to upload here.")
BOARD_CAPTION = N_("The board")

_ENDS = {Outcome.WON: N_("won"), Outcome.LOST: N_("lost"), Outcome.GIVEN_UP: N_("given up")}


def turn_caption(number: int, utterance: str) -> str:
    return _("{number}. “{words}”").format(number=number, words=utterance)


def replay_choice(title: str, outcome: Outcome, ended_at: datetime | None) -> str:
    """A choice of `/replay game:`."""
    said = f"{_(title)}, {_end(outcome)}"
    if ended_at:
        said = _("{game}, {time} UTC").format(game=said, time=date_and_time(ended_at))
    return said[:100]


def replay(title: str, outcome: Outcome, turns: int, note: str | None) -> str:
    """The line above a replay."""
    line = ngettext(
        "**{title}**, {end} after {turns} turn.", "**{title}**, {end} after {turns} turns.", turns
    ).format(title=_(title), end=_end(outcome), turns=number(turns))
    return f"{line}\n{_(note)}" if note else line


def _end(outcome: Outcome) -> str:
    return _(_ENDS.get(outcome, outcome))


def replay_alt(outcome: Outcome, steps: Sequence[tuple[str, int, int]], targets: int) -> str:
    """The game in words. `steps`: (utterance, targets selected after it, other figures selected)."""
    turns = ngettext("{turns} turn", "{turns} turns", len(steps)).format(turns=len(steps))
    intro = ngettext(
        "A game of {turns} with {targets} target, {end}.",
        "A game of {turns} with {targets} targets, {end}.",
        targets,
    ).format(turns=turns, targets=targets, end=_end(outcome))

    def told(longest: int) -> str:
        said = [intro]
        for turn, (utterance, right, others) in enumerate(steps, 1):
            words = utterance if len(utterance) <= longest else utterance[: longest - 1] + "…"
            said.append(
                ngettext(
                    "{number}. “{words}”: {right} of {targets} selected, {others} other.",
                    "{number}. “{words}”: {right} of {targets} selected, {others} others.",
                    others,
                ).format(number=turn, words=words, right=right, targets=targets, others=others)
            )
        return " ".join(said)

    for longest in (LONGEST_ALT, 200, 100, 60, 40, 20):
        if len(text := told(longest)) <= LONGEST_ALT:
            return text
    return intro

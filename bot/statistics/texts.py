"""The texts of statistics, leaderboards and replays."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from games.core import Outcome
from store.standings import Learnt, LearntFromGame, Success, Tally

LONGEST_ALT = 1_024
"""Discord's limit of an alternative text."""
ROWS = 12
"""Adapters in a table at most, the newest."""

MINE, SERVER, BOT = "mine", "server", "bot"
SCOPES = {MINE: "mine", SERVER: "this server's", BOT: "the bot's, everywhere"}
"""Value of `/stats games:` -> its label."""
TITLES = {MINE: "Your games with me", SERVER: "The games of this server", BOT: "All games with me"}
NO_GAMES = {
    MINE: "You haven't finished a game with me yet. `/play` starts one in a server!",
    SERVER: "Nobody has finished a game here yet. `/play` starts one!",
    BOT: "Nobody has finished a game with me yet. `/play` starts one in a server!",
}
NO_SERVER = "That is for servers: there are none in direct messages. `/stats games:mine` works here."
CURVE_FILE, CURVE_TITLE, CURVE_X = "curve.png", "Games won", "round of the adapter that played"

_ROUND = re.compile(r"round-0*(\d+)\b.*")


def _count(what: str, number: int) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def adapter_label(name: str) -> str:
    """What an adapter is called in a curve: "3" for round-0003-b-sup, else its name."""
    found = _ROUND.fullmatch(name)
    return found[1] if found else name[:20]


def _interval(tally: Success) -> str:
    low, high = tally.success_ci95
    return f"{low:.0%} to {high:.0%}"


def stats(scope: str, tallies: Mapping[str, Tally], learnt_from: int) -> str:
    """The answer to `/stats`. `tallies`: adapter -> its games, oldest adapter first, at least one."""
    total = sum(tallies.values(), Tally(0, 0, 0))
    given_up = "Games that were given up count as not won."
    learnt = (
        f"I've learnt from {learnt_from:,} of them." if learnt_from else "I haven't learnt from any of them."
    )
    shown = list(tallies.items())[-ROWS:]
    width = max(len("adapter"), *(len(name[:24]) for name, _ in shown))
    rows = [f"{'adapter':<{width}} games  won  95%         turns"]
    for name, tally in shown:
        low, high = tally.success_ci95
        interval = f"{low:.0%}-{high:.0%}"
        rows.append(
            f"{name[:24]:<{width}} {tally.games:>5} {tally.success:>4.0%}  {interval:<11} {tally.turns_per_game:>4.1f}"
        )
    table = "```\n" + "\n".join(rows) + "\n```"
    more = f"The last {ROWS} of {len(tallies)} adapters." if len(tallies) > ROWS else ""
    return (
        f"**{TITLES[scope]}**: {_count('game', total.games)}, **{total.success:.0%}** won "
        f"(95% interval {_interval(total)}), {total.turns_per_game:.1f} turns a game. {given_up}\n"
        f"{learnt} By the adapter that played:\n{table}{more}"
    )


def curve_alt(tallies: Mapping[str, Success]) -> str:
    """The numbers of the curve. Where there are too many, those of the oldest adapters are left out."""
    said = [
        f"{name[:40]}: {tally.success:.0%} ({_interval(tally)}) of {_count('game', tally.games)}"
        for name, tally in tallies.items()
    ]
    intro, kept = "Share of games won by the adapter that played, with 95% interval. ", len(said)
    while len(text := intro + "; ".join(said[len(said) - kept :]) + ".") > LONGEST_ALT:
        kept -= 1
        intro = f"Share of games won by the adapter that played, with 95% interval. The last {kept} of {len(said)}: "
    return text


# --- what is learnt -------------------------------------------------------------------------------------


def learnt(found: Learnt) -> str:
    """A line with the first board of a game."""
    return f"I've learnt from {_count('game', found.games)} since <t:{int(found.since.timestamp())}:D>."


WILL_LEARN = "The next round of learning will use this game."
WILL_LEARN_AGREED = "The next round of learning will use this game, as you agreed (`/privacy`)."


def learnt_from(found: LearntFromGame, turns: int) -> str:
    """What was learnt from a game of so many turns."""
    used = found.right + found.wrong
    return (
        f"I learnt from {used} of its {_count('turn', turns)} (`{found.adapter}`): "
        f"{found.right} taken as right, {found.wrong} as wrong."
    )


# --- leaderboards ---------------------------------------------------------------------------------------

THIS_MONTH, LAST_MONTH, ALL_TIME = "this month", "last month", "all time"
SEASONS = (THIS_MONTH, LAST_MONTH, ALL_TIME)


def season_title(since: datetime | None) -> str:
    return f"{since:%B %Y}" if since else ALL_TIME


def leaderboard(
    title: str,
    rows: Sequence[tuple[int, str, Tally]],
    own: str,
    least_games: int,
) -> str:
    """`rows`: (place, display name with Markdown escaped, games). `own`: a sentence about the person who asked.

    Places are bold because Discord would number a list anew, and equals share a place.
    """
    lines = [f"**Leaderboard of this server, {title}**"]
    lines += [
        f"**{place}.** {name}: {tally.success:.0%} of {_count('game', tally.games)} won, "
        f"{tally.turns_per_game:.1f} turns a game"
        for place, name, tally in rows
    ] or ["Nobody is ranked yet."]
    lines.append(own)
    lines.append(
        f"-# Ranked by the lower end of the 95% interval of success, so that many games count for more than a few "
        f"lucky ones. It takes {least_games} finished games here. Months are in UTC. `/privacy` takes you off the list."
    )
    return "\n".join(lines)


OWN_UNLISTED = "You chose not to be listed (`/privacy`)."
OWN_MISSING = "You aren't ranked in this season yet."


def own_place(place: int) -> str:
    return f"You are number {place}."


def own_below(places: int) -> str:
    return f"You are not among the first {places}."


# --- replays --------------------------------------------------------------------------------------------

NO_FINISHED_GAME = "You haven't finished a game with me yet, so there's nothing to replay."
NO_SUCH_GAME = "I have no such game. Choose one from the list, or use `/replay` in a game's thread."
STILL_RUNNING = "That game is still running. Once it is over, I can replay it."
NOT_YOUR_REPLAY = (
    "Only its player can replay that game here. Everybody else can use `/replay` in the thread where it was "
    "played."
)
NO_TURNS = "Nothing was played in that game, so there's nothing to replay."
NO_FIGURES = "The figures of that game can't be opened any more, so I can't draw it."
REPLAY_TOO_LARGE = "That replay is too large to upload here."
BOARD_CAPTION = "The board"

_ENDS = {Outcome.WON: "won", Outcome.LOST: "lost", Outcome.GIVEN_UP: "given up"}


def turn_caption(number: int, utterance: str) -> str:
    return f"{number}. “{utterance}”"


def replay_choice(title: str, outcome: Outcome, ended_at: datetime | None) -> str:
    """A choice of `/replay game:`."""
    when = f", {ended_at:%d %b %Y, %H:%M} UTC" if ended_at else ""
    return f"{title}, {_ENDS.get(outcome, outcome)}{when}"[:100]


def replay(title: str, outcome: Outcome, turns: int, note: str | None) -> str:
    """The line above a replay."""
    line = f"**{title}**, {_ENDS.get(outcome, outcome)} after {_count('turn', turns)}."
    return f"{line}\n{note}" if note else line


def replay_alt(outcome: Outcome, steps: Sequence[tuple[str, int, int]], targets: int) -> str:
    """The game in words. `steps`: (utterance, targets selected after it, other figures selected)."""
    intro = f"A game of {_count('turn', len(steps))} with {_count('target', targets)}, {_ENDS.get(outcome, outcome)}."

    def told(longest: int) -> str:
        said = [intro]
        for number, (utterance, right, others) in enumerate(steps, 1):
            words = utterance if len(utterance) <= longest else utterance[: longest - 1] + "…"
            said.append(f"{number}. “{words}”: {right} of {targets} selected, {_count('other', others)}.")
        return " ".join(said)

    for longest in (LONGEST_ALT, 200, 100, 60, 40, 20):
        if len(text := told(longest)) <= LONGEST_ALT:
            return text
    return intro

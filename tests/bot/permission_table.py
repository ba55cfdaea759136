"""Who may use what: the table behind test_permissions.py and docs/permissions.md.

`python tests/bot/permission_table.py > docs/permissions.md`, with the repository on `PYTHONPATH`, writes the document.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot import texts
from bot.privacy import texts as privacy_texts
from bot.rounds import texts as round_texts
from bot.statistics import texts as statistics_texts
from bot.study import texts as study_texts

COLUMNS = ("player", "moderator", "owner", "banned", "channel", "direct", "server")
COMMAND_HEADS = (
    *("player", "moderator", "bot's owner", "banned player", "player, in a channel not for games"),
    *("player, in a direct message", "moderator of another server, there"),
)
BUTTON_HEADS = (
    *("whose it is", "moderator", "bot's owner", "whose it is, banned", "another player"),
    *("whose it is, in a direct message", "moderator of another server, there"),
)

REFUSALS = {
    "server": texts.ONLY_IN_SERVERS,
    "moderators": texts.MODERATORS_ONLY,
    "owner": study_texts.OWNER_ONLY,
    "operator": round_texts.NOT_MANAGING,
    "channel": texts.play_elsewhere(["CHANNEL"]),
    "its place": texts.GAME_ELSEWHERE,
    "its player": texts.not_yours("PLAYER"),
    "its owner": texts.NOT_ALLOWED,
    "own panel": privacy_texts.not_your_panel(),
    "own quiz": study_texts.NOT_YOUR_QUIZ,
    "own survey": study_texts.NOT_YOUR_SURVEY,
    "own game": statistics_texts.NOT_YOUR_REPLAY,
    "not here": texts.NOT_HERE,
    "no game": "<@PLAYER> has no game running here.",
    "no server": statistics_texts.NO_SERVER,
}
"""Refusal -> the answer, in English."""
YES = "yes"
NONE = "nothing"
"""An empty list of choices."""


@dataclass(frozen=True)
class Row:
    """One command, button or form."""

    what: str
    """A command as it is typed, or a custom id. `{...}` are put in by the test."""
    cells: str
    """One for each of `COLUMNS`, separated by "|"; one alone is for all of them."""
    allowed: tuple[str, ...]
    """What answers begin with where it is allowed."""
    name: str = ""
    """Name in the document; that of the command if it is empty."""
    options: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] | None = None
    """What is filled in, if it is a form."""
    focused: str | None = None
    """The option for which choices are asked, if it is that."""

    @property
    def shown(self) -> str:
        """The name in the document."""
        return self.name or f"`/{self.what}`"

    def expected(self) -> dict[str, str]:
        """Column -> `YES`, `NONE` or a key of `REFUSALS`."""
        cells = [cell.strip() for cell in self.cells.split("|")]
        return dict(zip(COLUMNS, cells * len(COLUMNS) if len(cells) == 1 else cells, strict=True))


def pattern(text: str) -> re.Pattern[str]:
    """What a refusal's answer looks like."""
    return re.compile(re.escape(text).replace("PLAYER", r"\d+").replace("CHANNEL", r"\d+"))


EVERYWHERE = YES
IN_SERVERS = "yes | yes | yes | server | yes | server | yes"
OF_MODERATORS = "moderators | yes | moderators | server | moderators | server | yes"
ROUNDS_SEEN = "moderators | yes | yes | server | moderators | server | yes"
ROUNDS_MANAGED = "moderators | operator | yes | server | moderators | server | operator"

COMMANDS = (
    Row(
        "play",
        "yes | yes | yes | server | channel | server | yes",
        ("Your game is ready", "You're in the middle"),
    ),
    Row("resume", IN_SERVERS, ("Your game is in", texts.NO_GAME)),
    Row("giveup", IN_SERVERS, (texts.GIVE_UP_SURE, texts.NO_GAME)),
    Row(
        "giveup",
        "moderators | yes | moderators | server | moderators | server | no game",
        ("End <@",),
        "`/giveup player:`, of somebody who plays in the server",
        {"player": "{pia}"},
    ),
    Row(
        "giveup",
        "moderators | yes | moderators | server | moderators | server | no game",
        ("End <@",),
        "`/giveup player:`, of somebody who has left the server",
        {"player": "{eve}"},
    ),
    Row("help", EVERYWHERE, ("**How to play**",)),
    Row("rules", EVERYWHERE, ("**How to play**",)),
    Row("privacy", EVERYWHERE, ("**What I keep**",)),
    Row("stats", EVERYWHERE, (statistics_texts.NO_GAMES[statistics_texts.MINE],)),
    Row(
        "stats",
        "yes | yes | yes | no server | yes | no server | yes",
        (statistics_texts.NO_GAMES[statistics_texts.SERVER],),
        "`/stats games:server`",
        {"games": statistics_texts.SERVER},
    ),
    Row("leaderboard", IN_SERVERS, ("**",)),
    Row("replay", EVERYWHERE, (statistics_texts.NO_FINISHED_GAME,)),
    Row("replay", "own game", (), "`/replay game:`, of somebody else", {"game": "{pias_game}"}),
    Row("setup", OF_MODERATORS, ("✅",)),
    Row("setup", OF_MODERATORS, ("✅",), "`/setup` with a setting", {"idle": 5}),
    Row(
        "setup",
        "moderators | yes | moderators | not here | moderators | not here | not here",
        ("✅",),
        "`/setup reports:`, a channel of this server",
        {"reports": "{chat}"},
    ),
    Row(
        "export",
        "owner | owner | yes | owner | owner | owner | owner",
        (study_texts.EXPORT_EMPTY,),
    ),
    Row("round status", ROUNDS_SEEN, ("**Now**", "No round", "**")),
    Row("round history", ROUNDS_SEEN, ("",)),
    Row("round schedule", ROUNDS_SEEN, ("",)),
    Row(
        "round schedule", ROUNDS_MANAGED, ("Rounds start",), "`/round schedule cron:`", {"cron": "0 4 * * *"}
    ),
    Row("round start", ROUNDS_MANAGED, (round_texts.NOTHING_TO_LEARN,)),
    Row("round cancel", ROUNDS_MANAGED, (round_texts.NO_ROUND,)),
    Row("round promote", ROUNDS_MANAGED, ("New games are played with",), options={"adapter": "base"}),
    Row(
        "round promote",
        "nothing | yes | yes | nothing | nothing | nothing | yes",
        ("base",),
        "Choices of `/round promote`",
        {"adapter": ""},
        focused="adapter",
    ),
    Row("round rollback", ROUNDS_MANAGED, (round_texts.NOTHING_TO_GO_BACK_TO,)),
)

_OF_GAME = "yes | its player | its player | its place | its player | its place | its place"
_SAID_IN_GAME = _OF_GAME
_OF_PANEL = "yes | own panel | own panel | yes | own panel | yes | own panel"
_KEPT_CHOICES = ("**What I keep**",)

BUTTONS = (
    Row("describe:{game}:{whose}", _SAID_IN_GAME, (texts.MODAL_TITLE,), "**Describe**"),
    Row("giveup:{game}:{whose}", _OF_GAME, (texts.GIVE_UP_SURE,), "**Give up**"),
    Row("giveup-no:{game}:{whose}", _OF_GAME, (texts.NOT_GIVEN_UP,), "**No, go on**"),
    Row(
        "meant:{game}:1:1:a",
        _SAID_IN_GAME,
        (texts.QUESTION_OVER,),
        "**1**, **2**, **3**, **Yes**, **No**, **None of these**: what was meant",
    ),
    Row(
        "newgame:multiref:team",
        "yes | yes | yes | server | yes | server | yes",
        ("Your game is ready", "You're in the middle"),
        "**New game**, **Play: …**",
    ),
    Row(
        "round:promote:base:{me}",
        ROUNDS_MANAGED,
        ("New games are played with",),
        "**Yes, promote** (also **Yes, cancel the round**, **Yes, roll back**), whoever asked",
    ),
    Row("round:rollback:base:{pia}", "its owner", (), "the same, asked by somebody else"),
    Row(
        "round-request:no:start:{me}:{general}:",
        "operator | operator | yes | operator | operator | operator | operator",
        ("carrier",),
        "**Confirm**, **Refuse** a request",
    ),
    Row("privacy:research:{whose}", _OF_PANEL, _KEPT_CHOICES, "Choices in `/privacy`"),
    Row("choice:research:{whose}", _OF_PANEL, ("carrier",), "Choices before the first game"),
    Row("privacy:export:{whose}", _OF_PANEL, (privacy_texts.EXPORTED,), "**Export my data**"),
    Row("privacy:erase:{whose}", _OF_PANEL, (privacy_texts.ERASE_SURE,), "**Erase everything**"),
    Row(
        "quiz:{whose}",
        "yes | own quiz | own quiz | yes | own quiz | yes | own quiz",
        (study_texts.QUIZ_OVER,),
        "**Answer the questions** of a study's quiz",
    ),
    Row(
        "survey:birds:0:{whose}",
        "yes | own survey | own survey | yes | own survey | yes | own survey",
        (study_texts.SURVEY_OVER,),
        "**Answer the questions** of a study's survey",
    ),
    Row(
        "describe-form:{game}:{whose}",
        _SAID_IN_GAME,
        ("",),
        "The form of **Describe**",
        fields={"utterance": "the boat"},
    ),
    Row(
        "quiz-form:{whose}",
        "yes | own quiz | own quiz | yes | own quiz | yes | own quiz",
        (study_texts.QUIZ_OVER,),
        "The form of a quiz",
        fields={"q": ["0"]},
    ),
    Row(
        "survey-form:birds:0:{whose}",
        "yes | own survey | own survey | yes | own survey | yes | own survey",
        (study_texts.SURVEY_OVER,),
        "The form of a survey",
        fields={"q": ["0"]},
    ),
    Row(
        "endgame:{pias_game}",
        "moderators | yes | moderators | server | moderators | server | its place",
        (texts.ENDED, texts.GAME_IS_OVER),
        "**End this game** (the question of `/giveup player:`)",
    ),
    Row("giveup-yes:{game}:{whose}", _OF_GAME, (texts.GIVEN_UP,), "**Yes, give up**"),
    Row(
        "privacy:erase-yes:{whose}",
        _OF_PANEL,
        ("Done. I erased", privacy_texts.NOTHING_KEPT),
        "**Yes, erase everything**",
    ),
)
"""What ends a game or erases a player comes last."""


def document() -> str:
    """docs/permissions.md"""
    parts = [
        "# Who may use what",
        "",
        *_paragraph(
            "The bot checks this itself: Discord hides commands from those who may not use them, but "
            "administrators can open commands to anyone, and custom ids of buttons can be forged. "
            "`tests/bot/test_permissions.py` tries each cell of these tables, past the checks of Discord's "
            "client, and fails for a command, a button or a form that is not here. Do not edit this file: "
            "`tests/bot/permission_table.py` writes it."
        ),
        *_paragraph(
            "A moderator has the permission Manage Server. The bot's owner owns its application, or is in its "
            "team, and is no moderator here. The owner manages rounds, as is the default on Discord "
            "(`RESPECT_ROUNDS__MANAGED_BY`). Discord accepts nothing from a banned player in the server, and "
            "the bot has no bans of its own: that column says what happens in a direct message, where data "
            "can still be exported and erased. ✅ is allowed; what the words in the other cells stand for is "
            "below."
        ),
        "## Commands",
        "",
        *_table("command", COMMAND_HEADS, COMMANDS),
        "",
        "## Buttons and forms",
        "",
        *_paragraph(
            "There are no context-menu commands. A game's buttons and forms work only in its server, and "
            "those for describing only in its thread; in a team's game everybody in the thread may describe."
        ),
        *_table("button or form", BUTTON_HEADS, BUTTONS),
        "",
        "## Refusals",
        "",
        "| cell | answer, to the person alone |",
        "|---|---|",
        f"| {NONE} | an empty list of choices |",
        *(f"| {key} | {_answer(text)} |" for key, text in REFUSALS.items()),
    ]
    return "\n".join(parts) + "\n"


def _table(first: str, heads: tuple[str, ...], rows: tuple[Row, ...]) -> Iterator[str]:
    yield f"| {first} | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 1) + "|"
    for row in rows:
        cells = ("✅" if cell == YES else cell for cell in row.expected().values())
        yield f"| {row.shown} | " + " | ".join(cells) + " |"


def _paragraph(text: str) -> list[str]:
    return [*textwrap.wrap(text, 125, break_on_hyphens=False), ""]


def _answer(text: str) -> str:
    return text.replace("<@PLAYER>", "@player").replace("<#CHANNEL>", "#channel").replace("\n", " ")


if __name__ == "__main__":
    print(document(), end="")

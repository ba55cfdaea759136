"""The texts of `/privacy`, and of the choices before a player's first game."""

from games.language import N_, _, ngettext

EXPORT_FILE = "my-data"
"""Name of the file, without its ending."""
EXPORTED = N_("Here's everything I keep about you.")
NOTHING_KEPT = N_("I keep nothing about you.")
ERASE_SURE = N_(
    "Erase everything I keep about you: your games, what you wrote in them, your choices? "
    "A running game ends. This can't be undone. Messages in Discord's threads stay until you delete them there."
)


LOCAL_GAMES = N_("This is a local service, not Discord: games here are learned from in any case.")


def privacy(games: int, training: bool, research: bool, *, listed: bool, local: bool) -> str:
    learning = (
        _("✅ always. {why}").format(why=_(LOCAL_GAMES))
        if local
        else _(
            "{choice}. If you agree, what you said in games may be used to train me — only where Discord has permitted "
            "that to whoever runs me."
        ).format(choice=_yes(training))
    )
    lines = [
        _(
            "**What I keep**: the games you played with me, what you wrote as instructions in them and when you edited "
            "or deleted it, my answers, and your name and id to tell you from others. I keep no other messages."
        ),
        _("**Games kept**: {games}").format(games=games),
        _("**Learning from your games**: {answer}").format(answer=learning),
        _(
            "**Sharing with researchers**: {choice}. If you agree, your games without your name may be given to "
            "researchers, and with them what you write in a game's thread after its end, which I keep only then."
        ).format(choice=_yes(research)),
        _("It is off unless you turn it on, and you can play all the same.")
        if local
        else _("Both are off unless you turn them on, and you can play all the same."),
        _(
            "**Leaderboards** (`/leaderboard`, by your display name, for the members of servers where you played): "
            "you can be listed."
        )
        if listed
        else _(
            "**Leaderboards** (`/leaderboard`, by your display name, for the members of servers where you played): "
            "you are not listed."
        ),
    ]
    return "\n".join(lines)


def kept_answers(answers: int) -> str:
    """The line about answers in studies' surveys and quizzes."""
    return ngettext(
        "**Studies**: I also keep your answer to a question about the games.",
        "**Studies**: I also keep your {answers} answers to questions about the games.",
        answers,
    ).format(answers=answers)


def first_choices(*, local: bool) -> str:
    """The notice before a player's first game."""
    if local:
        return _(
            "{why} You choose whether your games, without your name, may be given to researchers, with what you write "
            "in their threads after the end: it is off until you allow it, here or with `/privacy`."
        ).format(why=_(LOCAL_GAMES))
    return _(
        "**Two choices are yours**: whether I may learn from what you say in games (where Discord has permitted that "
        "to whoever runs me), and whether your games, without your name, may be given to researchers, with what you "
        "write in their threads after the end. Both are off "
        "until you allow them, here or with `/privacy`, and you can play all the same."
    )


def _yes(answer: bool) -> str:
    return _("✅ you agree") if answer else _("❌ you don't agree")


_TOGGLES = {
    ("training", False): N_("Allow learning from my games"),
    ("training", True): N_("Stop learning from my games"),
    ("research", False): N_("Allow sharing with researchers"),
    ("research", True): N_("Stop sharing with researchers"),
    ("unlisted", False): N_("Take me off leaderboards"),
    ("unlisted", True): N_("List me on leaderboards"),
}


def toggle(kind: str, granted: bool) -> str:
    return _(_TOGGLES[kind, granted])


EXPORT, ERASE, ERASE_YES = N_("Export my data"), N_("Erase everything"), N_("Yes, erase everything")


def exported(part: int, parts: int) -> str:
    if parts == 1:
        return _(EXPORTED)
    return _(
        "Here's everything I keep about you. It is too much for one file: part {part} of {parts}."
    ).format(part=part, parts=parts)


def erased(games: int, adapters: int = 0, *, at_once: bool = False) -> str:
    """`at_once`: whether the adapters that learnt from them play no new game from now on."""
    done = ngettext(
        "Done. I erased everything I kept about you ({games} game).",
        "Done. I erased everything I kept about you ({games} games).",
        games,
    ).format(games=games)
    if not adapters:
        return done
    if at_once:
        learnt = ngettext(
            "One of my adapters had learnt from your games: from now on no new game is played with what was learnt "
            "from them, and the next round of learning starts without them.",
            "{adapters} of my adapters had learnt from your games: from now on no new game is played with what was "
            "learnt from them, and the next round of learning starts without them.",
            adapters,
        ).format(adapters=adapters)
        return f"{done} {learnt}"
    learnt = ngettext(
        "One of my adapters had learnt from your games: the next round of learning starts without them, and after it "
        "no new game is played with what was learnt from them.",
        "{adapters} of my adapters had learnt from your games: the next round of learning starts without them, and "
        "after it no new game is played with what was learnt from them.",
        adapters,
    ).format(adapters=adapters)
    return f"{done} {learnt}"


def not_your_panel() -> str:
    return _("That panel isn't yours. Use `/privacy` for your own.")

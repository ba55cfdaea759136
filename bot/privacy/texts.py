"""The texts of `/privacy`, and of the choices before a player's first game."""

EXPORT_FILE = "my-data"
"""Name of the file, without its ending."""
EXPORTED = "Here's everything I keep about you."
NOTHING_KEPT = "I keep nothing about you."
ERASE_SURE = (
    "Erase everything I keep about you: your games, what you wrote in them, your choices? "
    "A running game ends. This can't be undone. Messages in Discord's threads stay until you delete them there."
)


LOCAL_GAMES = "This is a local service, not Discord: games here are learned from in any case."


def privacy(games: int, training: bool, research: bool, *, listed: bool, local: bool) -> str:
    learning = (
        f"✅ always. {LOCAL_GAMES}"
        if local
        else f"{_yes(training)}. If you agree, what you said in games may be used to train me — only where Discord "
        "has permitted that to whoever runs me."
    )
    return (
        "**What I keep**: the games you played with me, what you wrote as instructions in them, "
        "my answers, and your name and id to tell you from others. I keep no other messages.\n"
        f"**Games kept**: {games}\n"
        f"**Learning from your games**: {learning}\n"
        f"**Sharing with researchers**: {_yes(research)}. If you agree, your games without your name "
        "may be given to researchers.\n"
        + ("It is off unless you turn it on" if local else "Both are off unless you turn them on")
        + ", and you can play all the same.\n"
        + "**Leaderboards** (`/leaderboard`, by your display name, for the members of servers where you played): "
        + ("you can be listed." if listed else "you are not listed.")
    )


def kept_answers(answers: int) -> str:
    """The line about answers in studies' surveys and quizzes."""
    return f"**Studies**: I also keep your {answers} answers to questions about the games."


def first_choices(*, local: bool) -> str:
    """The notice before a player's first game."""
    research = "whether your games, without your name, may be given to researchers"
    if local:
        return f"{LOCAL_GAMES} You choose {research}: it is off until you allow it, here or with `/privacy`."
    return (
        "**Two choices are yours**: whether I may learn from what you say in games (where Discord has permitted that "
        f"to whoever runs me), and {research}. Both are off until you allow them, here or with `/privacy`, and you can "
        "play all the same."
    )


def _yes(answer: bool) -> str:
    return "✅ you agree" if answer else "❌ you don't agree"


def toggle(kind: str, granted: bool) -> str:
    if kind == "unlisted":
        return "List me on leaderboards" if granted else "Take me off leaderboards"
    what = {"training": "learning from my games", "research": "sharing with researchers"}[kind]
    return f"{'Stop' if granted else 'Allow'} {what}"


EXPORT, ERASE, ERASE_YES = "Export my data", "Erase everything", "Yes, erase everything"


def exported(part: int, parts: int) -> str:
    return EXPORTED if parts == 1 else f"{EXPORTED} It is too much for one file: part {part} of {parts}."


def erased(games: int, adapters: int = 0) -> str:
    done = f"Done. I erased everything I kept about you ({games} game{'' if games == 1 else 's'})."
    if not adapters:
        return done
    which = "One of my adapters" if adapters == 1 else f"{adapters} of my adapters"
    return (
        f"{done} {which} had learnt from your games: the next round of learning starts without them, and after it no "
        "new game is played with what was learnt from them."
    )


def not_your_panel() -> str:
    return "That panel isn't yours. Use `/privacy` for your own."

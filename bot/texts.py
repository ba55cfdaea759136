"""All texts that people read in Discord."""

import time
from collections.abc import Iterable, Sequence

from games.core import Game, Outcome, Words

LONGEST_MESSAGE = 2000
"""Discord's limit."""

DESCRIBE, GIVE_UP, NEW_GAME = "Describe", "Give up", "New game"
GIVE_UP_YES, GIVE_UP_NO = "Yes, give up", "No, go on"
MODAL_TITLE = "Describe figures to me"
MODAL_LABEL = "What should I click?"
MODAL_HINT = "e.g. the one that looks like a running dog"

ONLY_IN_SERVERS = "Games are played in a server's channel. Come and use `/play` there!"
MODERATORS_ONLY = "That is for moderators: it needs the **Manage Server** permission."
NOT_ALLOWED = "You can't use that here."
COMMAND_CHANGED = "That command has changed since you opened it. Please type it again."
FORBIDDEN = "I'm not allowed to do that here. A moderator can run `/setup` to see which permission I lack."
DISCORD_TROUBLE = "Discord didn't take my answer. Nothing is lost; please try again in a moment."
POLICY_AWAY_NO_GAME = "I'm still waking up and can't start a game yet. Please try again in a minute."
STORE_TROUBLE = "I can't save anything right now, so I did nothing. Please try again in a moment."
SOMETHING_BROKE = "Something went wrong on my side. It's been noted; please try again."
TEXT_CHANNEL_ONLY = "I can only open games in an ordinary text channel. Please use `/play` in one."


def how_to_play(games: Iterable[Game]) -> str:
    """The answer to `/help`."""
    return (
        "**How to play**\n"
        "`/play` opens a thread with a board of tangram figures. Those with a ★ are *targets*: only you know which "
        "they are. I see the same figures in another order. Describe what you mean, and I'll click what I think it is."
        "\n• Write in the thread like you'd talk to a friend: “the kneeling man”, “the one like a sailing boat”.\n"
        "• Put me right when I'm wrong: “no, the other boat”. A “yes, good” helps too!\n"
        + "".join(f"• `/play game:{game.name}`: {game.words.how}\n" for game in games)
        + "• Messages right after one another are one description. “How do I play?” and “I give up” are answered, "
        "“lol” and lines that start with `//` or `((` are left alone: none of them costs a turn.\n"
        "`/rules` shows an example, `/stats` how games went and what I learnt from them, `/leaderboard` who describes "
        "best here, and `/replay` a finished game again.\n"
        "`/giveup` ends your game, `/privacy` shows what I keep and lets you export or erase it."
    )


RULES_EXAMPLE = "The picture is an example of a board after one turn, as you would see it."


WORDS_PLEASE = "I only understand words. Could you describe the figure to me?"
NO_ATTACHMENTS = "I can't look at attachments or stickers. Could you describe the figure in words?"
EDITED_TOO_LATE = "I've already played that message, so the edit doesn't count. Just tell me what to change."
NOT_KEPT = "I couldn't save that message just now, so I haven't played it. Please send it again in a minute."
NOT_KEPT_FORM = "I couldn't save that just now, so I haven't played it. Please try again. You wrote:\n"
POLICY_AWAY = (
    "I can't think right now; I'm being restarted. Your message is safe, I'll answer as soon as I can."
)
NOT_UNDERSTOOD = (
    "I couldn't make anything of that one. Could you put it another way? It didn't cost you a turn."
)
TOO_MANY_WORDS = (
    "More words than I can keep in mind in one game! It didn't cost you a turn: say it in fewer, please."
)
NOT_SAVED = "I can't save our game right now. Your message is kept; I'll go on as soon as I can."
DM_ANSWER = "Hi! Games are played in a server's channel: use `/play` there. `/help` tells you how."
NO_GAME = "You have no game running here. `/play` starts one!"
GAME_IS_OVER = "This game is over. Press **New game** or use `/play` for another one."
GIVE_UP_SURE = "Give up this game? I'll show which figures it was."
GIVEN_UP = "Given up. Let's see which ones it was."
NOT_GIVEN_UP = "We go on: describe the next figure to me."
GAME_WAS_OVER = "This game is over, so I don't play that. `/play` or **New game** above starts another one."
HOW_TO_GO_ON = (
    "Only you see the ★: write what a figure with a ★ looks like, and I'll click what I think you mean. "
    "Tell me when I'm wrong (“no, the other one”). "
    "`/rules` shows an example, `/giveup` ends the game. Asking didn't cost you a turn."
)

NO_PLAIN_MESSAGES = "I can't read plain messages here: reply to my board, mention me, or press **Describe**."


def typed_command(mention: str | None) -> str:
    """The answer to a command that was sent as a message. `mention`: its name to press; None if there is none."""
    if mention is None:
        return "I have no such command: `/help` says which I have. It didn't cost you a turn."
    return f"As a message, a command does nothing: press {mention} instead. It didn't cost you a turn."


def too_long(length: int, limit: int) -> str:
    return (
        f"That's {length:,} characters, more than I can take in ({limit:,} at most). "
        "It didn't cost you a turn: please shorten it."
    )


def cooldown(seconds: float) -> str:
    return f"Easy! You can start another game <t:{int(time.time() + seconds) + 1}:R>."


def command_cooldown(seconds: float) -> str:
    return f"Easy! You can use this again <t:{int(time.time() + seconds) + 1}:R>."


def not_yours(player_id: str) -> str:
    return f"This is <@{player_id}>'s game. Use `/play` to start your own!"


def bot_lacks(permissions: Sequence[str]) -> str:
    names = ", ".join(f"**{name}**" for name in permissions)
    return f"I can't open a game here: I lack {names} in this channel. A moderator can give me that."


def too_few_figures(needed: int) -> str:
    return f"I can't deal this game here: it needs {needed} different figures, and the image set has fewer."


def thread_name(words: Words, player: str, number: int) -> str:
    return f"{words.title} with {player[:60]} #{number}"


def opened(thread_id: int) -> str:
    return f"Your game is ready: <#{thread_id}>"


def already_open(thread_id: str) -> str:
    return f"You're in the middle of a game: <#{thread_id}>. Go on there, or give it up to start a new one."


FIRST_GAME = (
    "\nIt's your first game, so: say what a figure with a ★ looks like, as you would to a friend (“the kneeling man”). "
    "If I click a wrong one, tell me so and say more (“no, the one with the longer tail”)."
)


def first_board(
    player_id: str, words: Words, max_turns: int, plain_messages: bool, first_game: bool = False
) -> str:
    how = (
        "just write here"
        if plain_messages
        else "press **Describe** (or reply to my board: I can't read other messages here)"
    )
    return (
        f"Hi <@{player_id}>! {words.task} {words.ask}, {how}, and I'll click. "
        f"When I'm wrong, tell me. We have {max_turns} turns." + (FIRST_GAME if first_game else "")
    )


def board(words: Words, outcome: Outcome, turns: int, max_turns: int, unplayed: int = 0) -> str:
    """The line above a board."""
    played = "1 turn" if turns == 1 else f"{turns} turns"
    match outcome:
        case Outcome.OPEN:
            left = max_turns - turns
            line = f"That's what I clicked. What next? ({left} turn{'' if left == 1 else 's'} left)"
        case Outcome.WON:
            line = f"🎉 **{words.won} in {played}!** Well described."
        case Outcome.LOST:
            line = f"**Out of turns.** {words.missed} after {played}."
        case Outcome.GIVEN_UP:
            line = f"**Given up after {played}.** {words.meant}"
    if unplayed:
        line += f" (I left out {unplayed} more message{'s' if unplayed > 1 else ''} of yours.)"
    return line


def quoted(utterance: str, line: str) -> str:
    """A message with what was written in a form, visible to everybody in the thread."""
    shown = utterance if len(utterance) <= 300 else utterance[:299] + "…"
    return f"> {shown}\n{line}"


# --- privacy --------------------------------------------------------------------------------------------

EXPORT_FILE = "my-data.json"
EXPORTED = "Here's everything I keep about you."
NOTHING_KEPT = "I keep nothing about you."
ERASE_SURE = (
    "Erase everything I keep about you: your games, what you wrote in them, your choices? "
    "A running game ends. This can't be undone. Messages in Discord's threads stay until you delete them there."
)


LOCAL_GAMES = "This is a local service, not Discord: games here are learned from in any case."


def privacy(games: int, training: bool, research: bool, *, listed: bool, local: bool) -> str:
    return (
        "**What I keep**: the games you played with me, what you wrote as instructions in them, "
        "my answers, and your name and id to tell you from others. I keep no other messages.\n"
        f"**Games kept**: {games}\n"
        f"**Learning from your games**: {_yes(training)}. If you agree, what you said in games "
        "may be used to train me — only where Discord has permitted that to whoever runs me.\n"
        f"**Sharing with researchers**: {_yes(research)}. If you agree, your games without your name "
        "may be given to researchers.\n"
        "Both are off unless you turn them on, and you can play all the same.\n"
        "**Leaderboards** (`/leaderboard`, by your display name, for the members of servers where you played): "
        + ("you can be listed." if listed else "you are not listed.")
    ) + (f"\n{LOCAL_GAMES}" if local else "")


def _yes(answer: bool) -> str:
    return "✅ you agree" if answer else "❌ you don't agree"


def toggle(kind: str, granted: bool) -> str:
    if kind == "unlisted":
        return "List me on leaderboards" if granted else "Take me off leaderboards"
    what = {"training": "learning from my games", "research": "sharing with researchers"}[kind]
    return f"{'Stop' if granted else 'Allow'} {what}"


EXPORT, ERASE, ERASE_YES = "Export my data", "Erase everything", "Yes, erase everything"


def erased(games: int) -> str:
    return f"Done. I erased everything I kept about you ({games} game{'' if games == 1 else 's'})."


def not_your_panel() -> str:
    return "That panel isn't yours. Use `/privacy` for your own."


# --- setup ----------------------------------------------------------------------------------------------


SETUP_MESSAGES = "Plain messages in a game's thread (otherwise people press Describe)"
SETUP_POLICY = "The model that plays is running"
SETUP_TRAINING = "Discord's permission to learn from games is recorded (`RESPECT_ROUNDS__DISCORD_PERMISSION`)"


def setup_may_write(channel_id: int) -> str:
    return f"May write in <#{channel_id}>"


CLASSIC_IMAGES, DEFAULT_IMAGES = "classic", "default"
"""The choices of `/setup images:`. `DEFAULT_IMAGES` restores the set that the operator chose."""

NO_IMAGES = (
    "I can't open the figures that this server plays with. "
    "A moderator can choose others with `/setup images:`."
)


def images_refused(spec: str, reason: str) -> str:
    return f"I can't play with `{spec[:100]}` here: {reason}. Nothing was changed."


IMAGES_TO_CHOOSE = (
    "a server can choose `classic`, some of it (`classic:40`, say) or `default`; "
    "any other set is for whoever runs me to choose (`RESPECT_PLAY__IMAGES`)"
)


def setup_report(lines: Sequence[tuple[bool, str]], channel_id: str | None, images: str | None) -> str:
    """The answer to `/setup`. `images`: the server's own image set, None for the default."""
    rows = [f"{'✅' if good else '❌'} {text}" for good, text in lines]
    rows.append(
        f"📣 Moderators' channel: <#{channel_id}>"
        if channel_id
        else "📣 No moderators' channel yet: `/setup channel:` sets where I report rounds."
    )
    rows.append(
        f"🧩 Figures: `{images}`"
        if images
        else "🧩 Figures: the default ones. `/setup images:` chooses others for this server."
    )
    return "\n".join(rows)

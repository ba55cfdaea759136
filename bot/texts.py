"""All texts that people read in Discord."""

import time
from collections.abc import Iterable, Sequence

from games.core import Game, Outcome, Words

LONGEST_MESSAGE = 2000
"""Discord's limit."""

DESCRIBE, GIVE_UP, NEW_GAME = "Describe", "Give up", "New game"
END_GAME = "End this game"
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
TOO_MANY_THREADS = (
    "This server has as many open threads as Discord allows, so I can't open one more. Threads of finished games close "
    "after a few minutes; a moderator can archive others."
)
NO_IMAGES = (
    "I can't open the figures that this server plays with. "
    "A moderator can choose others with `/setup images:`."
)
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
        "I learn from what players say next, “yes” or “no, the other one”, in the games of those who agree: `/privacy` "
        "is where you do, and shows what I keep and lets you export or erase it. `/giveup` ends your game."
    )


RULES_EXAMPLE = "The picture is an example of a board after one turn, as you would see it."


PLAY_HERE = (
    "**Play tangrams with me!** You see a board of figures and describe some of them; I try to click the right ones. "
    "Press a button: I open a thread for your game. `/rules` explains more."
)


def play_label(words: Words) -> str:
    return f"Play: {words.title}"


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
ENDED = "I ended that game and showed which figures it was."
GIVEN_UP = "Given up. Let's see which ones it was."
NOT_GIVEN_UP = "We go on: describe the next figure to me."
GAME_ENDED_IDLE = (
    "I ended this game because nothing was said in it for a long time. `/play` starts another one."
)
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


def no_game_of(player_id: int) -> str:
    return f"<@{player_id}> has no game running here."


def end_sure(player_id: int) -> str:
    return f"End <@{player_id}>'s game? I'll show which figures it was. It counts as given up."


def resumed(thread_id: str, guild_id: str | None, message_id: str | None) -> str:
    board = f": https://discord.com/channels/{guild_id}/{thread_id}/{message_id}" if message_id else ""
    return f"Your game is in <#{thread_id}>{board}"


def bot_lacks(permissions: Sequence[str]) -> str:
    names = ", ".join(f"**{name}**" for name in permissions)
    return f"I can't open a game here: I lack {names} in this channel. A moderator can give me that."


def play_elsewhere(channel_ids: Iterable[str]) -> str:
    return "Here games are played in " + ", ".join(f"<#{each}>" for each in channel_ids) + "."


def not_played_here(words: Iterable[Words]) -> str:
    return (
        "That game isn't played in this server. "
        + " or ".join(f"**{each.title}**" for each in words)
        + " is!"
    )


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


def board(
    words: Words,
    outcome: Outcome,
    turns: int,
    max_turns: int,
    unplayed: int = 0,
    *,
    by_moderator: bool = False,
) -> str:
    """The line above a board. `by_moderator`: whether a moderator ended the game."""
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
            how = "A moderator ended the game" if by_moderator else "Given up"
            line = f"**{how} after {played}.** {words.meant}"
    if unplayed:
        line += f" (I left out {unplayed} more message{'s' if unplayed > 1 else ''} of yours.)"
    return line


def quoted(utterance: str, line: str) -> str:
    """A message with what was written in a form, visible to everybody in the thread."""
    shown = utterance if len(utterance) <= 300 else utterance[:299] + "…"
    return f"> {shown}\n{line}"

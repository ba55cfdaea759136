"""All texts that people read in Discord, but for those of rounds, privacy, statistics and setup.

Constants are marked with `N_` and translated where they are sent; functions give a sentence in the current language.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

from bot.language import number
from games.core import Change, Game, Outcome, Words
from games.language import N_, _, ngettext
from games.words import storable

LONGEST_MESSAGE = 2000
"""Discord's limit."""

DESCRIBE, GIVE_UP, NEW_GAME = N_("Describe"), N_("Give up"), N_("New game")
END_GAME = N_("End this game")
GIVE_UP_YES, GIVE_UP_NO = N_("Yes, give up"), N_("No, go on")
MODAL_TITLE = N_("Describe figures to me")
MODAL_LABEL = N_("What should I click?")
MODAL_HINT = N_("e.g. the one that looks like a running dog")

ONLY_IN_SERVERS = N_("Games are played in a server's channel. Come and use `/play` there!")
MODERATORS_ONLY = N_("That is for moderators: it needs the **Manage Server** permission.")
NOT_ALLOWED = N_("You can't use that here.")
COMMAND_CHANGED = N_("That command has changed since you opened it. Please type it again.")
NOT_HERE = N_("I can't find the person or channel that you chose in this server. Please choose again.")
GAME_ELSEWHERE = N_("That game is played somewhere else. You can describe figures and end it only there.")
FORBIDDEN = N_(
    "I'm not allowed to do that here. A moderator can run `/setup` to see which permission I lack."
)
DISCORD_TROUBLE = N_("Discord didn't take my answer. Nothing is lost; please try again in a moment.")
POLICY_AWAY_NO_GAME = N_("I'm still waking up and can't start a game yet. Please try again in a minute.")
STORE_TROUBLE = N_("I can't save anything right now, so I did nothing. Please try again in a moment.")
SOMETHING_BROKE = N_("Something went wrong on my side. It's been noted; please try again.")
TOO_MANY_THREADS = N_(
    "This server has as many open threads as Discord allows, so I can't open one more. Threads of finished games close "
    "after a few minutes; a moderator can archive others."
)
NO_IMAGES = N_(
    "I can't open the figures that this server plays with. "
    "A moderator can choose others with `/setup images:`."
)
TEXT_CHANNEL_ONLY = N_("I can only open games in an ordinary text channel. Please use `/play` in one.")


def how_to_play(games: Iterable[Game]) -> str:
    """The answer to `/help`."""
    lines = [
        _("**How to play**"),
        _(
            "`/play` opens a thread with a board of tangram figures. Those with a ★ are *targets*: only you know which "
            "they are. I see the same figures in another order. Describe what you mean, and I'll click what I think it "
            "is."
        ),
        _(
            "• Write in the thread like you'd talk to a friend: “the kneeling man”, “the one like a sailing boat”.\n"
            "• Put me right when I'm wrong: “no, the other boat”. A “yes, good” helps too!"
        ),
        *(_("• `/play game:{name}`: {how}").format(name=game.name, how=_(game.words.how)) for game in games),
        _(
            "• Messages right after one another are one description. “How do I play?” and “I give up” are answered, "
            "“lol” and lines that start with `//` or `((` are left alone: none of them costs a turn."
        ),
        _(
            "`/rules` shows an example, `/stats` how games went and what I learnt from them, `/leaderboard` who "
            "describes best here, and `/replay` a finished game again."
        ),
        _(
            "I learn from what players say next, “yes” or “no, the other one”, in the games of those who agree: "
            "`/privacy` is where you do, and shows what I keep and lets you export or erase it. `/giveup` ends your "
            "game."
        ),
    ]
    return "\n".join(lines)


RULES_EXAMPLE = N_("The picture is an example of a board after one turn, as you would see it.")


PLAY_HERE = N_(
    "**Play tangrams with me!** You see a board of figures and describe some of them; I try to click the right ones. "
    "Press a button: I open a thread for your game. `/rules` explains more."
)


def play_label(words: Words) -> str:
    return _("Play: {title}").format(title=_(words.title))


WORDS_PLEASE = N_("I only understand words. Could you describe the figure to me?")
NO_ATTACHMENTS = N_("I can't look at attachments or stickers. Could you describe the figure in words?")
EDITED_TOO_LATE = N_(
    "I've already played that message, so the edit doesn't count. Just tell me what to change."
)
NOT_KEPT = N_(
    "I couldn't save that message just now, so I haven't played it. Please send it again in a minute."
)
NOT_KEPT_FORM = N_("I couldn't save that just now, so I haven't played it. Please try again. You wrote:\n")
POLICY_AWAY = N_(
    "I can't think right now; I'm being restarted. Your message is safe, I'll answer as soon as I can."
)
NOT_UNDERSTOOD = N_(
    "I couldn't make anything of that one. Could you put it another way? It didn't cost you a turn."
)
TOO_MANY_WORDS = N_(
    "More words than I can keep in mind in one game! It didn't cost you a turn: say it in fewer, please."
)
NOT_SAVED = N_("I can't save our game right now. Your message is kept; I'll go on as soon as I can.")
DM_ANSWER = N_("Hi! Games are played in a server's channel: use `/play` there. `/help` tells you how.")
NO_GAME = N_("You have no game running here. `/play` starts one!")
GAME_IS_OVER = N_("This game is over. Press **New game** or use `/play` for another one.")
GIVE_UP_SURE = N_("Give up this game? I'll show which figures I missed or got wrong.")
ENDED = N_("I ended that game and showed which figures were meant.")
GIVEN_UP = N_("Given up. Let's see which ones I missed or got wrong.")
NOT_GIVEN_UP = N_("We go on: describe the next figure to me.")
GAME_ENDED_IDLE = N_(
    "I ended this game because nothing was said in it for a long time. `/play` starts another one."
)
GAME_WAS_OVER = N_(
    "This game is over, so I don't play that. `/play` or **New game** above starts another one."
)
HOW_TO_GO_ON = N_(
    "Only you see the ★: write what a figure with a ★ looks like, and I'll click what I think you mean. "
    "Tell me when I'm wrong (“no, the other one”). "
    "`/rules` shows an example, `/privacy` what I keep and learn from, `/giveup` ends the game. "
    "Asking didn't cost you a turn."
)

TURNS_LEFT = N_("Above my newest board it says how many turns are left. Asking and chatting don't cost any.")
NO_PLAIN_MESSAGES = N_(
    "I can't read plain messages here: reply to my board, mention me, or press **Describe**."
)


QUESTION_OVER = N_("That question is over: we have gone on since.")
YES, NO, NONE_OF_THESE = N_("Yes"), N_("No"), N_("None of these")


def unsure(pictures: int) -> str:
    """The question what was meant, with so many pictures."""
    return ngettext(
        "I'm not sure: did you mean this? The picture shows what I'd do. If not, press **No** or say it in other "
        "words. My question doesn't cost you a turn.",
        "I'm not sure: did you mean one of these? Each picture shows what I'd do. If not, press **None of these** or "
        "say it in other words. My question doesn't cost you a turn.",
        pictures,
    )


def meant(number: int) -> str:
    """What a question says once it is answered. `number`: of the picture, from 1; 0 for none."""
    if not number:
        return _("Then say it in other words, please. It didn't cost you a turn.")
    return _("You meant picture {number}.").format(number=number)


def typed_command(mention: str | None) -> str:
    """The answer to a command that was sent as a message. `mention`: its name to press; None if there is none."""
    if mention is None:
        return _("I have no such command: `/help` says which I have. It didn't cost you a turn.")
    return _(
        "As a message, a command does nothing: press {command} instead. It didn't cost you a turn."
    ).format(command=mention)


def too_long(length: int, limit: int) -> str:
    return _(
        "That's {length} characters, more than I can take in ({limit} at most). "
        "It didn't cost you a turn: please shorten it."
    ).format(length=number(length), limit=number(limit))


def _when(seconds: float) -> str:
    return f"<t:{int(time.time() + seconds) + 1}:R>"


def cooldown(seconds: float) -> str:
    return _("Easy! You can start another game {when}.").format(when=_when(seconds))


def command_cooldown(seconds: float) -> str:
    return _("Easy! You can use this again {when}.").format(when=_when(seconds))


def not_yours(player_id: str) -> str:
    return _("This is {player}'s game. Use `/play` to start your own!").format(player=f"<@{player_id}>")


def no_game_of(player_id: int) -> str:
    return _("{player} has no game running here.").format(player=f"<@{player_id}>")


def end_sure(player_id: int) -> str:
    return _("End {player}'s game? I'll show which figures were meant. It counts as given up.").format(
        player=f"<@{player_id}>"
    )


def ended_by_moderator(moderator_id: int, player_id: str, thread_id: str) -> str:
    """For the audit channel."""
    return _("{moderator} ended {player}'s game in {thread}").format(
        moderator=f"<@{moderator_id}>", player=f"<@{player_id}>", thread=f"<#{thread_id}>"
    )


def resumed(thread_id: str, guild_id: str | None, message_id: str | None) -> str:
    board = f": https://discord.com/channels/{guild_id}/{thread_id}/{message_id}" if message_id else ""
    return _("Your game is in {thread}").format(thread=f"<#{thread_id}>") + board


def bot_lacks(permissions: Sequence[str]) -> str:
    names = ", ".join(f"**{_(name)}**" for name in permissions)
    return _(
        "I can't open a game here: I lack {permissions} in this channel. A moderator can give me that."
    ).format(permissions=names)


def play_elsewhere(channel_ids: Iterable[str]) -> str:
    channels = ", ".join(f"<#{each}>" for each in channel_ids)
    return _("Here games are played in {channels}.").format(channels=channels)


def needs_role(role_id: str) -> str:
    return _("To start games in this server you need the role {role}.").format(role=f"<@&{role_id}>")


def server_is_full(most: int) -> str:
    return ngettext(
        "{count} game is running here, and this server allows no more. When it is over you can start yours.",
        "{count} games are running here, and this server allows no more. When one is over you can start yours.",
        most,
    ).format(count=number(most))


def not_played_here(words: Iterable[Words]) -> str:
    titles = ", ".join(f"**{_(each.title)}**" for each in words)
    return _("That game isn't played in this server. These are: {titles}.").format(titles=titles)


def images_not_offered(chosen: str, offered: Iterable[str]) -> str:
    names = ", ".join(f"`{each}`" for each in offered)
    return _("`{chosen}` isn't among the figures that are played with here. These are: {names}.").format(
        chosen=chosen[:100].replace("`", ""), names=names
    )


def too_few_figures(needed: int) -> str:
    return _(
        "I can't deal this game here: it needs {needed} different figures, and the image set has fewer."
    ).format(needed=needed)


def thread_name(words: Words, player: str, number: int, *, team: bool = False) -> str:
    name = _("{title} with {player} and team #{number}") if team else _("{title} with {player} #{number}")
    return name.format(title=_(words.title), player=storable(player)[:60], number=number)


def opened(thread_id: int) -> str:
    return _("Your game is ready: {thread}").format(thread=f"<#{thread_id}>")


def already_open(thread_id: str) -> str:
    return _(
        "You're in the middle of a game: {thread}. Go on there, or give it up to start a new one."
    ).format(thread=f"<#{thread_id}>")


TEAM = N_(
    "**Everybody in this thread may describe.** Start a line with `//` to talk among yourselves. I keep what is "
    "described; `/privacy` is yours, too."
)
ROLE_IS_GONE = N_(
    "The role that people need to start games in this server was deleted. A moderator can choose another: "
    "`/setup players:`"
)
NO_TEAM_GAMES = N_("Team games are switched off in this server. You can play on your own!")
FIRST_GAME = N_(
    "It's your first game, so: say what a figure with a ★ looks like, as you would to a friend (“the kneeling man”). "
    "If I click a wrong one, tell me so and say more (“no, the one with the longer tail”)."
)


def first_board(
    player_id: str,
    words: Words,
    max_turns: int,
    plain_messages: bool,
    first_game: bool = False,
    *,
    team: bool = False,
) -> str:
    sentence = (
        _(
            "Hi {player}! {task} {ask}, just write here, and I'll click. When I'm wrong, tell me. "
            "We have {turns} turns."
        )
        if plain_messages
        else _(
            "Hi {player}! {task} {ask}, press **Describe** (or reply to my board: I can't read other messages here), "
            "and I'll click. When I'm wrong, tell me. We have {turns} turns."
        )
    )
    said = sentence.format(player=f"<@{player_id}>", task=_(words.task), ask=_(words.ask), turns=max_turns)
    said = f"{said} {_(TEAM)}" if team else said
    return f"{said}\n{_(FIRST_GAME)}" if first_game else said


def credits(turns: Mapping[str, int]) -> str:
    """Who described how often. `turns`: Discord id -> number."""
    players = ", ".join(f"<@{player}> ({times})" for player, times in turns.items())
    return _("Described by {players}.").format(players=players)


def _clicked(change: Change | None) -> str:
    picked, dropped = (len(change.picked), len(change.dropped)) if change else (0, 0)
    if picked and dropped:
        return _("I clicked {picked} and took back {dropped}.").format(picked=picked, dropped=dropped)
    if picked:
        return ngettext("I clicked {n} figure.", "I clicked {n} figures.", picked).format(n=picked)
    if dropped:
        return ngettext("I took back {n} figure.", "I took back {n} figures.", dropped).format(n=dropped)
    return _("That's what I clicked.")


def board(
    words: Words,
    outcome: Outcome,
    turns: int,
    max_turns: int,
    unplayed: int = 0,
    change: Change | None = None,
    *,
    by_moderator: bool = False,
) -> str:
    """The line above a board. `change`: what the last turn clicked. `by_moderator`: whether a moderator ended the
    game."""
    match outcome:
        case Outcome.OPEN:
            left = max_turns - turns
            line = ngettext(
                "{clicked} What next? ({left} turn left)", "{clicked} What next? ({left} turns left)", left
            ).format(clicked=_clicked(change), left=left)
        case Outcome.WON:
            line = ngettext(
                "🎉 **{won} in {turns} turn!** Well described.",
                "🎉 **{won} in {turns} turns!** Well described.",
                turns,
            ).format(won=_(words.won), turns=turns)
        case Outcome.LOST:
            line = ngettext(
                "**Out of turns.** {missed} after {turns} turn.",
                "**Out of turns.** {missed} after {turns} turns.",
                turns,
            ).format(missed=_(words.missed), turns=turns)
        case Outcome.GIVEN_UP if by_moderator:
            line = ngettext(
                "**A moderator ended the game after {turns} turn.** {meant}",
                "**A moderator ended the game after {turns} turns.** {meant}",
                turns,
            ).format(turns=turns, meant=_(words.meant))
        case Outcome.GIVEN_UP:
            line = ngettext(
                "**Given up after {turns} turn.** {meant}", "**Given up after {turns} turns.** {meant}", turns
            ).format(turns=turns, meant=_(words.meant))
    if unplayed:
        left_out = ngettext(
            "(I left out {number} more message of yours.)",
            "(I left out {number} more messages of yours.)",
            unplayed,
        ).format(number=unplayed)
        return f"{line} {left_out}"
    return line


def quoted(utterance: str, line: str) -> str:
    """A message with what was written in a form, visible to everybody in the thread."""
    shown = utterance if len(utterance) <= 300 else utterance[:299] + "…"
    return f"> {shown}\n{line}"

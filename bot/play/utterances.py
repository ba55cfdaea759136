"""Decides whether a message is an utterance to play, and what to answer if it is not."""

import re
from dataclasses import dataclass

import discord

from bot import texts
from bot.play.intent import Intent, intent_of
from games.words import plain, spoken, storable

LONGEST = 1000
"""Longest utterance in characters."""
CHATTER = ("//", "((", "（（")
_COMMAND = re.compile(r"/[a-z]", re.IGNORECASE)


@dataclass(frozen=True)
class Utterance:
    """An utterance to play."""

    text: str
    """The text as written, without surrounding white space."""


@dataclass(frozen=True)
class Unplayable:
    """A message for the bot that it cannot play, and the answer to it."""

    answer: str


@dataclass(frozen=True)
class GiveUp:
    """A message that asks to end the game. The player has to confirm it."""


@dataclass(frozen=True)
class TypedCommand:
    """A command that was sent as a message."""

    typed: str
    """Without the slash."""


Content = Utterance | Unplayable | GiveUp | TypedCommand | None
"""What to do with a message: play it, answer it, ask whether to end the game, point to the command, or (None) ignore
it."""


def addresses(message: discord.Message, user: discord.ClientUser | None) -> bool:
    """Whether a message has the name of the bot in its text. A reply to the bot alone has not."""
    return user is not None and f"<@{user.id}>" in message.content.replace("<@!", "<@")


def read(text: str, extras: bool = False) -> Content:
    """What to do with a message.

    `extras`: the message has attachments, stickers or similar.
    """
    text = storable(text).strip()
    if text.startswith(CHATTER):
        return None
    if not text:
        return Unplayable(texts.NO_ATTACHMENTS) if extras else None
    if _COMMAND.match(text):
        return TypedCommand(text[1:])
    words = plain(text) if len(text) <= LONGEST else text
    length = len(words)
    if length > LONGEST:  # compatibility characters may be many letters: U+FDFA is 18
        return Unplayable(texts.too_long(length, LONGEST))
    if not any(map(str.isalnum, spoken(words))):
        return Unplayable(texts.NO_ATTACHMENTS if extras or "://" in text else texts.WORDS_PLEASE)
    match intent_of(text):
        case Intent.QUESTION:
            return Unplayable(texts.HOW_TO_GO_ON)
        case Intent.TURNS_LEFT:
            return Unplayable(texts.TURNS_LEFT)
        case Intent.GIVE_UP:
            return GiveUp()
        case Intent.CHAT:
            return None
        case None:
            return Utterance(text)

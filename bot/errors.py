"""The bot's exceptions, and the sentence that a person gets for each error. Details are in the log."""

import aiohttp
import discord
from discord import app_commands
from sqlalchemy.exc import SQLAlchemyError

from bot import texts
from learner.protocol import PolicyError
from store.models import Game


class StartupError(RuntimeError):
    """The bot cannot run as it is set up. The message says what is wrong and how to fix it."""


class DiscordTrouble(RuntimeError):
    """Discord has trouble that passes, and discord.py has given up: another bot is started."""


class Refusal(Exception):
    """A request that cannot be fulfilled. The message is the answer to the person; it is not a fault."""


class AlreadyPlaying(Refusal):
    """The player already has a running game here."""

    def __init__(self, game: Game) -> None:
        super().__init__(texts.already_open(game.thread_id or ""))
        self.game = game


class QuizFirst(Refusal):
    """A study's quiz has to be answered before the player's first game in it."""

    def __init__(self, text: str, view: discord.ui.View) -> None:
        """`view`: the button that opens the quiz."""
        super().__init__(text)
        self.view = view


class ThreadGone(Exception):
    """The thread of a game no longer exists."""


OUTSIDE = (discord.HTTPException, aiohttp.ClientError, OSError)
"""The exceptions that sending something to Discord may raise."""

UNKNOWN_INTERACTION = 10062
UNKNOWN_CHANNEL = 10003


TOO_MANY_THREADS = 160006
TOO_MANY_COMMANDS = 30034
"""The day's limit of new commands is reached."""


def passes(error: discord.HTTPException) -> bool:
    """Whether the same request may succeed later."""
    return error.status >= 500 or error.status == 429 or error.code == TOO_MANY_COMMANDS


def cause_of(error: BaseException) -> BaseException:
    """The original error inside discord.py's wrapper exceptions."""
    while isinstance(error, app_commands.CommandInvokeError | app_commands.TransformerError):
        inner = error.__cause__
        if inner is None:
            return error
        error = inner
    return error


def is_expected(error: BaseException) -> bool:
    """Whether the error is only an answer to a person, not a fault for operators to look at."""
    outdated = app_commands.CommandNotFound | app_commands.CommandSignatureMismatch
    return isinstance(error, Refusal | app_commands.CheckFailure | app_commands.TransformerError | outdated)


def came_too_late(error: BaseException) -> bool:
    """Whether Discord has already told the person that the bot did not answer."""
    return isinstance(error, discord.NotFound) and error.code == UNKNOWN_INTERACTION


def sentence(error: BaseException) -> str:
    """The answer to the person."""
    match cause_of(error):
        case Refusal() as refusal:
            return str(refusal)
        case app_commands.CommandOnCooldown() as cooldown:
            return texts.command_cooldown(cooldown.retry_after)
        case app_commands.NoPrivateMessage():
            return texts.ONLY_IN_SERVERS
        case app_commands.MissingPermissions():
            return texts.MODERATORS_ONLY
        case app_commands.BotMissingPermissions() as missing:
            return texts.bot_lacks([name.replace("_", " ") for name in missing.missing_permissions])
        case app_commands.CheckFailure():
            return texts.NOT_ALLOWED
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return texts.COMMAND_CHANGED
        case app_commands.TransformerError():
            return texts.NOT_HERE
        case discord.Forbidden():
            return texts.FORBIDDEN
        case discord.HTTPException(code=code) if code == TOO_MANY_THREADS:
            return texts.TOO_MANY_THREADS
        case discord.HTTPException() | aiohttp.ClientError():
            return texts.DISCORD_TROUBLE
        case PolicyError():
            return texts.POLICY_AWAY_NO_GAME
        case SQLAlchemyError():
            return texts.STORE_TROUBLE
        case _:
            return texts.SOMETHING_BROKE

"""The languages of the bot: their catalogues, the one in use, and numbers and dates as it writes them.

English is the language of the source. Every other language has a catalogue in `bot/locale/` (docs/languages.md). The
language is set where something begins: with an interaction, a message, a step of a game, a report to a server.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Protocol

import discord
from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from discord import app_commands

from games.language import ENGLISH, catalogue
from store.database import Database
from store.guilds import guild_settings

FOLDER = Path(__file__).parent / "locale"
LANGUAGES = {"en": "English", "de": "Deutsch"}
"""Code of a language -> its own name."""
NAME = "name"
"""The context of names of commands and options in the catalogues: lower case, no spaces."""


def language_of(locale: object) -> str:
    """The language for one of Discord's locales, e.g. "de"; English for those that the bot does not speak."""
    language = str(locale or "").split("-")[0]
    return language if language in LANGUAGES else "en"


@cache
def catalogue_of(language: str) -> NullTranslations:
    """The translations into one of `LANGUAGES`."""
    if language == "en":
        return ENGLISH
    with (FOLDER / language / "LC_MESSAGES" / "bot.po").open("rb") as file:
        texts = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, texts)
    compiled.seek(0)
    return GNUTranslations(compiled)


def speak(locale: object) -> None:
    """Use the language of a locale from now on in this task, and in tasks and threads that it starts."""
    catalogue.set(catalogue_of(language_of(locale)))


@contextmanager
def speaking(locale: object) -> Iterator[None]:
    """Use the language of a locale within a `with` block."""
    token = catalogue.set(catalogue_of(language_of(locale)))
    try:
        yield
    finally:
        catalogue.reset(token)


# --- servers --------------------------------------------------------------------------------------------


class _Client(Protocol):
    def get_guild(self, id: int, /) -> discord.Guild | None: ...

    def get_channel(
        self, id: int, /
    ) -> discord.abc.GuildChannel | discord.Thread | discord.abc.PrivateChannel | None: ...


async def server_locale(client: _Client, database: Database, guild_id: int) -> str:
    """The locale of what a whole server reads: what it chose with `/setup`, else Discord's setting of it."""
    async with database.async_session() as session:
        settings = await guild_settings(session, str(guild_id))
    guild = client.get_guild(guild_id)
    return settings.locale or (str(guild.preferred_locale) if guild is not None else "en")


async def channel_locale(
    client: _Client, database: Database, channel_id: int, guild_id: int | None = None
) -> str:
    """The locale of what is written to a channel for everybody. English where its server is not known."""
    if guild_id is None:
        channel = client.get_channel(channel_id)
        guild = channel.guild if isinstance(channel, discord.abc.GuildChannel | discord.Thread) else None
        guild_id = guild.id if guild is not None else None
    return await server_locale(client, database, guild_id) if guild_id is not None else "en"


# --- numbers and dates ----------------------------------------------------------------------------------


def number(value: float, digits: int = 0) -> str:
    """A number with so many digits after the point."""
    return format_decimal(value, "#,##0" + ("." + "0" * digits if digits else ""), locale=_locale())


def percent(share: float) -> str:
    """A share in whole percent."""
    return format_percent(share, locale=_locale())


def month(moment: datetime) -> str:
    """The month and the year of a moment in UTC."""
    return format_skeleton("yMMMM", moment, locale=_locale())


def date_and_time(moment: datetime) -> str:
    """A moment in UTC, to the minute."""
    day = format_date(moment, "medium", locale=_locale())
    return f"{day}, {format_time(moment, 'short', locale=_locale())}"


def _locale() -> Locale:
    return Locale.parse(catalogue.get().info().get("language", "en_GB"))


# --- commands -------------------------------------------------------------------------------------------

_NAMES = (
    app_commands.TranslationContextLocation.command_name,
    app_commands.TranslationContextLocation.group_name,
    app_commands.TranslationContextLocation.parameter_name,
)


class CommandTranslator(app_commands.Translator):
    """Gives Discord the names, descriptions and choices of commands in every language."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        language = language_of(locale)
        if language == "en":
            return None
        texts = catalogue_of(language)
        if context.location in _NAMES:
            return texts.pgettext(NAME, string.message)
        return texts.gettext(string.message)


def english_name(typed: str) -> str:
    """The English name of a command that was typed in any language; itself if no language has it."""
    return _english_names().get(typed, typed)


@cache
def _english_names() -> dict[str, str]:
    """Name of a command or an option in another language -> its English name."""
    found: dict[str, str] = {}
    for language in LANGUAGES:
        if language != "en":
            with (FOLDER / language / "LC_MESSAGES" / "bot.po").open("rb") as file:
                texts = read_po(file, locale=language)
            found |= {str(each.string): str(each.id) for each in texts if each.context == NAME}
    return found

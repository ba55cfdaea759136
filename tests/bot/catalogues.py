"""What the tests of languages share: texts of the source, translations, and the language of what people read."""

import re
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from bot.language import FOLDER, LANGUAGES, NAME
from local_discord.component_rules import walk
from local_discord.model import Message

ROOT = Path(__file__).parents[2]
LEAST_LETTERS = 12
"""A piece of a text with so many letters tells its language."""
TRANSLATED = [language for language in LANGUAGES if language != "en"]

Key = tuple[str | None, str]
"""(context, English text or the first of its forms)."""


def key_of(context: str | None, text: str | tuple[str, ...] | list[str]) -> Key:
    return context, text if isinstance(text, str) else text[0]


@cache
def of_the_source() -> dict[Key, tuple[str, ...]]:
    """Every text of the source that is for people, with its plural if it has one."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found: dict[Key, tuple[str, ...]] = {}
    for _file, _line, text, _comments, context in extract_from_dir(ROOT, methods, options):
        found[key_of(context, text)] = (text,) if isinstance(text, str) else tuple(text)
    return found


@cache
def catalogue(language: str) -> Catalog:
    with (FOLDER / language / "LC_MESSAGES" / "bot.po").open("rb") as file:
        return read_po(file, locale=language)


def translations(language: str) -> dict[Key, tuple[str, ...]]:
    return {
        key_of(message.context, message.id): (message.string,)
        if isinstance(message.string, str)
        else tuple(message.string or ())
        for message in catalogue(language)
        if message.id
    }


def _pieces(texts: tuple[str, ...]) -> set[str]:
    """The parts of texts between what is put in, names of commands, marks and examples of English."""
    parts = {
        part.strip(" .:;,()!?•*")
        for text in texts
        for part in re.split(r"\{\w*\}|`[^`]*`|“[^”]*”|„[^“]*“|\n|\*\*", text)
    }
    return {part for part in parts if sum(map(str.isalpha, part)) >= LEAST_LETTERS}


@cache
def pieces(language: str) -> frozenset[str]:
    """Pieces of texts that only this language has, of `LANGUAGES`: English or a translated one."""
    found: dict[str, set[str]] = {each: set() for each in LANGUAGES}
    for (context, _), texts in of_the_source().items():
        if context != NAME:
            found["en"] |= _pieces(texts)
    for each in TRANSLATED:
        for (context, _), texts in translations(each).items():
            if context != NAME:
                found[each] |= _pieces(texts)
    others = set[str]().union(*(found[each] for each in LANGUAGES if each != language))
    return frozenset(found[language] - others)


def read(message: Message) -> str:
    """All words that somebody reads of a message: content, labels, alternative texts."""
    labels = [component.get("label") or "" for component in walk(message.components)]
    alts = [attachment.description or "" for attachment in message.attachments]
    return "\n".join([message.content, *labels, *alts])


def languages_in(text: str) -> set[str]:
    """The languages of which a text has pieces."""
    return {language for language in LANGUAGES if any(piece in text for piece in pieces(language))}

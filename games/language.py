"""The language of what people read. Texts are written in English and looked up in the catalogue in use.

This module only marks texts and looks them up. Who shows them sets the catalogue (`bot.language`); without one they
stay English.
"""

from contextvars import ContextVar
from gettext import NullTranslations

ENGLISH = NullTranslations()
catalogue: ContextVar[NullTranslations] = ContextVar("catalogue", default=ENGLISH)
"""The catalogue of the task that runs. Tasks and threads that it starts inherit it."""


def N_(text: str) -> str:
    """Mark a text for the catalogues. It stays English here and is translated where it is shown."""
    return text


def _(text: str) -> str:
    """A text in the current language; English where it has no translation."""
    return catalogue.get().gettext(text) if text else text  # "" is the catalogue's header


def ngettext(one: str, many: str, number: int) -> str:
    """The form of a text that fits a number, in the current language."""
    return catalogue.get().ngettext(one, many, number)

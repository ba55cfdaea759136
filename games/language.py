"""The language of what people read. Texts are written in English and looked up in the catalogue in use.

This module only marks texts and looks them up. Who shows them sets the catalogue (`bot.language`); without one they
stay English.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from gettext import NullTranslations
from typing import Any

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


@dataclass(frozen=True)
class Sentence:
    """A text with its values, which can be stored and said later in any language. As a string it is English."""

    text: str
    """Marked by `N_`; has a placeholder for each value."""
    values: "Mapping[str, str | int | Sentence]" = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text.format(**{name: str(value) for name, value in self.values.items()})

    def translated(self) -> str:
        """In the current language; English where it has no translation, as for one that an older version stored."""
        said = {
            name: value.translated() if isinstance(value, Sentence) else str(value)
            for name, value in self.values.items()
        }
        return _(self.text).format(**said)

    def stored(self) -> dict[str, Any]:
        """For JSON."""
        values = {
            name: value.stored() if isinstance(value, Sentence) else value
            for name, value in self.values.items()
        }
        return {"text": self.text, "values": values}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Sentence":
        """From what `stored` gave."""
        values = {
            name: cls.of(value) if isinstance(value, Mapping) else value
            for name, value in stored["values"].items()
        }
        return cls(stored["text"], values)

"""`respect settings`: prints every setting in the form of `.env.example`."""

import textwrap
from collections.abc import Iterator

from typer import echo

from bot.settings import BotSettings
from store.environment import Setting, as_text

WIDTH = 110
ORDER = (
    "discord",
    "play",
    "store",
    "policy",
    "service",
    "feedback",
    "rounds",
    "training",
    "web",
    "page",
    "log",
)
"""The sections, those that everybody has to fill in first."""


def settings() -> None:
    """Print every setting with its default and what it does: the text of .env.example."""
    echo(env_example(), nl=False)


def env_example() -> str:
    """The text of `.env.example`."""
    head = (
        "# Every setting, with its default. Copy this file to .env, and uncomment and change what you need.",
        "# `make demo` needs none of it. `respect doctor` checks what you set and says how to correct it.",
        "# `respect settings` prints this file.",
    )
    return "\n".join([*head, *_lines()]) + "\n"


def _lines() -> Iterator[str]:
    kinds = BotSettings.sections()
    for section in sorted(kinds, key=ORDER.index):
        yield ""
        yield f"# --- {kinds[section].__doc__} ".ljust(WIDTH, "-")
        for setting in BotSettings.all():
            if setting.section == section:
                yield from textwrap.wrap(
                    setting.field.description or "",
                    WIDTH,
                    initial_indent="# ",
                    subsequent_indent="# ",
                    break_on_hyphens=False,
                )
                yield from _assignments(setting)


def _assignments(setting: Setting) -> Iterator[str]:
    """The setting with its default or, if it has none, with examples."""
    default = setting.field.default
    values = [""] if default is None else [as_text(default)]
    examples = setting.field.examples if default is None else None
    if examples:
        yield "# Unset by default. For example:"
    for value in examples or values:
        yield f"#{setting.variable}={value}"

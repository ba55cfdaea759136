"""Output of all commands: text for people on a terminal, one JSON object for scripts."""

import json
import sys
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

PIPED_WIDTH = 1_000
"""Columns of output that does not go to a terminal: scripts get whole lines, and tables are not squeezed."""

out = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True)


def print_json(value: Any) -> None:
    """Print one JSON object, and nothing else, to standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def fail(message: str, code: int = 1) -> NoReturn:
    """Print what was wrong and how to fix it, and exit with code 1."""
    err.print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True, highlight=False)
    raise typer.Exit(code)

"""Output of all commands: text for people on a terminal, one JSON object for scripts."""

import json
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

out = Console()
err = Console(stderr=True)


def print_json(value: Any) -> None:
    """Print one JSON object, and nothing else, to standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def fail(message: str, code: int = 1) -> NoReturn:
    """Print what was wrong and how to fix it, and exit with code 1."""
    err.print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True, highlight=False)
    raise typer.Exit(code)

"""What every command prints with: people's text on a terminal, one JSON object for scripts."""

import json
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

out = Console()
err = Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON object and nothing else on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what was wrong and how to fix it, and leave."""
    err.print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True, highlight=False)
    raise typer.Exit(code)

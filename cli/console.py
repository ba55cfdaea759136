"""Output of all commands: text for people on a terminal, one JSON object for scripts."""

import json
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

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


def with_stages(
    run: Callable[[Callable[[str, int, int, float], None]], dict[str, Any]],
    *also: type[Exception],
) -> dict[str, Any]:
    """What `run` returns, with its stages shown on the terminal: it calls its argument with (stage, steps done, steps
    in all, loss). ValueError, OSError and `also` end the command with their message."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err) as progress:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int, loss: float) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, description=f"{stage} (loss {loss:.2f})")

        try:
            return run(show)
        except (ValueError, OSError, *also) as error:
            fail(str(error))

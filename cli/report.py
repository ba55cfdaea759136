"""`respect report`: draws the paper's figures for the games of a deployment."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from cli.console import err, fail, out, print_json
from store.folder import FolderError
from store.settings import StoreSettings


def report(
    folder: Annotated[Path, typer.Option("--out", help="Folder to create; it must not exist yet.")],
    file: Annotated[
        Path | None,
        typer.Option(
            help="Read an exported folder, or a file of interactions (JSON lines, Parquet, CSV), instead of the "
            "database."
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            help="Compare with another deployment: a database URL, a file of interactions, an exported folder "
            "or a data folder."
        ),
    ] = None,
    study: Annotated[str | None, typer.Option(help="Name of a study, of whose arms games are drawn.")] = None,
    arms: Annotated[
        list[str] | None,
        typer.Option("--arm", help="An arm of the study. Give it twice to compare two arms."),
    ] = None,
    imported: Annotated[
        bool,
        typer.Option("--imported", help="Of the database, the games that were imported, and not its own."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw the paper's figures for finished games as PNG, SVG and CSV, and in one page, report.html.

    docs/research.md says what each measure means.
    """
    from research.report.played import Arm, ReportError, open_source  # imports pyarrow and matplotlib
    from research.report.report import PAGE, write_report

    if bool(study) != bool(arms):
        fail("--study and --arm go together: --study NAME --arm ARM, with --arm once or twice.")
    if imported and (file or study):
        fail(
            "--imported is about the games that were imported into the database: give neither --file nor --study."
        )
    first = str(file) if file else StoreSettings().store.url
    of_study = [Arm(study, arm) for arm in arms] if study and arms else [None]
    sources: list[tuple[str, Arm | None]] = [(first, arm) for arm in of_study]
    if compare:
        sources.append((compare, None))
    if len(sources) > 2:
        fail("A report shows two sources side by side: give --arm twice, or once with --compare.")
    names = [arm.name if arm else _name(source) for source, arm in sources]
    if imported:
        names[0] = "imported"
    if len(set(names)) < len(names):
        names[1] += " (2)"
    progress = Progress(TextColumn("{task.description}"), BarColumn(), console=err, transient=True)
    try:
        with progress:
            task = progress.add_task("reading games", total=None)
            games = [
                open_source(source, arm, imported=imported and index == 0)
                for index, (source, arm) in enumerate(sources)
            ]
            progress.update(task, description="drawing")
            done = write_report(
                folder,
                list(zip(names, games, strict=True)),
                lambda at, total: progress.update(task, completed=at, total=total),
            )
    except (ReportError, FolderError) as error:
        fail(str(error))
    if as_json:
        print_json(
            {
                deployment.name: [
                    {
                        "round": row.number,
                        "interactions": row.interactions,
                        **{name: estimate.value for name, estimate in row.estimates.items()},
                        "vocabulary": row.vocabulary,
                    }
                    for row in deployment.rounds
                ]
                for deployment in done
            }
        )
        return
    out.print(escape(f"The report is {folder / PAGE}; beside it are its figures and numbers."))


def _name(source: str) -> str:
    """The name of a source in figures, without a password."""
    if "://" not in source:
        return Path(source).resolve().stem
    try:
        url = make_url(source)
    except ArgumentError:
        fail("The database URL cannot be read: write it like sqlite:///data/respect.db")
    if url.get_backend_name() != "sqlite" or not url.database:
        return url.database or url.get_backend_name()
    path = Path(url.database).resolve()
    return path.parent.name if path.stem == "respect" else path.stem

"""`respect export`: games for research."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import SQLAlchemyError

from cli.console import err, fail, out, print_json
from store.database import Database
from store.export import SECRET, Format
from store.folder import FolderError, private_folder
from store.migrations import refuse_newer
from store.settings import StoreSettings


def export(
    folder: Annotated[Path, typer.Option("--out", help="Folder to create; it must not exist yet.")],
    kind: Annotated[
        Format, typer.Option("--format", help="File format; in csv, lists are written as JSON.")
    ] = Format.PARQUET,
    secret: Annotated[
        Path | None,
        typer.Option(
            help="File with the study's secret for pseudonyms, created if it does not exist. By default "
            f"{SECRET} in the data folder. Keep it: with another secret, players get other pseudonyms."
        ),
    ] = None,
    with_names: Annotated[
        bool,
        typer.Option(
            "--with-names", help="Add the table player, which resolves the pseudonyms. It is personal data."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Export finished games in the tables of the paper's data set, under pseudonyms.

    Games played on Discord are exported only if the player opted in to research. docs/research.md explains the tables.
    """
    from store.export.export import ExportError, require_games  # pyarrow is loaded only where it is used
    from store.export.export import export as run_export
    from store.export.pseudonyms import Pseudonyms, SecretError

    settings = StoreSettings().store
    secret = secret or settings.data_dir / SECRET
    if secret.resolve().is_relative_to(folder.resolve()):
        fail(f"The secret {secret} is inside {folder}: keep it outside the exported folder.")
    database = Database.of(settings)
    if database.missing:
        fail(f"{database.url.render_as_string()} could not be read: it is not there yet.")
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
    )
    try:
        refuse_newer(database)
        require_games(database)  # before a secret is made
        private_folder(secret.parent)
        with progress:
            task = progress.add_task("games", total=None)
            done = run_export(
                database,
                folder,
                Pseudonyms.from_file(secret),
                kind,
                personal=with_names,
                on_progress=lambda games, total: progress.update(task, completed=games, total=total),
            )
    except (ExportError, FolderError, SecretError) as error:
        fail(str(error))
    except SQLAlchemyError as error:
        fail(database.not_read(error))
    finally:
        database.close()
    if as_json:
        print_json({"folder": str(done.folder), "rows": done.rows, "left_out": done.left_out})
        return
    for name, rows in done.rows.items():
        out.print(f"{name}: {rows:,}")
    for reason, count in done.left_out.items():
        if count:
            out.print(f"left out, {reason}: {count:,}")
    out.print(
        escape(f"Exported to {done.folder}. The secret of the pseudonyms is {secret}: do not publish it.")
    )

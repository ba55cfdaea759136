"""`respect import`: adds recorded games to the store, for rounds to learn from."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from cli.console import fail, out, print_json
from cli.recorded import FILE_HELP, judgements, read
from store.database import Database
from store.migrations import upgrade
from store.settings import StoreSettings


def import_games(
    file: Annotated[Path, typer.Argument(help=FILE_HELP)],
    images: Annotated[str, typer.Option(help="The image set that they were played with.")] = "classic",
    data_dir: Annotated[
        Path | None, typer.Option(help="The folder of the deployment; by default RESPECT_STORE__DATA_DIR.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put finished games into the store, so that the next round learns from them.

    Either all games of the file are added, or none: if a line cannot be used, it is named and nothing is imported.
    A game that is already in the store is not added again. Of a folder, people's judgements of turns (the table
    human_eval) are added too. Imported games belong to no round: results and curves leave them out (respect report
    --imported has only them), and their number does not start a round. The propensities of their actions are
    unknown, so they are not used where propensities are needed (b-kto and t-kto, the negatives of b-rl and t-rl, the
    estimates before an adapter is promoted).

    You are responsible for the right to use them. They did not come from Discord through this deployment, so they
    are used whether or not Discord's permission is recorded, and their players cannot erase them with /privacy.
    """
    from research.recorded.importing import import_games as add  # imports numpy

    image_set, games = read(file, images)
    judged = judgements(file, image_set, games)
    settings = StoreSettings()
    if data_dir is not None:
        settings = settings.changed(store={"data_dir": data_dir, "database_url": None})
    database = Database.of(settings.store)
    try:
        upgrade(database)
        with database.session() as session:
            added = add(session, games, image_set, judged)
    except (SQLAlchemyError, OSError) as error:
        fail(
            f"Nothing was imported: {database.url.render_as_string()} cannot be written ({_why(error)}): mend that, "
            "or give another folder with --data-dir."
        )
    finally:
        database.close()
    if as_json:
        print_json(asdict(added))
        return
    out.print(f"Imported {added.games} games with {added.turns} turns of {added.players} new players.")
    if added.known:
        out.print(f"Games that were there already: {added.known}.")
    if added.without_clicks:
        out.print(f"{added.without_clicks} were left out: nothing was ever clicked in them.")
    if file.is_dir():
        out.print(
            f"Judgements of turns (table human_eval): {added.judgements} imported, "
            f"{added.known_judgements} there already."
        )
    if added.judgements_without_turn:
        out.print(
            f"Judgements left out: {added.judgements_without_turn}. Their turn is not in the folder's games, or "
            "nothing was clicked in it."
        )


def _why(error: Exception) -> str:
    return str(error.__cause__ or error)

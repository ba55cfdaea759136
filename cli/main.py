"""The program `respect`: adds the commands of each module of `cli`."""

import logging
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from cli import (
    bench,
    bot,
    db,
    db_words,
    demo,
    doctor,
    evaluate,
    export,
    feedback,
    figures,
    imports,
    llm,
    page,
    report,
    rounds,
    settings,
    simulate,
    study,
    tiny,
)
from cli.console import fail
from store.encryption import EncryptionError
from store.environment import of_settings, what_is_wrong
from store.logs import configure_logging
from store.settings import StoreSettings
from store.version import code_version


class Program(TyperGroup):
    """The commands. Invalid settings and keys end any of them with a sentence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ValidationError as error:
            if not of_settings(error):
                raise
            fail("\n".join([*what_is_wrong(error), "See .env.example for what each setting may be."]))
        except EncryptionError as error:
            fail(f"The database cannot be used: {error}.")


app = typer.Typer(
    name="respect",
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"respect {code_version()}")
        raise typer.Exit


@app.callback()
def respect(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """A Discord bot that plays tangram reference games and learns from what people say next."""
    configure_logging(level=logging.WARNING)  # to standard error: standard output is for results
    try:
        configure_logging(StoreSettings().log.json, logging.WARNING)
    except ValidationError:
        return  # `Program` reports it, or the command in its own form


db.app.command("key")(db_words.key)
db.app.command("encryption")(db_words.show_encryption)
db.app.command("encrypt")(db_words.encrypt)
db.app.command("forget-words")(db_words.forget_words)
app.command("demo")(demo.demo)
app.command("bot")(bot.bot)
app.command("doctor")(doctor.doctor)
app.command("settings")(settings.settings)
app.command("simulate")(simulate.simulate)
app.command("export")(export.export)
app.command("report")(report.report)
app.command("page")(page.page)
app.command("evaluate")(evaluate.evaluate)
app.command("import")(imports.import_games)
app.add_typer(feedback.app, name="feedback", help="Feedback decoders.")
app.add_typer(tiny.app, name="tiny", help="The embedded policy.")
app.add_typer(llm.app, name="llm", help="Policies of a language model.")
app.add_typer(rounds.app, name="round", help="Rounds of learning and the adapters they publish.")
app.add_typer(figures.app, name="figures", help="Image sets and their figures.")
app.add_typer(study.app, name="study", help="Studies: games by arms that are drawn.")
app.add_typer(bench.app, name="bench", help="Measurements, each compared with an alternative.")
app.add_typer(db.app, name="db", help="The database and its migrations.")

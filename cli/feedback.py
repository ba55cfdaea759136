"""`respect feedback`: evaluates feedback decoders."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.console import fail, out, print_json
from cli.recorded import FILE_HELP
from learner.feedback import Decoder, chosen_decoder, open_decoder
from learner.feedback.evaluate import Scores, read_interactions
from learner.feedback.evaluate import evaluate as run_evaluate
from learner.feedback.few_shot import LanguageModelError
from learner.feedback.interaction_files import BadLine

app = typer.Typer(no_args_is_help=True)


class DecoderName(StrEnum):
    """Our decoders."""

    RULES = "rules"
    PROMPTED = "prompted"


class SchemeName(StrEnum):
    """Labels a decoder gives."""

    BINARY = "binary"
    TERNARY = "ternary"


@app.callback()
def feedback() -> None:
    """Feedback decoders."""


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help=FILE_HELP)],
    decoder: Annotated[
        DecoderName, typer.Option(help="rules needs no model; prompted asks a language model.")
    ] = DecoderName.RULES,
    scheme: Annotated[
        SchemeName, typer.Option(help="binary has no neutral label: all that is not positive is negative.")
    ] = SchemeName.BINARY,
    policy: Annotated[
        str, typer.Option(help="The policy for prompted: tiny, a folder, or a model id.")
    ] = "tiny",
    model: Annotated[
        str | None,
        typer.Option(
            help="A language model for prompted instead of a policy: smollm2, a GGUF file, a folder, or an id."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score a feedback decoder on finished interactions.

    A turn is counted if it has a next utterance and at least one click. Its reference label is positive if all
    clicks were right, neutral if some were, and negative if none was. Deselecting a wrong figure is right. Positive
    recall is the share of positive references that are decoded as positive. The binary scheme counts neutral
    references as negative.
    """
    try:
        interactions = read_interactions(file)
    except BadLine as error:
        fail(f"{file}: {error}.")
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror}): give a file of interactions or an exported folder.")
    scores = run_evaluate(interactions, _decoder(decoder, scheme, policy, model))
    if as_json:
        print_json(asdict(scores))
    else:
        _print(scores, f"{file.name}: {decoder}, {scheme}")


def _decoder(name: DecoderName, scheme: SchemeName, policy: str, model: str | None) -> Decoder:
    """Torch is imported only for the decoder that asks a model."""
    if name is DecoderName.RULES:
        if model is not None:
            fail("--model is for --decoder prompted: the rules need no model.")
        return open_decoder(name, scheme)
    from learner.policy import Policy, PolicyLoadError

    try:
        return chosen_decoder(name, scheme, model, lambda: Policy.load(policy))
    except (PolicyLoadError, LanguageModelError) as error:
        fail(str(error))


def _print(scores: Scores, title: str) -> None:
    figures = Table(title=title, show_header=False)
    for name, value in asdict(scores).items():
        if name != "confusion":
            shown = "none" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
            figures.add_row(name.replace("_", " "), shown)
    out.print(figures)
    confusion = Table(title="turns", show_header=True)
    confusion.add_column("reference")
    for said in next(iter(scores.confusion.values())):
        confusion.add_column(f"decoded {said}", justify="right")
    for reference, row in scores.confusion.items():
        confusion.add_row(reference, *(str(count) for count in row.values()))
    out.print(confusion)

"""`respect tiny`: builds the embedded policy from scratch."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cli.console import out, print_json, with_stages

app = typer.Typer(no_args_is_help=True)


@app.callback()
def tiny() -> None:
    """The embedded policy."""


@app.command()
def build(
    images: Annotated[
        str, typer.Option(help="Image set: 'classic', 'classic:N' or 'kilogram:DIR'.")
    ] = "classic",
    holdout: Annotated[
        int, typer.Option(min=0, help="Number of figures to leave out, for `simulate --figures`.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="The same seed builds the same model.")] = 0,
    known: Annotated[
        float,
        typer.Option(min=0.01, max=1.0, help="Share of each figure's descriptions that it is trained on."),
    ] = 1.0,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of pretraining on figures and descriptions.")
    ] = 900,
    language: Annotated[
        Path | None,
        typer.Option(help="Folder of `respect tiny language`. Default: the language part that ships."),
    ] = None,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to save the policy in.")] = Path("data/tiny"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Pretrain the embedded policy on the figures of an image set. It takes minutes. Use it with `--policy DIR`."""
    from learner.policy.tiny.align import AlignSettings
    from learner.policy.tiny.build import BuildSettings
    from learner.policy.tiny.build import build as run  # torch is loaded only when it is needed

    settings = BuildSettings(
        images=images,
        holdout=holdout,
        seed=seed,
        known_descriptions=known,
        training=AlignSettings(steps=steps),
    )
    if language:
        settings = replace(settings, language=str(language))
    summary = with_stages(lambda show: run(settings, out_dir, show))
    if as_json:
        print_json({**summary, "out": str(out_dir)})
    else:
        out.print(
            f"It learnt {summary['figures']} figures in {summary['seconds']} s. Use it with --policy {out_dir} or"
            f" RESPECT_POLICY__MODEL={out_dir}."
        )


@app.command()
def language(
    sentence_encoder: Annotated[
        Path, typer.Option(help="Folder of a BERT-like sentence encoder, such as all-MiniLM-L6-v2.")
    ],
    seed: Annotated[int, typer.Option(help="The same seed builds the same model.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Steps of pretraining on dialogues.")] = 6000,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to save it in.")] = Path("data/language"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Pretrain the language part of the embedded policy on scripted dialogues. It takes about two hours. `respect tiny
    build --language DIR` then makes policies that know figures."""
    from learner.policy.tiny.build import LanguageBuild, build_language
    from learner.policy.tiny.pretrain import LanguageSettings

    settings = LanguageBuild(seed=seed, training=LanguageSettings(steps=steps))
    summary = with_stages(lambda show: build_language(settings, sentence_encoder, out_dir, show))
    if as_json:
        print_json({**summary, "out": str(out_dir)})
    else:
        out.print(f"{summary['parameters']:,} parameters in {out_dir}, in {summary['seconds']} s.")

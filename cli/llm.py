"""`respect llm`: builds a policy of a language model."""

from pathlib import Path
from typing import Annotated

import typer

from cli.console import out, print_json, with_stages

app = typer.Typer(no_args_is_help=True)


@app.callback()
def llm() -> None:
    """Policies of a language model."""


@app.command()
def build(
    language_model: Annotated[
        str,
        typer.Option(
            help="'smollm2' (the packages are in docs/models.md), a GGUF file, a folder saved with save_pretrained, or "
            "the id of a causal language model."
        ),
    ] = "smollm2",
    start: Annotated[
        Path | None,
        typer.Option(
            help="Folder of an earlier build: its figures and words are kept, and it learns more dialogues."
        ),
    ] = None,
    images: Annotated[
        str, typer.Option(help="Image set: 'classic', 'classic:N' or 'kilogram:DIR'.")
    ] = "classic",
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of learning figures and their words, and half as many again.")
    ] = 600,
    naming: Annotated[
        int, typer.Option(min=0, help="Dialogues in which one figure after another is named, learnt first.")
    ] = 600,
    dialogues: Annotated[
        int, typer.Option(min=0, help="Scripted dialogues with corrections, learnt then.")
    ] = 400,
    seed: Annotated[int, typer.Option(help="The same seed builds the same model.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    out_dir: Annotated[Path, typer.Option("--out", help="New folder to save the policy in.")] = Path(
        "data/llm"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Build a policy of a language model, an encoder of figures and a connector. It takes long. Use it with
    `--policy DIR`; docs/models.md says what it costs."""
    import torch
    from transformers.utils import logging as transformers_logging

    from learner.llm.align import AlignSettings
    from learner.llm.build import BuildSettings
    from learner.llm.build import build as run  # torch is loaded only when it is needed
    from learner.policy import PolicyLoadError
    from store.folder import FolderError

    torch.set_num_threads(threads)
    transformers_logging.disable_progress_bar()  # there is one for each stage
    settings = BuildSettings(
        language_model=language_model,
        start=str(start or ""),
        images=images,
        seed=seed,
        naming=naming,
        dialogues=dialogues,
        aligning=AlignSettings(steps=steps, snap_steps=(steps + 1) // 2),
    )
    summary = with_stages(lambda show: run(settings, out_dir, show), FolderError, PolicyLoadError)
    if as_json:
        print_json({**summary, "out": str(out_dir)})
    else:
        out.print(
            f"It learnt {summary['figures']} figures and {summary['turns']} turns in {summary['seconds']} s. Use it"
            f" with --policy {out_dir} or RESPECT_POLICY__MODEL={out_dir}."
        )

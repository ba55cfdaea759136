"""`respect tiny`: builds the embedded policy from scratch."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cli.console import err, fail, out, print_json

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
    steps: Annotated[int, typer.Option(min=1, help="Steps of pretraining on dialogues.")] = 1200,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to save the policy in.")] = Path("data/tiny"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Build and pretrain the embedded policy. It takes minutes on two cores. Use it with `--policy DIR`."""
    from learner.policy.tiny.build import BuildSettings
    from learner.policy.tiny.build import build as run  # torch is loaded only when it is needed
    from learner.policy.tiny.pretrain import PretrainSettings

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err) as progress:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int, loss: float) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, description=f"{stage} (loss {loss:.2f})")

        try:
            settings = BuildSettings(
                images=images,
                holdout=holdout,
                seed=seed,
                known_descriptions=known,
                pretraining=PretrainSettings(language_steps=steps),
            )
            summary = run(settings, out_dir, show)
        except (ValueError, OSError) as error:
            fail(str(error))
    if as_json:
        print_json({**summary, "out": str(out_dir)})
    else:
        out.print(
            f"{summary['parameters']:,} parameters learnt {summary['figures']} figures in "
            f"{summary['seconds']} s. Use it with --policy {out_dir} or RESPECT_POLICY__MODEL={out_dir}."
        )

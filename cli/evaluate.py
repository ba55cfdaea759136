"""`respect evaluate`: replays recorded games and compares a policy's answers with the recorded ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from cli.console import err, fail, out, print_json
from cli.recorded import FILE_HELP, read
from learner.protocol import BASE_ADAPTER
from learner.registry import AdapterError, AdapterRegistry
from learner.settings import LearnerSettings

if TYPE_CHECKING:
    from learner.policy import Policy
    from research.recorded import ReplayScores


def evaluate(
    file: Annotated[Path, typer.Argument(help=FILE_HELP)],
    policy: Annotated[str, typer.Option(help="Base model: tiny, novice, a folder, or a model id.")] = "tiny",
    images: Annotated[str, typer.Option(help="The image set that they were played with.")] = "classic",
    adapter: Annotated[
        str, typer.Option(help="The policy's adapter: a name from `respect round history`, or a folder.")
    ] = BASE_ADAPTER,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Replay finished interactions and compare a policy's answers with the recorded ones.

    In every turn the policy gets the board (`context`, in the listener's order), the recorded words and clicks of
    earlier turns, and the words of this turn, cleaned as the bot cleans messages. It answers with its most likely
    action. The replay then continues with the recorded action. A turn without a recorded click is not replayed; its
    words are put before those of the next turn.

    exact: of the turns whose recorded clicks were all right, the share that the policy answers with the same action.
    clicks: share of right clicks. all_right: share of turns in which every click is right. their_...: the same for
    the recorded listener. Intervals are 95% bootstrap intervals over games.
    """
    image_set, games = read(file, images)
    loaded, name = _policy(policy, adapter)
    from research.recorded.replay import replay, score_replay  # torch is loaded only when a model is

    with _bar() as on_progress:
        answers = replay(loaded, games, image_set, name, on_progress)
    scores = score_replay(games, answers)
    if as_json:
        print_json(asdict(scores))
    else:
        out.print(_table(scores, f"{file.name}: {policy}, {adapter}"))


def _policy(spec: str, adapter: str) -> "tuple[Policy, str]":
    """The policy, and the name under which the adapter is loaded."""
    from learner.policy import Policy
    from learner.policy.loading import PolicyLoadError

    folder = None if adapter == BASE_ADAPTER else _adapter_folder(adapter)
    try:
        policy = Policy.load(spec)
        if folder is None:
            return policy, BASE_ADAPTER
        policy.load_adapter("evaluated", folder)
    except (PolicyLoadError, AdapterError) as error:
        fail(str(error))
    return policy, "evaluated"


def _adapter_folder(adapter: str) -> Path:
    folder = Path(adapter)
    if folder.is_dir():
        return folder
    registry = AdapterRegistry.of(LearnerSettings())
    if adapter in registry.names() or registry.has_url:
        try:
            folder = registry.fetch(adapter)
        except AdapterError as error:
            fail(escape(str(error)))
        if folder.is_dir():
            return folder
    fail(
        escape(
            f"There is no adapter {adapter!r} in {registry.folder} and no such folder: "
            "`respect round history` lists the adapters."
        )
    )


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("turns"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _table(scores: "ReplayScores", title: str) -> Table:
    """A table of the shares with their intervals, and those of the recorded listener."""
    table = Table(
        "",
        *(Column(heading, justify="right") for heading in ("policy", "95%", "logged", "95%")),
        title=escape(title),
        caption=f"{scores.turns} turns of {scores.games} games; exact: of turns recorded all right",
        box=SIMPLE,
    )
    table.add_row("exact", *_shown(scores.exact, scores.exact_ci95), "", "")
    for name, ours, theirs in (
        (
            "clicks right",
            _shown(scores.clicks, scores.clicks_ci95),
            _shown(scores.their_clicks, scores.their_clicks_ci95),
        ),
        (
            "turns all right",
            _shown(scores.all_right, scores.all_right_ci95),
            _shown(scores.their_all_right, scores.their_all_right_ci95),
        ),
    ):
        table.add_row(name, *ours, *theirs)
    return table


def _shown(share: float | None, interval: tuple[float, float] | None) -> tuple[str, str]:
    if share is None or interval is None:
        return "none", ""
    return f"{share:.3f}", f"{interval[0]:.2f} to {interval[1]:.2f}"

"""Reads what people judged of recorded turns: the table `human_eval` of an exported folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, field_validator

from games.core import change_of
from games.figures import ImageSet
from learner.feedback.evaluate import read_table
from learner.feedback.interaction_files import BadLine, table_file
from research.recorded.reading import RecordedGame, known_figure
from store.models import Correctness, Satisfaction

TABLE = "human_eval"
PUBLISHED = {"yes": Correctness.CORRECT, "no": Correctness.INCORRECT}
"""What the paper's published table has in `correctness`, where it is not written as here."""


class ExportedJudgement(BaseModel):
    """A row of the table `human_eval`."""

    game_id: str
    turn_id: int
    correctness: Correctness
    feedback: Satisfaction | None = None
    delta_clicks: list[str]
    selected: list[str]
    deselected: list[str]

    @field_validator("correctness", mode="before")
    @classmethod
    def _as_written_here(cls, value: object) -> object:
        return PUBLISHED.get(value, value) if isinstance(value, str) else value


@dataclass(frozen=True)
class RecordedJudgement:
    """A person's judgement of a recorded turn."""

    key: str
    """`RecordedGame.key` of its game."""
    number: int
    """Place of its turn among `RecordedGame.steps`, from 1."""
    correctness: Correctness
    feedback: Satisfaction | None
    right_clicks: tuple[str, ...]
    """Figure ids, in the board's order."""


@dataclass(frozen=True)
class RecordedJudgements:
    """The judgements of a folder."""

    found: Sequence[RecordedJudgement] = ()
    without_turn: int = 0
    """Number of other judgements: their turn is not in the folder, or nothing was clicked in it."""


def read_judgements(path: Path, games: Sequence[RecordedGame], images: ImageSet) -> RecordedJudgements:
    """The judgements of an exported folder, whose games these are; none if `path` is a file.

    Raises BadLine for a row that cannot be used, or that is about other clicks than those of its turn.
    """
    if not path.is_dir() or table_file(path, TABLE) is None:
        return RecordedJudgements()
    by_id: dict[str, dict[str, RecordedGame]] = {}
    for game in games:
        by_id.setdefault(game.game_id, {})[game.key] = game
    found: list[RecordedJudgement] = []
    without_turn = 0
    for line, row in read_table(path, ExportedJudgement, TABLE):
        game = _game(by_id, line, row)
        if game is None or row.turn_id not in game.numbers:
            without_turn += 1
        else:
            found.append(_judgement(game, line, row, images))
    return RecordedJudgements(found, without_turn)


def _game(
    by_id: Mapping[str, Mapping[str, RecordedGame]], line: int, row: ExportedJudgement
) -> RecordedGame | None:
    games = by_id.get(row.game_id, {})
    if len(games) > 1:
        raise BadLine(
            f"Line {line}: {len(games)} different games have the id {row.game_id!r}, so that nobody knows which is "
            "judged: give each an id of its own"
        )
    return next(iter(games.values()), None)


def _judgement(game: RecordedGame, line: int, row: ExportedJudgement, images: ImageSet) -> RecordedJudgement:
    at = game.numbers.index(row.turn_id)
    step, board = game.steps[at], game.deal.listener
    change = change_of(game.rules, board, step.state, step.action)
    selected, deselected, right = (
        {known_figure(figure, line, images) for figure in figures}
        for figures in (row.selected, row.deselected, row.delta_clicks)
    )
    if (selected, deselected) != (change.after - change.before, change.before - change.after):
        raise BadLine(
            f"Line {line}: `selected` and `deselected` are not what was clicked in turn {row.turn_id} of the game "
            f"{row.game_id}, counted from 0: correct them, or `turn_id`"
        )
    if strange := sorted(right - set(board)):
        raise BadLine(f"Line {line}: `delta_clicks` names {strange[0]!r}, which is not on the game's board")
    return RecordedJudgement(
        key=game.key,
        number=at + 1,
        correctness=row.correctness,
        feedback=row.feedback,
        right_clicks=tuple(figure for figure in board if figure in right),
    )

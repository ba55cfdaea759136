"""Scores a decoder on finished interactions with known targets. No other module compares feedback with targets.

Reference label of a turn that has a next utterance and at least one click: +1 if all its clicks are right, 0 if
some are, -1 if none is. Selecting a target and deselecting a non-target are right clicks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from games import DEFAULT_GAME, GAMES
from games.core import Change, Step
from learner.feedback.interaction_files import BadLine, rows
from learner.feedback.verdict import LABEL_NAMES, Decoder, Exchange, Label, Scheme, exchange_of


class RecordedInteraction(BaseModel):
    """One finished game as a line of JSON, or a row of a table. Other keys are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    game: str = DEFAULT_GAME
    """If it is missing, as in the published tables, the game that has such boards and so few targets."""
    context: list[str]
    targets: list[str]
    clicks: list[list[str]]
    """`clicks[i]` is the selection after turn i."""
    chat: list[str]
    """`chat[i]` is the utterance of turn i; there may be one more, said after the last action."""

    @model_validator(mode="before")
    @classmethod
    def _game_of_its_shape(cls, columns: Any) -> Any:
        match columns:
            case {"game": _}:
                return columns
            case {"context": list(context), "targets": list(targets)}:
                fitting = {
                    game.max_targets: name
                    for name, game in GAMES.items()
                    if len(context) in game.board_sizes and len(targets) <= game.max_targets
                }
                return columns | {"game": fitting[min(fitting)]} if fitting else columns
        return columns

    @model_validator(mode="after")
    def _fits_together(self) -> "RecordedInteraction":
        if self.game not in GAMES:
            raise ValueError(f"`game` is {self.game!r}: expected {' or '.join(GAMES)}")
        board, sizes = set(self.context), GAMES[self.game].board_sizes
        if len(board) not in sizes or len(self.context) != len(board):
            expected = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
            raise ValueError(f"`context` must name {expected} different figures")
        for name, ids in (("targets", self.targets), *(("clicks", each) for each in self.clicks)):
            if unknown := sorted(set(ids) - board):
                raise ValueError(f"`{name}` names {unknown[0]!r}, which is not in `context`")
        if len(self.chat) not in (len(self.clicks), len(self.clicks) + 1):
            raise ValueError(
                f"{len(self.chat)} utterances in `chat` for {len(self.clicks)} turns in `clicks`: "
                "give as many, or one more"
            )
        return self


Line = TypeVar("Line", bound=BaseModel)


def read_interactions(path: Path) -> list[RecordedInteraction]:
    """The interactions of a file or of an exported folder, as `learner.feedback.interaction_files` reads them.

    Raises BadLine for a line or a file that cannot be used, OSError for one that cannot be read.
    """
    return [interaction for _, interaction in read_lines(path, RecordedInteraction)]


def read_lines(path: Path, kind: type[Line]) -> Iterator[tuple[int, Line]]:
    """(line number from 1, interaction) of a file or an exported folder, of which there is one at least.

    `kind` is `RecordedInteraction` or a subclass with more keys. Raises as `read_interactions`.
    """
    number = 0
    for number, interaction in read_table(path, kind):
        yield number, interaction
    if not number:
        raise BadLine("The file holds no interaction: give one JSON object a line")


def read_table(path: Path, kind: type[Line], table: str = "interaction") -> Iterator[tuple[int, Line]]:
    """(line number from 1, row) of a file, or of a table of an exported folder. Raises as `read_interactions`."""
    for number, columns in rows(path, table):
        try:
            yield number, kind.model_validate(columns)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            what = first["msg"].removeprefix("Value error, ")
            raise BadLine(f"Line {number}: {f'`{where}`: ' if where else ''}{what}") from None


def labelled_exchanges(interaction: RecordedInteraction) -> Iterator[tuple[Label, Exchange]]:
    """(reference label, exchange) of every turn that has a next utterance and at least one click."""
    game, context, chat = GAMES[interaction.game], interaction.context, interaction.chat
    state, steps = game.initial_state(context), list[Step]()
    for turn, selection in enumerate(interaction.clicks):
        action = game.action_to(context, state, frozenset(selection))
        steps.append(Step(state, chat[turn], action or ""))
        if action:
            state = game.apply(state, action)
            if turn + 1 < len(chat):
                exchange = exchange_of(game, context, steps, chat[turn + 1])
                yield _reference(exchange.change, interaction.targets), exchange


def _reference(change: Change, targets: Sequence[str]) -> Label:
    wrong = change.wrong(targets)
    return 1 if not wrong else -1 if wrong == change.clicked else 0


@dataclass(frozen=True)
class Scores:
    """Scores of a decoder. A share is None if its denominator is 0."""

    turns: int
    positive_precision: float | None
    """Of the turns decoded +1, the share with reference +1."""
    positive_recall: float | None
    """Of the turns with reference +1, the share decoded +1."""
    negative_precision: float | None
    """Of the turns decoded -1, the share whose reference is negative: 0 or -1 in the binary scheme, which has no
    neutral label, and -1 in the ternary scheme."""
    negative_recall: float | None
    """Of the turns whose reference is negative in that sense, the share decoded -1."""
    accuracy: float | None
    """Share of turns decoded as the reference, where 0 counts as -1 in the binary scheme."""
    confusion: dict[str, dict[str, int]]
    """Reference label's name -> decoded label's name -> number of turns. References have three values in both
    schemes."""


def score(pairs: Iterable[tuple[Label, Label]], scheme: Scheme) -> Scores:
    """Scores of (reference label, decoded label) pairs."""
    counts = Counter(pairs)
    wanted: dict[Label, Label] = {1: 1, 0: -1 if scheme == "binary" else 0, -1: -1}

    def total(reference: Label | None = None, decoded: Label | None = None) -> int:
        return sum(
            count
            for (is_, said), count in counts.items()
            if reference in (None, wanted[is_]) and decoded in (None, said)
        )

    return Scores(
        turns=total(),
        positive_precision=_share(total(1, 1), total(decoded=1)),
        positive_recall=_share(total(1, 1), total(1)),
        negative_precision=_share(total(-1, -1), total(decoded=-1)),
        negative_recall=_share(total(-1, -1), total(-1)),
        accuracy=_share(sum(total(label, label) for label in LABEL_NAMES), total()),
        confusion={
            name: {
                said: counts[reference, decoded]
                for decoded, said in LABEL_NAMES.items()
                if scheme == "ternary" or decoded
            }
            for reference, name in LABEL_NAMES.items()
        },
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def evaluate(interactions: Sequence[RecordedInteraction], decoder: Decoder) -> Scores:
    """Scores of a decoder over all turns that have a reference label."""
    labelled = [pair for interaction in interactions for pair in labelled_exchanges(interaction)]
    verdicts = decoder.decode([exchange for _, exchange in labelled])
    return score(
        ((reference, verdict.label) for (reference, _), verdict in zip(labelled, verdicts, strict=True)),
        decoder.scheme,
    )

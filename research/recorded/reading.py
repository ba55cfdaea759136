"""Reads games and their turns from the lines of a file (`learner.feedback.evaluate.RecordedInteraction`)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from games import GAMES
from games.core import Deal, Game, Step
from games.figures import ImageSet
from games.words import plain
from learner.feedback.evaluate import RecordedInteraction, read_lines
from learner.feedback.interaction_files import BadLine

PICTURES = {".png", ".svg", ".jpg", ".jpeg"}
"""Extensions that figure ids in a file may have: KiloGram's ids are file names."""


class RecordedLine(RecordedInteraction):
    """One finished game as a line of JSON, with its player and round. Each of these fields may be missing."""

    game_id: str = ""
    speaker: str = ""
    round: int | None = None


@dataclass(frozen=True)
class RecordedGame:
    """A finished game."""

    key: str
    """Hash of the whole line's content: the same line is the same game in every file."""
    game_id: str
    """Its id in the file; "" if the file has none."""
    game: str
    """Name of the game."""
    speaker: str
    """The speaker's pseudonym; "" if the file has none."""
    round: int | None
    """The round of the deployment that played it; None if the file has none."""
    deal: Deal
    """Figure ids. The file has one order, which is used for both speaker and listener."""
    steps: tuple[Step, ...]
    """The turns with a click. The utterance of a turn without a click is prepended to that of the next turn."""
    numbers: tuple[int, ...]
    """The number of each of these turns in the file, from 0."""

    @property
    def rules(self) -> Game:
        """The game that it is one of."""
        return GAMES[self.game]


def read_games(path: Path, images: ImageSet) -> list[RecordedGame]:
    """The games of a file or an exported folder, in order.

    `context[0]` is the listener's first figure, as in `respect feedback evaluate`. Utterances are normalised by
    `games.words.plain`, as in the bot. A figure id may be a file name ("page1-2.png" for "page1-2").
    Raises BadLine for an invalid line or file and for figures that are not in `images`, OSError for a file that
    cannot be read.
    """
    return [_game(line, number, images) for number, line in read_lines(path, RecordedLine)]


def _game(line: RecordedLine, number: int, images: ImageSet) -> RecordedGame:
    names = {figure: known_figure(figure, number, images) for figure in line.context}
    context = tuple(names.values())
    if len(set(context)) < len(context):
        raise BadLine(f"Line {number}: `context` names a figure twice, with and without its ending")
    steps = _steps(line, context, names)
    return RecordedGame(
        key=_key(line),
        game_id=line.game_id,
        game=line.game,
        speaker=line.speaker,
        round=line.round,
        deal=Deal(context, context, frozenset(names[figure] for figure in line.targets)),
        steps=tuple(steps.values()),
        numbers=tuple(steps),
    )


def known_figure(figure: str, number: int, images: ImageSet) -> str:
    """A figure's id in the image set. Raises BadLine, naming the line."""
    path = PurePath(figure)
    for name in (figure, path.stem if path.suffix.lower() in PICTURES else figure):
        if name in images:
            return name
    raise BadLine(
        f"Line {number}: the image set {images.spec} has no figure {figure!r}: give the set that was played with, "
        "as in --images kilogram:DIR"
    )


def _steps(line: RecordedLine, context: Sequence[str], names: dict[str, str]) -> dict[int, Step]:
    """Number of the turn in the line, from 0 -> the turn, for turns with a click."""
    rules, steps = GAMES[line.game], dict[int, Step]()
    state, unanswered = rules.initial_state(context), ""
    # One utterance may follow the last turn.
    for number, (said, selection) in enumerate(zip(line.chat, line.clicks, strict=False)):
        words = _joined(unanswered, plain(said))
        action = rules.action_to(context, state, frozenset(names[figure] for figure in selection))
        if action is None:
            unanswered = words
            continue
        steps[number] = Step(state, words, action)
        state, unanswered = rules.apply(state, action), ""
    return steps


def _joined(before: str, words: str) -> str:
    if not before or not words:
        return before or words
    return f"{before}. {words}" if before[-1].isalnum() else f"{before} {words}"


def _key(line: RecordedLine) -> str:
    content = line.model_dump(include={"game", "game_id", "speaker", "context", "targets", "clicks", "chat"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]

"""Reads finished games for a report from a database, a file of interactions or an exported folder.

It reads the targets, because reports are evaluation. Utterances are used for counts only.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
from pydantic import BaseModel, BeforeValidator
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from games import GAMES
from games.core import Outcome
from learner.feedback import Decoder, Label, open_decoder
from learner.feedback.evaluate import Line, RecordedInteraction, labelled_exchanges, read_lines, read_table
from learner.feedback.interaction_files import BadLine, table_file
from research.recorded.judgements import ExportedJudgement
from store.database import Database
from store.export.export import newest_decoders
from store.export.rows import reference
from store.migrations import refuse_newer
from store.models import Correctness, Feedback, Game, HumanEval, Origin, Satisfaction, Turn
from store.settings import StoreSettings, database_url
from store.study_tables import Assignment

VERDICTS = "feedback_decoder_binary"


class ReportError(RuntimeError):
    """A report cannot be made; the message says why and how to fix it."""


@dataclass(frozen=True)
class Arm:
    """An arm of a study, of whose games a report is made."""

    study: str
    name: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A person's judgement of a turn, whose clicks are compared with those that the person thinks right."""

    correctness: Correctness
    satisfied: bool | None
    """Whether the next words show satisfaction; None after the last turn."""
    exact: bool
    """Whether the clicks are exactly the right ones."""
    similarity: float
    """Clicks that are in both, as a share of those that are in either (Jaccard); 1 if neither has any."""


@dataclass(frozen=True, slots=True)
class PlayedTurn:
    """One turn: its utterance, and how many of its clicks were right."""

    utterance: str
    right: int
    """Number of clicks that select a target or deselect a non-target."""
    clicks: int
    reference: int | None
    """+1 all clicks right, 0 some, -1 none; None without clicks."""
    decoded: int | None
    """The feedback decoder's label; None if there is no next utterance or it was not decoded."""
    judged: tuple[Judged, ...] = ()
    """One for each person who judged it."""


@dataclass(frozen=True, slots=True)
class PlayedGame:
    """One finished game."""

    round: int
    player: str
    won: bool
    turns: tuple[PlayedTurn, ...]


class PublishedInteraction(RecordedInteraction):
    """A line of a file of interactions, with additional fields for a report."""

    game_id: str = ""
    round: int = 0
    speaker: str = ""
    end: str | None = None
    """"successful" or "unsuccessful"; if missing, the last selection is compared with the targets."""


class ExportedVerdict(BaseModel):
    """A row of the table `feedback_decoder_binary`."""

    game_turn_id: str
    predictions: Annotated[
        Label, BeforeValidator(lambda value: int(value) if isinstance(value, str) else value)
    ]


class ExportedAssignment(BaseModel):
    """A row of the table `assignment`."""

    game_id: str
    study: str
    arm: str


def open_source(source: str, arm: Arm | None = None, *, imported: bool = False) -> list[PlayedGame]:
    """Games of a database URL, a file of interactions, an exported folder or a data folder: all, or those of an arm.

    `imported`: of a database URL, as `from_database`. Raises `ReportError`.
    """
    if "://" in source:
        return from_database(source, arm, imported=imported)
    path = Path(source)
    if path.is_file() or table_file(path, "interaction"):
        return from_file(path, arm)
    if (path / "respect.db").is_file():
        return from_database(f"sqlite:///{path / 'respect.db'}", arm)
    raise ReportError(
        f"{source} is no source of games: give a database URL, a file of interactions, an exported folder or a data "
        "folder with respect.db"
    )


def from_database(url: str, arm: Arm | None = None, *, imported: bool = False) -> list[PlayedGame]:
    """The finished games of a database, or of one arm, with the verdicts of the binary decoder that was used last.

    Imported games (round -1) are left out, because no policy of this deployment played them. With `imported` there are
    only these, by the rounds of their files (0, if a file has none).
    """
    try:
        config = replace(StoreSettings().store, database_url=database_url(url))
    except ValueError as error:
        raise ReportError(f"{url.partition('://')[0]}://…: {error}") from error
    database = Database.of(config, read_only=True)
    if database.missing:
        raise ReportError(f"{database.url.render_as_string()} could not be read: it is not there yet")
    shown = database.url.render_as_string()
    wanted: list[sa.ColumnElement[bool]] = [
        col(Game.outcome) != Outcome.OPEN,
        col(Game.origin) == Origin.IMPORTED if imported else col(Game.round) >= 0,
    ]
    try:
        refuse_newer(database)
        with database.session() as session:
            if arm:
                _check(arm, session.exec(select(Assignment.study, Assignment.arm).distinct()).all(), shown)
                of_arm = (Assignment.study == arm.study, Assignment.arm == arm.name)
                wanted.append(col(Game.id).in_(select(Assignment.game_id).where(*of_arm)))
            games = session.exec(
                select(Game).where(*wanted).order_by(col(Game.started_at), col(Game.id))
            ).all()
            judgements: dict[int, list[HumanEval]] = defaultdict(list)
            for row in session.exec(select(HumanEval).order_by(col(HumanEval.id))):
                judgements[row.turn_id].append(row)
            decoded: dict[int, int] = {}
            if found := newest_decoders(session.connection()).get("binary"):
                query = select(Feedback.turn_id, Feedback.label).where(
                    Feedback.scheme == "binary", Feedback.decoder == found[0], Feedback.version == found[1]
                )
                decoded = dict(session.exec(query).all())
            turns: dict[str, list[PlayedTurn]] = {game.id: [] for game in games}
            by_id = {game.id: game for game in games}
            for turn in session.exec(
                select(Turn)
                .join(Game)
                .where(*wanted)
                .order_by(col(Turn.game_id), col(Turn.number))
                .execution_options(yield_per=2000)
            ):
                if game := by_id.get(turn.game_id):
                    rules = GAMES[game.game]
                    before, after = (
                        rules.selected(game.listener, state)
                        for state in (turn.state_before, turn.state_after)
                    )
                    assert turn.id is not None
                    judged = [
                        _judged(row.correctness, row.feedback, set(before) ^ set(after), row.right_clicks)
                        for row in judgements.get(turn.id, ())
                    ]
                    turns[game.id].append(
                        _turn(turn.utterance, before, after, game.targets, decoded.get(turn.id), judged)
                    )
    except (SQLAlchemyError, OSError) as error:
        raise ReportError(database.not_read(error)) from error
    finally:
        database.close()
    return _some(
        [
            PlayedGame(
                (game.recorded_round or 0) if imported else game.round,
                str(game.player_id),
                game.outcome == Outcome.WON,
                tuple(turns[game.id]),
            )
            for game in games
        ],
        shown,
        arm,
        imported,
    )


def from_file(path: Path, arm: Arm | None = None) -> list[PlayedGame]:
    """The interactions of a file or an exported folder, or of one arm. Verdicts are those of the folder's binary
    decoder; where it has none, of the rules decoder."""
    of_arm: set[str] | None = None
    if arm:
        if not path.is_dir():
            raise ReportError(f"{path} does not say which arm a game is in: give an exported folder")
        assigned = list(_rows(path, ExportedAssignment, "assignment"))
        _check(arm, {(row.study, row.arm) for row in assigned}, str(path))
        of_arm = {row.game_id for row in assigned if (row.study, row.arm) == (arm.study, arm.name)}
    judgements: dict[tuple[str, int], list[Judged]] = defaultdict(list)
    for row in _rows(path, ExportedJudgement, "human_eval") if table_file(path, "human_eval") else ():
        judgements[row.game_id, row.turn_id].append(
            _judged(row.correctness, row.feedback, {*row.selected, *row.deselected}, row.delta_clicks)
        )
    decoded: dict[str, Label] | None = None
    if table_file(path, VERDICTS):
        decoded = {row.game_turn_id: row.predictions for row in _rows(path, ExportedVerdict, VERDICTS)}
    decoder = open_decoder("rules", "binary")
    games = [
        _recorded_game(interaction, decoder if decoded is None else decoded, judgements)
        for interaction in _rows(path, PublishedInteraction)
        if of_arm is None or interaction.game_id in of_arm
    ]
    return _some(games, str(path), arm)


def _rows(path: Path, kind: type[Line], table: str | None = None) -> Iterator[Line]:
    """Rows of a table of an exported folder, or the interactions of a file or folder."""
    try:
        lines = read_table(path, kind, table) if table else read_lines(path, kind)
        yield from (line for _, line in lines)
    except BadLine as error:
        raise ReportError(f"{path / 'data' / table if table else path}: {error}") from error
    except OSError as error:
        raise ReportError(f"{path} cannot be read ({error.strerror})") from error


def _recorded_game(
    interaction: PublishedInteraction,
    decoded: Decoder | Mapping[str, Label],
    judgements: Mapping[tuple[str, int], Sequence[Judged]],
) -> PlayedGame:
    labels: list[Label | None]
    if isinstance(decoded, Mapping):
        labels = [decoded.get(f"{interaction.game_id}_{number}") for number in range(len(interaction.clicks))]
    else:
        labels = _decoded(interaction, decoded)
    turns: list[PlayedTurn] = []
    before: list[str] = []
    for number, (after, verdict) in enumerate(zip(interaction.clicks, labels, strict=True)):
        judged = judgements.get((interaction.game_id, number), ())
        turns.append(_turn(interaction.chat[number], before, after, interaction.targets, verdict, judged))
        before = after
    won = interaction.end == "successful" if interaction.end else set(before) == set(interaction.targets)
    return PlayedGame(interaction.round, interaction.speaker, won, tuple(turns))


def _decoded(interaction: PublishedInteraction, decoder: Decoder) -> list[Label | None]:
    """The decoder's label of each turn: of those with a click that have a next utterance."""
    exchanges = [exchange for _, exchange in labelled_exchanges(interaction)]
    found: list[Label] = [verdict.label for verdict in decoder.decode(exchanges)]
    labels: list[Label | None] = []
    before: list[str] = []
    for number, after in enumerate(interaction.clicks):
        has_verdict = set(before) != set(after) and number + 1 < len(interaction.chat)
        labels.append(found.pop(0) if has_verdict else None)
        before = after
    return labels


def _turn(
    utterance: str,
    before: Iterable[str],
    after: Iterable[str],
    targets: Iterable[str],
    verdict: int | None,
    judged: Iterable[Judged],
) -> PlayedTurn:
    was, is_, wanted = set(before), set(after), set(targets)
    right = len((is_ - was) & wanted) + len((was - is_) - wanted)
    return PlayedTurn(utterance, right, len(was ^ is_), reference(was, is_, wanted), verdict, tuple(judged))


def _judged(
    correctness: Correctness, feedback: Satisfaction | None, clicked: set[str], right_clicks: Iterable[str]
) -> Judged:
    right = set(right_clicks)
    either = clicked | right
    similarity = len(clicked & right) / len(either) if either else 1.0
    satisfied = None if feedback is None else feedback != Satisfaction.NO
    return Judged(correctness, satisfied, clicked == right, similarity)


def _check(arm: Arm, found: Collection[tuple[str, str]], source: str) -> None:
    """Raises `ReportError` unless the arm is among the (study, arm) of a source's games."""
    arms = sorted(name for study, name in found if study == arm.study)
    if arm.name in arms:
        return
    if arms:
        raise ReportError(
            f"The arms of the study {arm.study} in {source} are {', '.join(arms)}: name them with --arm"
        )
    studies = sorted({study for study, _ in found})
    raise ReportError(
        f"{source} has no game of the study {arm.study}; its studies are {', '.join(studies)}"
        if studies
        else f"{source} has no game of a study"
    )


def _some(games: list[PlayedGame], source: str, arm: Arm | None, imported: bool = False) -> list[PlayedGame]:
    if not games and imported:
        raise ReportError(f"{source} has no imported game: import some with respect import")
    if not games:
        what, hint = (f"The arm {arm.name} in {source}", "") if arm else (source, "; --imported has them")
        raise ReportError(f"{what} has no finished game yet (those that were imported do not count{hint})")
    return games

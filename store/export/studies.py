"""The exported rows of studies: assignments, and answers to surveys and quizzes."""

from collections.abc import Iterator
from typing import Any, cast

import sqlalchemy as sa

from store.export import tables
from store.export.pseudonyms import Pseudonyms
from store.export.rows import Played, public_id
from store.models import Game, Player
from store.study_tables import Assignment, KeptStudy, QuizAnswer, SurveyAnswer

_GAME, _PLAYER, _ASSIGNED, _FILE, _SURVEY, _QUIZ = (
    cast(Any, model).__table__.c for model in (Game, Player, Assignment, KeptStudy, SurveyAnswer, QuizAnswer)
)
ROWS_AT_A_TIME = 5000


def study_rows(
    connection: sa.Connection, exported: sa.ColumnElement[bool], pseudonyms: Pseudonyms
) -> Iterator[Played]:
    """Each row with its table, of the games that meet the condition `exported` on `Game`.

    A quiz is exported if any game of its player is.
    """
    for row in _rows(connection, _assigned(exported, *_ASSIGNED).order_by(_ASSIGNED.at, _ASSIGNED.game_id)):
        values = {**row._mapping, "game_id": public_id(row.game_id)}
        yield tables.ASSIGNMENT, {column.name: values[column.name] for column in tables.ASSIGNMENT.columns}
    for row in _rows(connection, _files(exported, *_FILE).order_by(_FILE.at, _FILE.hash)):
        yield (
            tables.STUDY,
            {"study_hash": row.hash, "study": row.study, "text": row.text, "at": row.at},
        )
    who = (_PLAYER.platform, _PLAYER.external_id)
    for row in _rows(connection, _surveyed(exported, *_SURVEY, *who).order_by(_SURVEY.id)):
        yield (
            tables.SURVEY,
            {
                "speaker": pseudonyms.of(str(row.platform), row.external_id),
                "game_id": public_id(row.game_id),
                "study": row.study,
                "question": row.item,
                "answer": row.answer,
                "at": row.at,
            },
        )
    for row in _rows(connection, _quizzed(exported, *_QUIZ, *who).order_by(_QUIZ.id)):
        yield (
            tables.QUIZ,
            {
                "speaker": pseudonyms.of(str(row.platform), row.external_id),
                "study": row.study,
                "question": row.question,
                "answer": row.answer,
                "correct": row.correct,
                "at": row.at,
            },
        )


def study_counts(connection: sa.Connection, exported: sa.ColumnElement[bool]) -> dict[str, int]:
    """Table -> the number of rows that it must have."""
    queries = {
        tables.ASSIGNMENT.name: _assigned(exported, sa.func.count()),
        tables.STUDY.name: _files(exported, sa.func.count()),
        tables.SURVEY.name: _surveyed(exported, sa.func.count()),
        tables.QUIZ.name: _quizzed(exported, sa.func.count()),
    }
    return {name: connection.execute(query).scalar_one() for name, query in queries.items()}


def _rows(connection: sa.Connection, query: sa.Executable) -> Iterator[Any]:
    with connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(query) as result:
        yield from result


def _assigned(exported: sa.ColumnElement[bool], *columns: Any) -> Any:
    return (
        sa.select(*columns).select_from(Assignment).join(Game, _GAME.id == _ASSIGNED.game_id).where(exported)
    )


def _files(exported: sa.ColumnElement[bool], *columns: Any) -> Any:
    named = _assigned(exported, _ASSIGNED.study_hash)
    return sa.select(*columns).select_from(KeptStudy).where(_FILE.hash.in_(named))


def _surveyed(exported: sa.ColumnElement[bool], *columns: Any) -> Any:
    return (
        sa.select(*columns)
        .select_from(SurveyAnswer)
        .join(Game, _GAME.id == _SURVEY.game_id)
        .join(Player, _PLAYER.id == _SURVEY.player_id)
        .where(exported)
    )


def _quizzed(exported: sa.ColumnElement[bool], *columns: Any) -> Any:
    players = sa.select(_GAME.player_id).where(exported)
    return (
        sa.select(*columns)
        .select_from(QuizAnswer)
        .join(Player, _PLAYER.id == _QUIZ.player_id)
        .where(_PLAYER.id.in_(players))
    )

"""Studies: assignments of games to arms, and the answers of players."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import case
from sqlmodel import Session, col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from games.core import Outcome
from store.models import Game
from store.study_tables import Assignment, KeptStudy, QuizAnswer, SurveyAnswer


@dataclass(frozen=True)
class PlayerGames:
    """One player's finished games in one arm."""

    arm: str
    player_id: int
    games: int
    won: int


@dataclass(frozen=True)
class Assigned:
    """Games that were assigned to one arm while it had one adapter, with one probability."""

    arm: str
    adapter: str
    """That of the assignment."""
    probability: float
    games: dict[Outcome, int]


@dataclass(frozen=True)
class Began:
    """How many games of a study have begun, of how many players, and when."""

    games: int
    players: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Answered:
    """How one question of a quiz was answered."""

    players: int
    at_once: int
    """Players whose first answer was right."""
    passed: int
    """Players who have answered it right."""
    choices: dict[str, int]
    """Choice -> times that it was given."""


def keep_file(session: Session, kept: KeptStudy) -> None:
    """Keep a study's file, unless it is kept already."""
    if session.get(KeptStudy, kept.hash) is None:
        session.add(kept)


def kept_files(session: Session, study: str | None = None) -> Sequence[KeptStudy]:
    """The files of all studies or of one, the newest first."""
    query = select(KeptStudy).order_by(col(KeptStudy.at).desc(), KeptStudy.hash)
    return session.exec(query if study is None else query.where(KeptStudy.study == study)).all()


def studies_with_games(session: Session) -> dict[str, Began]:
    """Study -> its games, the newest study first."""
    query = (
        sa.select(
            col(Assignment.study),
            func.count(),
            func.count(func.distinct(Game.player_id)),
            func.min(Assignment.at),
            func.max(Assignment.at),
        )
        .join(Game)
        .group_by(col(Assignment.study))
        .order_by(func.max(Assignment.at).desc(), Assignment.study)
    )
    return {study: Began(*found) for study, *found in session.execute(query)}


def arms_with_games(session: Session) -> list[str]:
    """The arms of all studies that games were assigned to."""
    return sorted(session.exec(select(Assignment.arm).distinct()))


def games_by_arm(session: Session, study: str) -> list[Assigned]:
    """The games of a study by arm, adapter and probability."""
    key = (col(Assignment.arm), col(Assignment.adapter), col(Assignment.probability))
    query = (
        sa.select(*key, col(Game.outcome), func.count())
        .join(Game)
        .where(col(Assignment.study) == study)
        .group_by(*key, col(Game.outcome))
        .order_by(*key)
    )
    found: dict[tuple[str, str, float], dict[Outcome, int]] = {}
    for arm, adapter, probability, outcome, games in session.execute(query):
        found.setdefault((arm, adapter, probability), dict.fromkeys(Outcome, 0))[outcome] += games
    return [Assigned(*group, games) for group, games in found.items()]


def survey_by_arm(session: Session, study: str) -> dict[str, dict[str, dict[int, int]]]:
    """Item -> arm -> answer -> how often it was given."""
    key = (col(SurveyAnswer.item), col(Assignment.arm), col(SurveyAnswer.answer))
    query = (
        select(*key, func.count())
        .join(Assignment, col(Assignment.game_id) == SurveyAnswer.game_id)
        .where(SurveyAnswer.study == study)
        .group_by(*key)
        .order_by(*key)
    )
    found: dict[str, dict[str, dict[int, int]]] = {}
    for item, arm, answer, times in session.exec(query):
        found.setdefault(item, {}).setdefault(arm, {})[answer] = times
    return found


def quiz_results(session: Session, study: str) -> dict[str, Answered]:
    """Question -> how it was answered, in order of the first answers."""
    query = (
        select(QuizAnswer.question, QuizAnswer.player_id, QuizAnswer.answer, QuizAnswer.correct)
        .where(QuizAnswer.study == study)
        .order_by(col(QuizAnswer.id))
    )
    choices: dict[str, dict[str, int]] = {}
    right: dict[str, dict[int, list[bool]]] = {}
    for question, player, answer, correct in session.exec(query):
        given = choices.setdefault(question, {})
        given[answer] = given.get(answer, 0) + 1
        right.setdefault(question, {}).setdefault(player, []).append(correct)
    return {
        question: Answered(
            len(by_player),
            sum(tries[0] for tries in by_player.values()),
            sum(any(tries) for tries in by_player.values()),
            choices[question],
        )
        for question, by_player in right.items()
    }


async def is_assigned(session: AsyncSession, game_id: str) -> bool:
    """Whether a game is in a study."""
    return await session.get(Assignment, game_id) is not None


async def assignments_of(session: AsyncSession, player_id: int, study: str) -> list[tuple[Assignment, Game]]:
    """A player's games in a study, oldest first."""
    query = (
        select(Assignment, Game)
        .join(Game)
        .where(Game.player_id == player_id, Assignment.study == study)
        .order_by(col(Game.started_at))
    )
    return list((await session.exec(query)).all())


async def finished_by_arm(session: AsyncSession, study: str) -> dict[str, int]:
    """Arm -> its finished games."""
    query = (
        select(Assignment.arm, func.count())
        .join(Game)
        .where(Assignment.study == study, Game.outcome != Outcome.OPEN)
        .group_by(col(Assignment.arm))
    )
    return dict((await session.exec(query)).all())


def games_by_player(session: Session, study: str) -> list[PlayerGames]:
    """The finished games of a study by arm and player. Games that were given up are not won."""
    won = func.sum(case((col(Game.outcome) == Outcome.WON, 1), else_=0))
    query = (
        select(Assignment.arm, Game.player_id, func.count(), won)
        .join(Game)
        .where(Assignment.study == study, Game.outcome != Outcome.OPEN)
        .group_by(col(Assignment.arm), col(Game.player_id))
        .order_by(col(Assignment.arm), col(Game.player_id))
    )
    return [PlayerGames(*row) for row in session.exec(query)]


async def answered_items(session: AsyncSession, player_id: int, study: str) -> frozenset[str]:
    """The items of a study's survey that a player has answered."""
    query = select(SurveyAnswer.item).where(SurveyAnswer.player_id == player_id, SurveyAnswer.study == study)
    return frozenset((await session.exec(query)).all())


async def keep_survey(
    session: AsyncSession, player_id: int, game_id: str, study: str, answers: Mapping[str, int]
) -> None:
    """Keep a player's answers by item, those that are answered already excepted."""
    known = await answered_items(session, player_id, study)
    for item, value in answers.items():
        if item not in known:
            session.add(
                SurveyAnswer(player_id=player_id, game_id=game_id, study=study, item=item, answer=value)
            )


async def count_answers(session: AsyncSession, player_id: int) -> int:
    """Number of a player's answers in surveys and quizzes."""
    survey = select(func.count()).select_from(SurveyAnswer).where(SurveyAnswer.player_id == player_id)
    quiz = select(func.count()).select_from(QuizAnswer).where(QuizAnswer.player_id == player_id)
    return (await session.exec(survey)).one() + (await session.exec(quiz)).one()


async def passed_questions(session: AsyncSession, player_id: int, study: str) -> frozenset[str]:
    """The questions of a study's quiz that a player has answered right."""
    query = select(QuizAnswer.question).where(
        QuizAnswer.player_id == player_id, QuizAnswer.study == study, col(QuizAnswer.correct)
    )
    return frozenset((await session.exec(query)).all())

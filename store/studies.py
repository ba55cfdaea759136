"""Studies: assignments of games to arms, and the answers of players."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import case
from sqlmodel import Session, col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from games.core import Outcome
from store.models import Game
from store.study_tables import Assignment, QuizAnswer, SurveyAnswer


@dataclass(frozen=True)
class PlayerGames:
    """One player's finished games in one arm."""

    arm: str
    player_id: int
    games: int
    won: int


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

"""The tables of studies: their files, arms of games, answers to surveys and to quizzes."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from store.columns import now, parent_column, time_column


class KeptStudy(SQLModel, table=True):
    """The file of a study as the bot ran it. Every version is kept; `Assignment.study_hash` names one."""

    __tablename__ = "study_file"  # pyright: ignore[reportAssignmentType]

    hash: str = Field(primary_key=True)
    """SHA-256 of the file."""
    study: str = Field(index=True)
    """The study's name."""
    text: str
    at: datetime = time_column(default_factory=now)
    """When the bot first started with it."""


class Assignment(SQLModel, table=True):
    """The arm of a study that a game was assigned to when it began. Players must not be told the arm or the adapter."""

    game_id: str = Field(foreign_key="game.id", ondelete="CASCADE", primary_key=True)
    study: str = Field(index=True)
    """The study's name."""
    study_hash: str
    """SHA-256 of the study's file, as it was then."""
    arm: str
    adapter: str
    """The adapter of the arm at that time, also where the game was moved to another one later (`Game.adapter`)."""
    probability: float
    """Of this arm among the eligible ones."""
    seed: int = Field(sa_type=sa.BigInteger)
    """Seed of the draw: with the eligible arms it gives the arm (`research.study.file.draw_arm`)."""
    eligible_arms: list[str] = Field(sa_type=sa.JSON)
    at: datetime = time_column(default_factory=now)


class SurveyAnswer(SQLModel, table=True):
    """A player's answer to one item of a study's exit survey. Each item is answered once."""

    __tablename__ = "survey_answer"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (sa.UniqueConstraint("player_id", "study", "item"),)

    id: int | None = Field(default=None, primary_key=True)
    player_id: int = parent_column("player.id", index=False)
    game_id: str = parent_column("game.id")
    """The player's last game in the study."""
    study: str
    item: str
    answer: int
    """From 1 to the highest of the scale."""
    at: datetime = time_column(default_factory=now)


class QuizAnswer(SQLModel, table=True):
    """A player's answer to one question of a study's quiz. Rows are only added: who was wrong answers again."""

    __tablename__ = "quiz_answer"  # pyright: ignore[reportAssignmentType]

    id: int | None = Field(default=None, primary_key=True)
    player_id: int = parent_column("player.id")
    study: str
    question: str
    answer: str
    correct: bool
    at: datetime = time_column(default_factory=now)

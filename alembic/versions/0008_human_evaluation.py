"""judgements of turns by people, and an index for the list of games, the newest first."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "human_eval",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("turn_id", sa.Integer(), nullable=False),
        sa.Column("rater", sa.String(), nullable=False),
        sa.Column("correctness", sa.String(length=32), nullable=False),
        sa.Column("feedback", sa.String(length=32), nullable=True),
        sa.Column("right_clicks", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["turn.id"], name=op.f("fk_human_eval_turn_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_human_eval")),
        sa.UniqueConstraint("turn_id", "rater", name=op.f("uq_human_eval_turn_id")),
    )
    op.create_index("ix_game_started_at", "game", ["started_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_game_started_at", "game")
    op.drop_table("human_eval")

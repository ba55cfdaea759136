"""the difficulty that a player chose for a game."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


COLUMNS = ["round", "adapter", "outcome", "origin"]
"""Of the index that success by adapter is read from."""


def upgrade() -> None:
    op.add_column("game", sa.Column("difficulty", sa.String(length=16), nullable=True))
    op.drop_index("ix_game_round", "game")
    op.create_index("ix_game_round", "game", [*COLUMNS, "difficulty"])


def downgrade() -> None:
    op.drop_index("ix_game_round", "game")
    op.create_index("ix_game_round", "game", COLUMNS)
    op.drop_column("game", "difficulty")

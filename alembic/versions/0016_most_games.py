"""how many games may run in a community at the same time.

Revision ID: 0016
Revises: 0015
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("guild_settings", sa.Column("most_games", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("guild_settings", "most_games")

"""the round that an imported game was played in.

Revision ID: 0019
Revises: 0018
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("game", sa.Column("recorded_round", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("game", "recorded_round")

"""the role that people need to start games.

Revision ID: 0014
Revises: 0013
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("guild_settings", sa.Column("player_role_id", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("guild_settings", "player_role_id")

"""questions to players where the policy is unsure."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("instruction", sa.Column("doubts", sa.JSON(), nullable=True))
    op.add_column("instruction", sa.Column("chosen", sa.String(), nullable=True))
    op.add_column("turn", sa.Column("retracted", sa.String(), nullable=True))
    for table, column in (("turn", "chosen"), ("guild_settings", "unsure")):
        op.add_column(table, sa.Column(column, sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("guild_settings", "unsure")
    op.drop_column("turn", "chosen")
    op.drop_column("turn", "retracted")
    op.drop_column("instruction", "chosen")
    op.drop_column("instruction", "doubts")

"""what players choose: the difficulty of a game, and what they meant where the policy was unsure."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("game", sa.Column("difficulty", sa.String(length=16), nullable=True))
    op.add_column("instruction", sa.Column("doubts", sa.JSON(), nullable=True))
    op.add_column("instruction", sa.Column("chosen", sa.String(), nullable=True))
    for table, column in (("turn", "asked"), ("guild_settings", "unsure")):
        op.add_column(table, sa.Column(column, sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("guild_settings", "unsure")
    op.drop_column("turn", "asked")
    op.drop_column("instruction", "chosen")
    op.drop_column("instruction", "doubts")
    op.drop_column("game", "difficulty")

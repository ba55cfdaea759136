"""what analysis needs: temperature and seed of a turn, code and image set of a game, what a decoder went by."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("game", sa.Column("images_hash", sa.String(), nullable=True))
    op.add_column("game", sa.Column("code_version", sa.String(), nullable=True))
    op.add_column("turn", sa.Column("temperature", sa.Float(), nullable=True))
    op.add_column("turn", sa.Column("seed", sa.Integer(), nullable=True))
    op.add_column("feedback", sa.Column("p_positive", sa.Float(), nullable=True))
    op.add_column("feedback", sa.Column("cue", sa.String(), nullable=True))


def downgrade() -> None:
    for table, columns in (
        ("feedback", ("cue", "p_positive")),
        ("turn", ("seed", "temperature")),
        ("game", ("code_version", "images_hash")),
    ):
        with op.batch_alter_table(table, schema=None) as batch_op:
            for column in columns:
                batch_op.drop_column(column)

"""messages of a burst: all ids of an utterance's messages, and whether a message after a game's end was answered."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("turn", sa.Column("earlier_message_ids", sa.JSON(), nullable=True))
    op.add_column("game", sa.Column("end_explained", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    for table, column in (("game", "end_explained"), ("turn", "earlier_message_ids")):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column(column)

"""unknown propensities: those of imported games."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("turn", schema=None) as batch_op:
        batch_op.alter_column("logp", existing_type=sa.Float(), nullable=True)


def downgrade() -> None:
    # Turns of unknown propensity cannot be kept. Foreign keys may be off (SQLite), so children go first.
    turns = "SELECT id FROM turn WHERE game_id IN (SELECT id FROM game WHERE origin = 'imported')"
    op.execute(f"DELETE FROM feedback WHERE turn_id IN ({turns})")
    op.execute(f"DELETE FROM adapter_turn WHERE turn_id IN ({turns})")
    op.execute("DELETE FROM turn WHERE game_id IN (SELECT id FROM game WHERE origin = 'imported')")
    op.execute("DELETE FROM game WHERE origin = 'imported'")
    op.execute("DELETE FROM player WHERE platform = 'imported'")
    with op.batch_alter_table("turn", schema=None) as batch_op:
        batch_op.alter_column("logp", existing_type=sa.Float(), nullable=False)

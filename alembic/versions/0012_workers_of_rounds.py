"""the worker on another machine that runs a round."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("round", sa.Column("worker", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("round", "worker")

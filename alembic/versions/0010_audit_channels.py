"""the channel of a server in which the bot writes who did what."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("guild_settings", sa.Column("audit_channel_id", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("guild_settings", "audit_channel_id")

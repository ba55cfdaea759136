"""settings of servers, channels for games, teams, and how games end."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("guild_settings", sa.Column("games", sa.JSON(), nullable=True))
    op.add_column("guild_settings", sa.Column("cooldown", sa.Float(), nullable=True))
    op.add_column("guild_settings", sa.Column("idle_hours", sa.Integer(), nullable=True))
    op.add_column(
        "guild_settings", sa.Column("lock_threads", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("guild_settings", sa.Column("locale", sa.String(), nullable=True))
    op.add_column(
        "game",
        sa.Column("end_reason", sa.String(length=16), nullable=True),
    )
    op.add_column("game", sa.Column("thread_closed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column(
        "guild_settings", sa.Column("team_games", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.add_column("game", sa.Column("team", sa.Boolean(), server_default=sa.false(), nullable=False))
    for table in ("instruction", "turn"):
        op.add_column(table, sa.Column("player_id", sa.Integer(), nullable=True))
    op.create_table(
        "team_player",
        sa.Column("game_id", sa.String(), nullable=False),
        sa.Column("player_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["game_id"], ["game.id"], name=op.f("fk_team_player_game_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["player_id"], ["player.id"], name=op.f("fk_team_player_player_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("game_id", "player_id", name=op.f("pk_team_player")),
    )
    op.create_index("ix_team_player_player_id", "team_player", ["player_id"])
    op.execute("UPDATE game SET thread_closed = true WHERE outcome <> 'open' OR thread_id IS NULL")
    op.create_index("ix_game_thread_closed", "game", ["thread_closed", "ended_at"])
    op.create_table(
        "play_channel",
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("guild_id", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_play_channel")),
    )
    op.create_index("ix_play_channel_guild_id", "play_channel", ["guild_id"])


def downgrade() -> None:
    op.drop_table("team_player")
    op.drop_table("play_channel")
    op.drop_index("ix_game_thread_closed", "game")
    for table, columns in {
        "instruction": ("player_id",),
        "turn": ("player_id",),
        "game": ("team", "thread_closed", "end_reason"),
        "guild_settings": ("locale", "team_games", "lock_threads", "idle_hours", "cooldown", "games"),
    }.items():
        for column in columns:
            op.drop_column(table, column)

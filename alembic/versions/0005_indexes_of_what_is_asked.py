"""indexes of what is asked, and lineage by player."""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

REPLACED = {
    "ix_game_player_id": (["player_id"], ["player_id", "started_at"]),
    "ix_game_outcome": (["outcome"], ["outcome", "player_id"]),
    "ix_game_origin": (["origin"], ["origin", "player_id"]),
    "ix_game_round": (["round"], ["round", "adapter", "outcome", "origin"]),
}
"""Name -> columns (before, after)."""
NEW = {"ix_game_ended_at": ["ended_at", "id"], "ix_game_result_shown": ["result_shown"]}


def upgrade() -> None:
    for name, (_, columns) in REPLACED.items():
        op.drop_index(name, "game")
        op.create_index(name, "game", columns)
    for name, columns in NEW.items():
        op.create_index(name, "game", columns)
    op.create_table(
        "adapter_player",
        sa.Column("player_id", sa.Integer(), nullable=False),
        sa.Column("adapter_id", sa.Integer(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("games", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["adapter_id"], ["adapter.id"], name=op.f("fk_adapter_player_adapter_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["player_id"], ["player.id"], name=op.f("fk_adapter_player_player_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("player_id", "adapter_id", name=op.f("pk_adapter_player")),
    )
    op.create_index("ix_adapter_player_adapter_id", "adapter_player", ["adapter_id"])
    op.execute(
        "INSERT INTO adapter_player (player_id, adapter_id, turns, games, since) "
        "SELECT game.player_id, adapter_turn.adapter_id, count(*), count(DISTINCT game.id), min(game.started_at) "
        "FROM adapter_turn "
        "JOIN turn ON turn.id = adapter_turn.turn_id JOIN game ON game.id = turn.game_id "
        "GROUP BY game.player_id, adapter_turn.adapter_id"
    )


def downgrade() -> None:
    op.drop_table("adapter_player")
    for name in NEW:
        op.drop_index(name, "game")
    for name, (columns, _) in REPLACED.items():
        op.drop_index(name, "game")
        op.create_index(name, "game", columns)

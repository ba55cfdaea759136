"""The exported rows of rounds' trust in players."""

from collections.abc import Iterator
from typing import Any, cast

import sqlalchemy as sa

from store.export import tables
from store.export.pseudonyms import Pseudonyms
from store.export.rows import Played
from store.models import Game, Player, PlayerTrust, Round

_GAME, _PLAYER, _TRUST, _ROUND = (
    cast(Any, model).__table__.c for model in (Game, Player, PlayerTrust, Round)
)
ROWS_AT_A_TIME = 5000


def trust_rows(
    connection: sa.Connection, exported: sa.ColumnElement[bool], pseudonyms: Pseudonyms
) -> Iterator[Played]:
    """Each row with its table, of players who began a game that meets the condition `exported` on `Game`."""
    columns = (*_TRUST, _ROUND.number, _PLAYER.platform, _PLAYER.external_id)
    query = _trusted(exported, *columns).order_by(_TRUST.round_id, _TRUST.player_id)
    with connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(query) as result:
        for row in result:
            kept = {
                name: row._mapping[name] for name in ("trust", "turns", "naming", "weight", "quarantined")
            }
            yield (
                tables.TRUST,
                {
                    "speaker": pseudonyms.of(str(row.platform), row.external_id),
                    "round": row.number,
                    **kept,
                    "capped": row.capped,
                },
            )


def trust_count(connection: sa.Connection, exported: sa.ColumnElement[bool]) -> int:
    """The number of rows that the table must have."""
    return connection.execute(_trusted(exported, sa.func.count())).scalar_one()


def _trusted(exported: sa.ColumnElement[bool], *columns: Any) -> Any:
    players = sa.select(_GAME.player_id).where(exported)
    return (
        sa.select(*columns)
        .select_from(PlayerTrust)
        .join(Round, _ROUND.id == _TRUST.round_id)
        .join(Player, _PLAYER.id == _TRUST.player_id)
        .where(_PLAYER.id.in_(players))
    )

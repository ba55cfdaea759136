"""Exports games a few hundred at a time from one snapshot of the database; the folder appears when it is
complete."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from games.core import Outcome
from store.database import Database
from store.export import Format, tables
from store.export.card import write_card
from store.export.pseudonyms import Pseudonyms
from store.export.rows import Decoded, Happened, Judged, game_turn_id, rows_of
from store.export.studies import study_counts, study_rows
from store.export.tables import Table
from store.export.trust import trust_count, trust_rows
from store.export.writers import TableWriter
from store.folder import new_folder
from store.migrations import revisions
from store.models import Adapter, AdapterTurn, Feedback, Game, GameEvent, HumanEval, Player, Turn, now
from store.players import shared
from store.version import code_version

_GAME, _TURN, _FEEDBACK, _ADAPTER, _LINEAGE, _PLAYER, _JUDGED, _EVENT = (
    cast(Any, model).__table__.c
    for model in (Game, Turn, Feedback, Adapter, AdapterTurn, Player, HumanEval, GameEvent)
)
"""The columns that are read. Rows are plain tuples, because creating a million mapped objects would take
minutes."""

SCHEMA_VERSION = 3
GAMES_AT_A_TIME = 300
WEIGHTS = "adapter_model.safetensors"
"""The file of an adapter's card whose hash is exported."""
DECODING = "sampled among the legal actions of the state"

OnProgress = Callable[[int, int], None]
"""Called with (games written, games in total)."""


class ExportError(RuntimeError):
    """An export failed; the message says why and how to fix it."""


@dataclass(frozen=True)
class Export:
    """The content of an export. `manifest` is the content of MANIFEST.json."""

    folder: Path
    rows: dict[str, int]
    """Number of rows of each table."""
    left_out: dict[str, int]
    """Number of games that were not exported, by reason."""
    manifest: dict[str, Any] = field(repr=False)


def export(
    database: Database,
    folder: Path,
    pseudonyms: Pseudonyms,
    kind: Format = Format.PARQUET,
    *,
    personal: bool = False,
    on_progress: OnProgress = lambda _done, _total: None,
) -> Export:
    """Export finished games to `folder`, which must be empty or not exist.

    Games played on Discord are exported only where their player's latest answer to the research opt-in is yes.
    `personal` adds the table `player`, which maps pseudonyms to accounts. Raises `ExportError` or
    `store.folder.FolderError`, and then leaves no files.
    """
    with new_folder(folder) as partial:
        cutoff = now()
        with database.snapshot() as connection:
            run = _Run(connection, partial, pseudonyms, kind, cutoff, personal)
            run.write(on_progress)
        manifest = write_card(
            partial,
            kind,
            run.tables,
            run.rows,
            {
                "schema_version": SCHEMA_VERSION,
                "code_version": code_version(),
                "database_revision": revisions(database)[0],
                "cutoff": cutoff.isoformat(),
                "personal": personal,
                "pseudonyms": {"scheme": "HMAC-SHA256, 32 hex digits", "key_id": pseudonyms.key_id},
                "decoders": {
                    scheme: {"decoder": name, "version": version}
                    for scheme, (name, version) in run.decoders.items()
                },
                "left_out": run.left_out,
                "image_sets_not_found": run.missing_images,
            },
        )
    return Export(folder, run.rows, run.left_out, manifest)


def require_games(database: Database) -> None:
    """Raises `ExportError` if no game is finished yet."""
    with database.engine.connect() as connection:
        finished = sa.select(_GAME.id).where(_GAME.outcome != Outcome.OPEN).limit(1)
        if connection.execute(finished).first() is None:
            raise ExportError(f"{database.url.render_as_string()} has no finished game yet")


class _Run:
    """The state of one export."""

    def __init__(
        self,
        connection: sa.Connection,
        folder: Path,
        pseudonyms: Pseudonyms,
        kind: Format,
        cutoff: datetime,
        personal: bool,
    ) -> None:
        self._connection = connection
        self._pseudonyms = pseudonyms
        self._folder = folder
        self._kind = kind
        self.tables = (*tables.TABLES, tables.PLAYER) if personal else tables.TABLES
        self._writers: dict[str, TableWriter] = {}
        finished = sa.and_(
            _GAME.outcome != Outcome.OPEN,
            sa.or_(_GAME.ended_at.is_(None), _GAME.ended_at <= cutoff),
        )
        allowed = shared()
        self._exported = sa.and_(finished, allowed)
        self.left_out = {
            "not finished at the cutoff": self._count(Game, sa.not_(finished)),
            "played on Discord by somebody who has not opted in to research": self._count(
                Game, finished, sa.not_(allowed)
            ),
        }
        self.decoders = newest_decoders(connection)
        self._images: set[str] = set()
        self.missing_images: list[str] = []
        """Image sets that games were played with but that cannot be opened here, so they are missing in `shape`."""
        self._played_by: dict[tuple[str, str], set[float | None]] = {}

    @property
    def rows(self) -> dict[str, int]:
        """Number of rows written to each table."""
        return {table.name: self._writers[table.name].rows for table in self.tables}

    def write(self, on_progress: OnProgress) -> None:
        """Write every table and compare the numbers of rows with the database's own counts."""
        (self._folder / "data").mkdir()
        with ExitStack() as stack:
            for table in self.tables:
                path = self._folder / "data" / f"{table.name}.{self._kind}"
                writer = self._writers[table.name] = TableWriter(table, path, self._kind)
                stack.callback(writer.close)
            self._games(on_progress)
            self._policies()
            for table, row in study_rows(self._connection, self._exported, self._pseudonyms):
                self._add(table, row)
            for table, row in trust_rows(self._connection, self._exported, self._pseudonyms):
                self._add(table, row)
            self._shapes()
            if tables.PLAYER in self.tables:
                self._players()
        self._reconcile()

    def _add(self, table: Table, row: dict[str, Any]) -> None:
        self._writers[table.name].add(row)

    def _rows(self, query: sa.Executable) -> Iterator[Any]:
        with self._connection.execution_options(yield_per=5000).execute(query) as result:
            yield from result

    def _count(self, kind: type[Game], *where: sa.ColumnElement[bool]) -> int:
        return self._connection.execute(
            sa.select(sa.func.count()).select_from(kind).where(*where)
        ).scalar_one()

    def _games(self, on_progress: OnProgress) -> None:
        total, done, last = self._count(Game, self._exported), 0, ""
        on_progress(0, total)
        page = (
            sa.select(*_GAME, _PLAYER.platform, _PLAYER.external_id)
            .join(Player, _PLAYER.id == _GAME.player_id)
            .where(self._exported)
            .order_by(_GAME.id)
            .limit(GAMES_AT_A_TIME)
        )
        while games := self._connection.execute(page.where(_GAME.id > last)).all():
            first, last = games[0].id, games[-1].id
            between = sa.and_(_TURN.game_id >= first, _TURN.game_id <= last)
            turns: dict[str, list[Any]] = {game.id: [] for game in games}
            for turn in self._connection.execute(
                sa.select(*_TURN).where(between).order_by(_TURN.game_id, _TURN.number)
            ):
                if turn.game_id in turns:
                    turns[turn.game_id].append(turn)
            decoded = {scheme: self._decoded(scheme, between) for scheme in self.decoders}
            judged = self._judged(between)
            happened = self._happened(first, last)
            for game in games:
                speaker = self._pseudonyms.of(str(game.platform), game.external_id)
                self._images.add(game.images)
                temperatures = self._played_by.setdefault((game.adapter, game.base_model), set())
                temperatures |= {turn.temperature for turn in turns[game.id]}
                found = rows_of(game, turns[game.id], speaker, decoded, judged, happened.get(game.id, ()))
                for table, row in found:
                    self._add(table, row)
            done += len(games)
            on_progress(done, total)

    def _decoded(self, scheme: str, between: sa.ColumnElement[bool]) -> dict[int, Decoded]:
        decoder, version = self.decoders[scheme]
        query = (
            sa.select(_FEEDBACK.turn_id, _FEEDBACK.label, _FEEDBACK.p_positive, _FEEDBACK.cue)
            .join(Turn, _TURN.id == _FEEDBACK.turn_id)
            .where(between, *_of_decoder(decoder, version, scheme))
        )
        return {
            row.turn_id: Decoded(row.label, row.p_positive, row.cue)
            for row in self._connection.execute(query)
        }

    def _judged(self, between: sa.ColumnElement[bool]) -> dict[int, list[Judged]]:
        query = (
            sa.select(*_JUDGED).join(Turn, _TURN.id == _JUDGED.turn_id).where(between).order_by(_JUDGED.id)
        )
        found: dict[int, list[Judged]] = {}
        for row in self._connection.execute(query):
            judgement = Judged(
                self._pseudonyms.of_rater(row.rater), row.correctness, row.feedback, row.right_clicks, row.at
            )
            found.setdefault(row.turn_id, []).append(judgement)
        return found

    def _happened(self, first: str, last: str) -> dict[str, list[Happened]]:
        """Game id -> its events, of the games with these ids and between them."""
        between = sa.and_(_EVENT.game_id >= first, _EVENT.game_id <= last)
        found: dict[str, list[Happened]] = {}
        for row in self._connection.execute(sa.select(*_EVENT).where(between).order_by(_EVENT.id)):
            event = Happened(str(row.kind), row.turn, row.text, row.at)
            found.setdefault(row.game_id, []).append(event)
        return found

    def _policies(self) -> None:
        trained = {row.name: row for row in self._connection.execute(sa.select(*_ADAPTER)).all()}
        counted = sa.select(_LINEAGE.adapter_id, sa.func.count().label("turns")).group_by(_LINEAGE.adapter_id)
        turns = {row.adapter_id: row.turns for row in self._connection.execute(counted)}
        known = dict.fromkeys(self._played_by) | {
            (row.name, row.base_model): None for row in trained.values()
        }
        for name, base_model in sorted(known):
            row, temperatures = trained.get(name), self._played_by.get((name, base_model), set())
            values: dict[str, Any] = {
                "policy_name": name,
                "base_model": base_model,
                "decoding": DECODING,
                "temperature": next(iter(temperatures)) if len(temperatures) == 1 else None,
            }
            if row is not None:
                card = row.card
                values |= {
                    "revision": card.get("policy"),
                    "adapter_hash": (card.get("sha256") or {}).get(WEIGHTS),
                    "prompt_hash": card.get("prompt_hash"),
                    "parent": row.parent,
                    "system": row.system,
                    "status": str(row.status),
                    "decoder": card.get("decoder"),
                    "training": json.dumps(card.get("training", {})),
                    "metrics": json.dumps(card.get("metrics", {})),
                    "training_turns": turns.get(row.id, 0),
                    "erased_turns": row.erased_turns,
                    "created_at": row.created_at,
                }
            self._add(tables.POLICY, values)
        lineage = (
            sa.select(_ADAPTER.name, _TURN.game_id, _TURN.number, _LINEAGE.reward, _LINEAGE.weight)
            .select_from(AdapterTurn)
            .join(Adapter, _ADAPTER.id == _LINEAGE.adapter_id)
            .join(Turn, _TURN.id == _LINEAGE.turn_id)
            .join(Game, _GAME.id == _TURN.game_id)
            .where(self._exported)
            .order_by(_LINEAGE.adapter_id, _LINEAGE.turn_id)
        )
        for row in self._rows(lineage):
            self._add(
                tables.POLICY_TURN,
                {
                    "policy_name": row.name,
                    "game_turn_id": game_turn_id(row.game_id, row.number),
                    "reward": row.reward,
                    "weight": row.weight,
                },
            )

    def _shapes(self) -> None:
        from games.figures import open_images  # imports Pillow

        for spec in sorted(self._images):
            try:
                images = open_images(spec)
            except (ValueError, OSError):
                self.missing_images.append(spec)
                continue
            for figure_id in images.ids:
                figure = images[figure_id]
                self._add(
                    tables.SHAPE,
                    {
                        "images": spec,
                        "figure_id": figure_id,
                        "polygons": [[list(corner) for corner in polygon] for polygon in figure.polygons],
                        "pieces": list(figure.pieces),
                        "names": list(figure.names),
                        "licence": images.licence,
                    },
                )

    def _players(self) -> None:
        query = (
            sa.select(*_PLAYER)
            .where(_PLAYER.id.in_(sa.select(_GAME.player_id).where(self._exported)))
            .order_by(_PLAYER.id)
        )
        for row in self._rows(query):
            self._add(
                tables.PLAYER,
                {
                    "speaker": self._pseudonyms.of(str(row.platform), row.external_id),
                    "platform": str(row.platform),
                    "external_id": row.external_id,
                    "name": row.name,
                    "locale": row.locale,
                },
            )

    def _reconcile(self) -> None:
        """Raises `ExportError` if the files have more or fewer rows than the database."""
        turns = sa.select(sa.func.count()).select_from(Turn).join(Game).where(self._exported)
        wanted = {
            tables.INTERACTION.name: self._count(Game, self._exported),
            tables.TURN.name: self._connection.execute(turns).scalar_one(),
            tables.TURN_META.name: self._connection.execute(turns).scalar_one(),
        }
        judged = sa.select(sa.func.count()).select_from(HumanEval).join(Turn).join(Game).where(self._exported)
        wanted[tables.HUMAN_EVAL.name] = self._connection.execute(judged).scalar_one()
        wanted |= study_counts(self._connection, self._exported)
        wanted[tables.TRUST.name] = trust_count(self._connection, self._exported)
        for scheme, (decoder, version) in self.decoders.items():
            query = (
                sa.select(sa.func.count())
                .select_from(Feedback)
                .join(Turn)
                .join(Game)
                .where(self._exported, *_of_decoder(decoder, version, scheme))
            )
            wanted[f"feedback_decoder_{scheme}"] = self._connection.execute(query).scalar_one()
        if wanted[tables.INTERACTION.name] + sum(self.left_out.values()) != self._count(Game):
            raise ExportError("The games exported and left out are not all games: report this as a fault")
        for name, count in wanted.items():
            if self.rows[name] != count:
                raise ExportError(
                    f"The table {name} has {self.rows[name]} rows where the database has {count}: run it again, and "
                    "report this as a fault if it stays"
                )


def newest_decoders(connection: sa.Connection) -> dict[str, tuple[str, str]]:
    """scheme -> (decoder, version) that was used last."""
    found = {}
    for scheme in ("binary", "ternary"):
        query = (
            sa.select(_FEEDBACK.decoder, _FEEDBACK.version)
            .where(_FEEDBACK.scheme == scheme)
            .order_by(_FEEDBACK.id.desc())
            .limit(1)
        )
        if row := connection.execute(query).first():
            found[scheme] = (row.decoder, row.version)
    return found


def _of_decoder(decoder: str, version: str, scheme: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _FEEDBACK.decoder == decoder,
        _FEEDBACK.version == version,
        _FEEDBACK.scheme == scheme,
    )

"""Writes a table's rows to a Parquet, JSON Lines or CSV file, a few thousand at a time."""

import csv
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from store.export import Format
from store.export.tables import Table

ROWS_AT_A_TIME = 4096


MEDIA_TYPES = {
    Format.PARQUET: "application/x-parquet",
    Format.JSONL: "application/jsonlines",
    Format.CSV: "text/csv",
}

Row = Mapping[str, Any]


class _File(Protocol):
    def write(self, rows: list[Row]) -> None: ...
    def close(self) -> None: ...


class TableWriter:
    """Writes a table's file. Rows are buffered; `close` writes the rest."""

    def __init__(self, table: Table, path: Path, kind: Format) -> None:
        self.table = table
        self.path = path
        self.rows = 0
        self._waiting: list[Row] = []
        self._file: _File = _FILES[kind](table, path)

    def add(self, row: Row) -> None:
        """Add a row; missing columns are null."""
        self._waiting.append(row)
        self.rows += 1
        if len(self._waiting) >= ROWS_AT_A_TIME:
            self._flush()

    def close(self) -> None:
        """Write the buffered rows and close the file."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._waiting:
            self._file.write(self._waiting)
            self._waiting = []


class _Parquet:
    def __init__(self, table: Table, path: Path) -> None:
        self._schema = table.schema
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: list[Row]) -> None:
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))  # pyright: ignore[reportArgumentType]

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    def __init__(self, table: Table, path: Path) -> None:
        self._names = [column.name for column in table.columns]
        self._file = path.open("w", encoding="utf-8")

    def write(self, rows: list[Row]) -> None:
        for row in rows:
            values = {name: row.get(name) for name in self._names}
            self._file.write(json.dumps(values, ensure_ascii=False, default=_plain) + "\n")

    def close(self) -> None:
        self._file.close()


class _Csv:
    """Lists are written as JSON, null as an empty cell."""

    def __init__(self, table: Table, path: Path) -> None:
        self._names = [column.name for column in table.columns]
        self._lists = {column.name for column in table.columns if pa.types.is_list(column.type)}
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(self._names)

    def write(self, rows: list[Row]) -> None:
        for row in rows:
            self._writer.writerow([self._cell(name, row.get(name)) for name in self._names])

    def _cell(self, name: str, value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat()
        return json.dumps(value, ensure_ascii=False) if name in self._lists else value

    def close(self) -> None:
        self._file.close()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_FILES: dict[Format, type[_Parquet] | type[_JsonLines] | type[_Csv]] = {
    Format.PARQUET: _Parquet,
    Format.JSONL: _JsonLines,
    Format.CSV: _Csv,
}

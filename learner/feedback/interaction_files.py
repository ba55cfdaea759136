"""Reads tables of interactions: JSON lines, Parquet or CSV, or the tables of a folder that `respect export` wrote."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KINDS = ("parquet", "jsonl", "csv")
PUBLISHED = "train-00000-of-00001.parquet"
"""The file of a table in a folder of its name, as `datasets` uploads it."""
LISTS = ("context", "targets", "clicks", "chat", "delta_clicks", "selected", "deselected")
"""Columns that are JSON in a CSV file, which has text only."""
LONGEST = 1_000
"""Characters of a message."""


class BadLine(ValueError):
    """A line cannot be used; the message names the line and says how to fix it. What it quotes of a file is escaped and
    shortened."""

    def __init__(self, message: str) -> None:
        shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in message)
        super().__init__(
            shown if len(shown) <= LONGEST else f"{shown[: LONGEST // 2]} … {shown[-LONGEST // 2 :]}"
        )


def rows(path: Path, table: str = "interaction") -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, columns) of a table; a number counts rows where there are no lines.

    `path`: a file, whose ending says what it is (JSON lines, if it says nothing), or an exported folder, of which
    `table` is read. Raises BadLine for what cannot be used, OSError for what cannot be read.
    """
    if path.is_dir():
        if (found := table_file(path, table)) is None:
            raise BadLine(
                f"The folder has no table {table} in data/: give one that `respect export` wrote, or a file"
            )
        path = found
    try:
        match path.suffix.lower():
            case ".parquet":
                yield from enumerate(_parquet(path), 1)
            case ".csv":
                yield from _csv(path)
            case _:
                yield from _json_lines(path)
    except UnicodeDecodeError as error:
        raise BadLine(f"The file is not UTF-8 text ({error.reason}): save it as UTF-8") from None
    except csv.Error as error:
        raise BadLine(
            f"The file is not CSV with columns divided by commas ({error}): save it as that"
        ) from None


def table_file(folder: Path, table: str) -> Path | None:
    """The file of a table of an exported folder, or of one laid out as the paper's published data set; None if it has
    none."""
    files = [*(folder / "data" / f"{table}.{kind}" for kind in KINDS), folder / table / PUBLISHED]
    return next((file for file in files if file.is_file()), None)


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BadLine(f"Line {number} is not JSON ({error}): give one JSON object a line") from None
            if not isinstance(value, dict):
                raise BadLine(f"Line {number} is no JSON object: give one a line, with the table's columns")
            yield number, value


def _csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 1):
            columns: dict[str, Any] = {name: text for name, text in row.items() if text}
            try:
                columns |= {name: json.loads(text) for name, text in columns.items() if name in LISTS}
                columns |= {name: int(text) for name, text in columns.items() if name == "round"}
            except (ValueError, RecursionError) as error:
                raise BadLine(
                    f"Line {number}: a list is not JSON, or `round` is no number ({error})"
                ) from None
            yield number, columns


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa  # takes memory: only if it is used
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        try:
            for batch in pq.ParquetFile(file).iter_batches(1000):
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise BadLine(f"The file is not Parquet, or damaged ({error}): copy it again") from None

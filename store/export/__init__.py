"""Export for research: what happened, in the paper's own tables, under pseudonyms, of those who agreed to it."""

from enum import StrEnum


class Format(StrEnum):
    """A kind of file, which is also its name's ending."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"

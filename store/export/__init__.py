"""Export for research: the games of players who opted in, in the paper's tables, with pseudonyms."""

from enum import StrEnum

SECRET = "pseudonyms.secret"
"""File in the data folder with the secret of the pseudonyms, unless another one is named."""


class Format(StrEnum):
    """A file format; the value is also the file's extension."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"

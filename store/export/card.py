"""Writes an export's data-set card, manifest and Croissant metadata."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from store.export import Format
from store.export.tables import Column, Table
from store.export.writers import MEDIA_TYPES

MANIFEST = "MANIFEST.json"
CROISSANT = "croissant.json"
CARD = "README.md"

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The JSON-LD context of Croissant 1.0 (docs.mlcommons.org/croissant)."""


def write_card(
    folder: Path, kind: Format, tables: Sequence[Table], rows: Mapping[str, int], about: dict[str, Any]
) -> dict[str, Any]:
    """Write README.md, croissant.json and MANIFEST.json, and return the manifest's content.

    `about` is the manifest's content besides tables and files. The tables must be in `folder`/data already.
    """
    hashes = {table.name: _sha256(folder / _path(table, kind)) for table in tables}
    manifest = {
        **about,
        "format": str(kind),
        "tables": {
            table.name: {
                "file": _path(table, kind),
                "rows": rows[table.name],
                "columns": [column.name for column in table.columns],
                **({"not_kept": table.not_kept} if table.not_kept and not rows[table.name] else {}),
            }
            for table in tables
        },
    }
    croissant = _croissant(kind, tables, hashes, about)
    (folder / CROISSANT).write_text(json.dumps(croissant, indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(_card(kind, tables, rows, about), encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest["files"] = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in files
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def _path(table: Table, kind: Format) -> str:
    return f"data/{table.name}.{kind}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _croissant(
    kind: Format, tables: Sequence[Table], hashes: Mapping[str, str], about: dict[str, Any]
) -> dict[str, Any]:
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "respect-games",
        "description": "Reference games between people and a model that learns from what they say next.",
        "datePublished": about["cutoff"][:10],
        "version": f"{about['schema_version']}.0.0",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": f"{table.name}-file",
                "name": f"{table.name}-file",
                "contentUrl": _path(table, kind),
                "encodingFormat": MEDIA_TYPES[kind],
                "sha256": hashes[table.name],
            }
            for table in tables
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": table.name,
                "name": table.name,
                "description": table.about,
                "field": [_field(table, column, kind) for column in table.columns],
            }
            for table in tables
        ],
    }


def _field(table: Table, column: Column, kind: Format) -> dict[str, Any]:
    value = column.type
    while pa.types.is_list(value):
        value = value.value_type
    return {
        "@type": "cr:Field",
        "@id": f"{table.name}/{column.name.replace(' ', '_')}",
        "name": column.name,
        "description": column.about,
        "dataType": _croissant_type(value),
        **({"repeated": True} if pa.types.is_list(column.type) and kind is not Format.CSV else {}),
        "source": {"fileObject": {"@id": f"{table.name}-file"}, "extract": {"column": column.name}},
    }


def _croissant_type(value: pa.DataType) -> str:
    if pa.types.is_integer(value):
        return "sc:Integer"
    if pa.types.is_floating(value):
        return "sc:Float"
    if pa.types.is_boolean(value):
        return "sc:Boolean"
    return "sc:DateTime" if pa.types.is_timestamp(value) else "sc:Text"


def _card(kind: Format, tables: Sequence[Table], rows: Mapping[str, int], about: dict[str, Any]) -> str:
    lines = ["---", "pretty_name: Games of respect", "configs:"]
    for table in tables:
        if not rows[table.name]:
            continue  # `datasets` refuses to load a split without rows
        lines += [
            f"- config_name: {table.name}",
            "  data_files:",
            "  - split: train",
            f"    path: {_path(table, kind)}",
        ]
    lines += ["---", "", "# Games of respect", ""]
    lines += [
        "Reference games over figures between people (or simulated players) and a model that learns from what they say",
        "next, in the tables of the data set of *Retrospective Learning from Interactions* (arXiv 2410.13852) and",
        f"some more. Exported at {about['cutoff']} by respect {about['code_version']}.",
        "",
        "```python",
        "from datasets import load_dataset",
        'turns = load_dataset(FOLDER, name="turn", split="train")',
        "```",
        "",
        "Players are pseudonyms: HMAC-SHA256 under a secret that is kept elsewhere. Games played on Discord are here",
        "only where their player opted in to research. What people typed is as they typed it and may name somebody:",
        "read it before you publish it. References in the decoder tables come from the targets and are for evaluation.",
        "",
    ]
    if about["personal"]:
        lines += ["**This export names people (table `player`): do not publish it.**", ""]
    for scheme, decoder in about["decoders"].items():
        lines.append(f"- {scheme} feedback decoder: {decoder['decoder']}, version {decoder['version']}")
    lines += [f"- left out, {reason}: {count}" for reason, count in about["left_out"].items()]
    for table in tables:
        empty = f" No rows: {table.not_kept}." if table.not_kept and not rows[table.name] else ""
        lines += ["", f"## {table.name} ({rows[table.name]:,} rows)", "", table.about + empty, ""]
        lines += ["| column | type | holds |", "|---|---|---|"]
        lines += [f"| `{column.name}` | {column.type} | {column.about} |" for column in table.columns]
    return "\n".join(lines) + "\n"

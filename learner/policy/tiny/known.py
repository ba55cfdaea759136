"""The descriptions that an embedded policy was pretrained on, kept in its folder: rounds rehearse them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from games.figures import open_images

log = structlog.get_logger(__name__)

KNOWN_FILE = "descriptions.json"


@dataclass(frozen=True)
class KnownDescriptions:
    """What a policy was pretrained on."""

    images: str
    """The image set."""
    figures: Mapping[str, Sequence[str]]
    """Figure id -> its descriptions."""


NOTHING_KNOWN = KnownDescriptions("", {})


def write_known(known: KnownDescriptions, folder: Path) -> None:
    lines = {figure: list(descriptions) for figure, descriptions in known.figures.items()}
    content = {"images": known.images, "figures": lines}
    (folder / KNOWN_FILE).write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n", "utf-8")


def read_known(folder: Path) -> KnownDescriptions:
    """Read what a folder's policy was pretrained on, of the figures that are on this machine.

    `NOTHING_KNOWN` without the file or the image set: policies that were built before 2026-11-27 have no file. Raises
    ValueError if the file is damaged.
    """
    path = folder / KNOWN_FILE
    if not path.is_file():
        return NOTHING_KNOWN
    try:
        content = json.loads(path.read_text("utf-8"))
        known = KnownDescriptions(
            str(content["images"]),
            {figure: tuple(map(str, descriptions)) for figure, descriptions in content["figures"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is damaged: build or install the policy again") from None
    try:
        here = set(open_images(known.images).ids)
    except ValueError as error:
        log.warning("nothing to rehearse: the image set is not here", images=known.images, error=str(error))
        return NOTHING_KNOWN
    return KnownDescriptions(
        known.images, {each: known.figures[each] for each in known.figures if each in here}
    )

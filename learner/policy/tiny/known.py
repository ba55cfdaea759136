"""The descriptions of figures that an embedded policy was pretrained on. Its folder has them, and rounds rehearse them.

Placed descriptions and drawings, which it was pretrained on too, are not among them.
"""

import re
from collections import Counter
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from games.figures import open_images
from games.words import spoken
from learner.examples.seed import SeedError

log = structlog.get_logger(__name__)

KNOWN_FILE = "descriptions.json"


class KnownDescriptions(BaseModel):
    """What a policy was pretrained on."""

    model_config = ConfigDict(strict=True, frozen=True)

    images: str = ""
    """The image set."""
    figures: dict[str, tuple[str, ...]] = {}
    """Figure id -> its descriptions."""


NOTHING_KNOWN = KnownDescriptions()


def write_known(known: KnownDescriptions, folder: Path) -> None:
    (folder / KNOWN_FILE).write_text(known.model_dump_json(indent=1) + "\n", "utf-8")


def read_known(folder: Path) -> KnownDescriptions:
    """Read what a folder's policy was pretrained on, of the figures that are on this machine.

    `NOTHING_KNOWN` without the file, which older builds do not have, or without the image set. Raises `SeedError` if
    the file is damaged.
    """
    known = _read(folder)
    if known is None:
        log.warning(
            "nothing is rehearsed, so the policy may forget figures: build it again", policy=str(folder)
        )
        return NOTHING_KNOWN
    try:
        here = set(open_images(known.images).ids)
    except (ValueError, OSError, RuntimeError) as error:
        log.warning(
            "nothing is rehearsed: the image set cannot be opened", images=known.images, error=str(error)
        )
        return NOTHING_KNOWN
    if absent := known.figures.keys() - here:
        log.warning(
            "figures are not rehearsed, as they are not here", images=known.images, figures=len(absent)
        )
    return KnownDescriptions(
        images=known.images, figures={each: said for each, said in known.figures.items() if each in here}
    )


def known_words(folder: Path) -> Counter[str]:
    """The words of the descriptions that a folder's policy was pretrained on, of all figures, with their numbers. Those
    that occur once are left out: they may be typing errors. Empty without the file; raises `SeedError` as `read_known`
    does."""
    known = _read(folder) or NOTHING_KNOWN
    words = Counter(
        word
        for of in known.figures.values()
        for said in of
        for word in re.findall(r"(?<![\w'])[a-z]+(?![\w'])", spoken(said))
    )
    return Counter({word: number for word, number in words.items() if number > 1})


def _read(folder: Path) -> KnownDescriptions | None:
    path = folder / KNOWN_FILE
    if not path.is_file():
        return None
    try:
        return KnownDescriptions.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise SeedError(f"{path} is damaged: build or install the policy again") from None

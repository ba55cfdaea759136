"""A folder of adapters here that follows the one at a URL.

At the URL, the files of an adapter are in folders named by their hashes, and its card names them: what is fetched is
checked, and files that nobody's card names do no harm. The pointer and the cards are the same as here.
"""

import json
import shutil
import tempfile
from functools import cached_property
from pathlib import Path

import structlog
from filelock import FileLock

from learner.protocol import BASE_ADAPTER
from learner.registry.card import (
    CARD,
    CURRENT,
    NAME,
    AdapterError,
    adapter_problems,
    check_name,
    hashes,
    parse_card,
    read_card,
)
from learner.registry.recorded import Recorded, refuse_replaced
from learner.registry.remote import RemoteFolder
from store.folder import private_file, sync_folder, write_atomically

log = structlog.get_logger(__name__)

LOCK_FILE = ".mirror.lock"


class Mirror:
    """Follows the URL, and writes to it. Its methods raise AdapterError where it cannot be used."""

    def __init__(self, folder: Path, url: str, recorded: Recorded | None = None) -> None:
        """`recorded`: what is fetched must have these hashes; None: those of its card are believed."""
        self._folder = folder
        self._remote = RemoteFolder(url)
        self._recorded = recorded

    @cached_property
    def lock(self) -> FileLock:
        """Held by the process of this machine that changes the folder to what is at the URL, or both."""
        return FileLock(private_file(self._folder / LOCK_FILE))

    def pull(self, *, cards: bool = False) -> None:
        """Take over the pointer, after the adapter that it names; if something fails, the old one stays.

        When the pointer has changed, or with `cards`, the other adapters here get their cards anew, which an erasure
        may have changed.
        """
        with self.lock:
            text, here = self._remote.read(CURRENT), self._folder / CURRENT
            changed = text is not None and (not here.exists() or here.read_text() != text)
            if changed or cards:
                for card in self._folder.glob(f"*/{CARD}"):
                    if NAME.fullmatch(card.parent.name):
                        self._follow(card.parent.name)
            if text is None or not changed:
                return
            try:
                name = str(json.loads(text)["name"])
            except (ValueError, KeyError, TypeError) as error:
                raise AdapterError(f"{CURRENT} at RESPECT_STORE__ADAPTERS_URL cannot be read") from error
            if name != BASE_ADAPTER:
                self.fetch(name)
                if problems := adapter_problems(self._folder / name):
                    raise AdapterError("; ".join(problems))
            write_atomically(here, text)

    def _follow(self, name: str) -> None:
        try:
            self.fetch(name)
        except AdapterError as error:
            log.warning("an adapter does not follow the URL", adapter=name, error=str(error))

    def fetch(self, name: str) -> None:
        """Bring an adapter here, unless it is here, or not there. Only what has the hashes of its card is kept, which
        must be those that the database knows."""
        folder = self._folder / check_name(name)
        with self.lock:
            if (text := self.card(name)) is None:
                return
            card = parse_card(name, text)
            refuse_replaced(card, self._recorded)
            if not adapter_problems(folder) and read_card(folder).sha256 == card.sha256:
                if (folder / CARD).read_text() != text:
                    write_atomically(folder / CARD, text)
                return
            draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self._folder))
            try:
                for file, digest in card.sha256.items():
                    self._remote.download(f"{name}/{digest}/{file}", draft / file)
                if hashes(draft) != card.sha256:
                    raise AdapterError(f"{name} is not what its card says: its files have other hashes")
                (draft / CARD).write_text(text)
                for path in draft.iterdir():
                    path.chmod(0o600)
                sync_folder(draft)
                if folder.exists():
                    shutil.rmtree(folder)
                draft.replace(folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        log.info("adapter fetched", adapter=name)

    def upload(self, name: str) -> None:
        """Copy the files of an adapter to the URL. It is not there before its card is written, too."""
        folder = self._folder / name
        for file, digest in hashes(folder).items():
            self._remote.upload(folder / file, f"{name}/{digest}/{file}")

    def check_writable(self) -> None:
        """Write a file to the URL and delete it."""
        self._remote.check_writable()

    def names(self) -> list[str]:
        """Names of the adapters at the URL, and of what was begun there."""
        return sorted(filter(NAME.fullmatch, self._remote.names()))

    def card(self, name: str) -> str | None:
        """The text of an adapter's card; None if the adapter is not there."""
        return self._remote.read(f"{name}/{CARD}")

    def pointer(self) -> str | None:
        """The text of the pointer; None if there is none."""
        return self._remote.read(CURRENT)

    def write(self, path: str, text: str) -> None:
        """Write the pointer or a card."""
        self._remote.write(path, text)

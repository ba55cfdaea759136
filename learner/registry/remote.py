"""A folder at any URL that fsspec knows (`s3://…`, `file:///mnt/share/…`, `memory://…`), with what adapters need."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec

from learner.registry.card import AdapterError
from store.logs import message_of


class RemoteFolder:
    """Files appear there completely or not at all. Everything raises AdapterError where the URL cannot be used."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        try:
            return fsspec.url_to_fs(self._url)
        except (ValueError, ImportError) as error:  # no such storage, or its package is missing
            raise AdapterError(f"RESPECT_STORE__ADAPTERS_URL cannot be used: {error}") from error

    def read(self, path: str) -> str | None:
        """The text of a file; None if there is none."""
        with self._using("read") as (files, root):
            try:
                return files.cat_file(f"{root}/{path}").decode()
            except FileNotFoundError:
                return None

    def write(self, path: str, text: str) -> None:
        """Write a file, or replace it."""
        self._put(path, lambda files, to: files.pipe_file(to, text.encode()))

    def upload(self, file: Path, path: str) -> None:
        """Copy a file from here, or replace the one there."""
        self._put(path, lambda files, to: files.put_file(str(file), to))

    def download(self, path: str, file: Path) -> None:
        """Copy a file from there."""
        with self._using("read") as (files, root):
            files.get_file(f"{root}/{path}", str(file))

    def names(self) -> list[str]:
        """Names of what is in the folder."""
        with self._using("read") as (files, root):
            files.invalidate_cache()
            try:
                return [str(path).rstrip("/").rpartition("/")[2] for path in files.ls(root, detail=False)]
            except FileNotFoundError:
                return []

    def check_writable(self) -> None:
        """Write a file and delete it. Raises `AdapterError`."""
        path = f".check.{secrets.token_hex(4)}"
        self.write(path, "")
        with self._using("written") as (files, root):
            files.rm_file(f"{root}/{path}")

    def _put(self, path: str, write: Callable[[Any, str], object]) -> None:
        with self._using("written") as (files, root):
            final = f"{root}/{path}"
            draft = f"{final}.{secrets.token_hex(4)}.partial"
            files.makedirs(final.rpartition("/")[0], exist_ok=True)
            try:
                write(files, draft)
                files.mv(draft, final)
            except BaseException:
                if files.exists(draft):
                    files.rm_file(draft)
                raise

    @contextmanager
    def _using(self, done: str) -> Iterator[tuple[Any, str]]:
        try:
            files, root = self._opened
            yield files, root.rstrip("/")
        except AdapterError:
            raise
        except Exception as error:  # each kind of storage has its own
            raise AdapterError(
                f"The adapters at RESPECT_STORE__ADAPTERS_URL cannot be {done}: {message_of(error)}"
            ) from error

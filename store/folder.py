"""Files and folders for this user alone, and a folder that appears at once, complete, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderError(RuntimeError):
    """A folder cannot be created; the message says why and how to fix it."""


def private_folder(folder: Path) -> Path:
    """A folder that is made, with those on the way to it, for this user alone where it is not there yet."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    return folder


def private_file(path: Path) -> Path:
    """An empty file that is made, with its folder, for this user alone where it is not there yet."""
    private_folder(path.parent)
    path.touch(mode=0o600, exist_ok=True)
    return path


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `folder`. It is renamed to `folder` at the end, and removed on an error.

    Raises `FolderError` if `folder` is not empty or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderError(f"{folder} is not empty: name a folder that does not exist yet")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".partial", dir=folder.parent))
    except OSError as error:
        raise FolderError(f"{folder} cannot be written ({error.strerror})") from error
    try:
        yield partial
        mask = os.umask(0)
        os.umask(mask)
        partial.chmod(0o777 & ~mask)  # mkdtemp's mode is 700
        partial.replace(folder)
    except OSError as error:
        name = error.filename or folder  # may be an input file
        raise FolderError(f"{folder} was not made: {name}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)

"""The version of the program that writes rows."""

import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@lru_cache
def code_version() -> str:
    """The package's version, with the commit where it runs from a git checkout: "0.1.0+g1a2b3c4d5e6f".

    ".dirty" at the end means uncommitted changes.
    """
    try:
        number = version("respect")
    except PackageNotFoundError:
        number = "0"
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return number
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty=.dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return number
    return f"{number}+g{commit}"

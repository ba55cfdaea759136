"""Every declared dependency is used, every used one is declared, and no POSIX-only module is needed."""

import ast
import re
import sys
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.test_house import module_level_imports

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("bot", "cli", "games", "learner", "local_discord", "research", "sim", "store", "web")
NOT_IMPORTED = {
    "aiosqlite": "the driver that SQLAlchemy's asyncio loads for sqlite+aiosqlite://",
}
OPTIONAL = {
    "asyncpg": "of the extra `postgres`, imported only where the database is PostgreSQL",
}
WITH_DEV = {
    "jsonschema": "checks requests against Discord's own description, in tests only; of the extra `dev`",
    "referencing": "jsonschema's own",
}
POSIX_ONLY = ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog", "posix_ipc")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(lines: Sequence[str] = PROJECT["dependencies"]) -> set[str]:
    return {canonical(match[0]) for line in lines if (match := re.match(r"[\w.-]+", line))}


def modules() -> list[Path]:
    return [path for name in (*PACKAGES, "alembic") for path in sorted((ROOT / name).rglob("*.py"))]


@cache
def imported() -> frozenset[str]:
    """Distributions that any of our modules imports, on top or in a function."""
    distributions, found = packages_distributions(), set[str]()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                top = name.split(".")[0]
                if top not in sys.stdlib_module_names and top not in PACKAGES:
                    found.add(canonical(distributions[top][0]))
    return frozenset(found)


def test_every_dependency_is_imported_or_has_a_reason():
    assert declared() - imported() == NOT_IMPORTED.keys()


def test_everything_imported_is_declared():
    assert imported() - declared() == WITH_DEV.keys() | OPTIONAL.keys()


def test_every_dependency_is_pinned():
    pins = {canonical(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().split()}
    assert declared() | declared(PROJECT["optional-dependencies"]["postgres"]) <= pins


def test_every_module_can_be_imported_where_there_is_no_posix():
    for path in modules():
        names = {
            name.split(".")[0]
            for node in module_level_imports(ast.parse(path.read_text()).body)
            for name in (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
        }
        assert not names & set(POSIX_ONLY), (
            f"{path.relative_to(ROOT)}: import them in the function that needs them"
        )

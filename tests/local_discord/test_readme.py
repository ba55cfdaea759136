"""Runs the README's example, and checks the imports of the package."""

import ast
import re
import sys
import types
from pathlib import Path
from typing import get_args

import pytest

import local_discord

PACKAGE = Path(local_discord.__file__).parent
ROOT = PACKAGE.parent
README = (PACKAGE / "README.md").read_text()
MAY_IMPORT = {"local_discord", "aiohttp", "discord", "jsonschema", "PIL", "pydantic", "referencing", "yarl"}
"""Besides the standard library. yarl comes with aiohttp, referencing with jsonschema."""
OF_THIS_PROJECT = r"respect\b|tangram|multiref|lounge|/play\b|training round|kilogram"


def imports() -> dict[str, set[str]]:
    """module -> full names of what it imports; `from a import b` is both a and a.b."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.module and not node.level, f"{path}: import by full name"
                names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        found[".".join(path.relative_to(ROOT).with_suffix("").parts)] = names
    return found


(EXAMPLE,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
TESTS = re.findall(r"async def (test_\w+)", EXAMPLE)


@pytest.mark.parametrize("name", TESTS)
async def test_the_example_of_the_readme_tests_a_bot_of_its_own(name: str, monkeypatch: pytest.MonkeyPatch):
    example = types.ModuleType("test_bot")
    monkeypatch.setitem(sys.modules, "test_bot", example)
    exec(compile(EXAMPLE, "README.md", "exec"), example.__dict__)
    await getattr(example, name)()


def test_what_the_readme_names_exists():
    for name in re.findall(
        r"`(\w+)\(|`(\w+)`(?=,|\s\|)", README.split("## What of Discord")[0].split("## People")[1]
    ):
        assert hasattr(local_discord.Person, name[0] or name[1]), name
    rows = re.findall(r"^\| `(\w+)` \|", README.split("## Faults")[1].split("## The page")[0], re.MULTILINE)
    assert rows == ["kind", *get_args(local_discord.Fault.model_fields["kind"].annotation)]


def test_it_imports_only_itself_and_what_it_needs():
    allowed = MAY_IMPORT | set(sys.stdlib_module_names)
    strangers = {
        module: more
        for module, names in imports().items()
        if (more := {n.split(".")[0] for n in names} - allowed)
    }
    assert not strangers


@pytest.mark.parametrize(
    "path",
    [p for p in PACKAGE.rglob("*") if p.suffix in {".py", ".js", ".html", ".css", ".svg"}],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_it_contains_no_names_of_this_project(path: Path):
    assert not re.findall(OF_THIS_PROJECT, path.read_text(), re.IGNORECASE)

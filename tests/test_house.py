"""The house: imports only point down, and the listener never sees the targets."""

import ast
import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

import pytest

from games import GAMES
from learner.protocol import TurnRequest
from store.training import Interaction

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "games": set[str](),
    "store": {"games"},
    "learner": {"games", "store"},
    "web": {"games", "store"},
    "bot": {"games", "store", "web", "learner"},
    "local_discord": set[str](),
    "sim": {"games", "store", "learner", "web", "bot", "local_discord"},
    "cli": {"games", "store", "learner", "web", "bot", "local_discord", "sim"},
}
BOT_MAY_IMPORT_OF_LEARNER = {
    "learner.serving.client",
    "learner.protocol",
    "learner.settings",
    "learner.rounds",
    "learner.registry",
}
MODULES = sorted(path for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))


CYCLES_LEFT = {"local_discord": {"local_discord.payloads", "local_discord.world"}}
"""Modules of a package that still import each other in a circle. Delete an entry once they do not."""


def name_of(path: Path) -> str:
    """A file's module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def module_level_imports(body: Sequence[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports outside of functions, those for typing alone (`if TYPE_CHECKING:`) among them."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "handlers", "finalbody"):
                yield from module_level_imports(getattr(node, field, ()))


def modules_loaded_by(path: Path, modules: Set[str]) -> set[str]:
    """Those of `modules` that importing a file loads: what it names, and the packages on the way there.

    Packages that the file itself is in do not count: they are loaded before it.
    """
    names = set()
    for node in module_level_imports(ast.parse(path.read_text()).body):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        else:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= inner if inner <= modules else {*inner, str(node.module)}
    parts = [name.split(".") for name in names]
    loaded = {".".join(each[:length]) for each in parts for length in range(1, len(each) + 1)}
    own = name_of(path).split(".")
    outer = {".".join(own[:length]) for length in range(1, len(own) + (path.name == "__init__.py"))}
    direct = {name for name in names if name in modules}
    return (loaded & modules - outer) | (direct & outer - {name_of(path)})


def in_a_cycle(graph: Mapping[str, Set[str]]) -> set[str]:
    """Nodes that lead back to themselves."""

    def reached(start: str) -> set[str]:
        found, waiting = set[str](), [start]
        while waiting:
            new = graph[waiting.pop()] - found
            found |= new
            waiting += new
        return found

    return {name for name in graph if name in reached(name)}


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by full name"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_point_down(path: Path):
    room = path.relative_to(ROOT).parts[0]
    up = {
        name
        for name in imports_of(path)
        if (other := name.split(".")[0]) in MAY_IMPORT and other != room and other not in MAY_IMPORT[room]
    }
    assert not up, f"{room} may not import {up}"
    if room == "bot":
        learner = {name for name in imports_of(path) if name.split(".")[0] == "learner"}
        assert learner <= BOT_MAY_IMPORT_OF_LEARNER


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_no_imports_in_a_circle(room: str):
    paths = {name_of(path): path for path in MODULES if path.relative_to(ROOT).parts[0] == room}
    graph = {name: modules_loaded_by(path, paths.keys()) for name, path in paths.items()}
    assert in_a_cycle(graph) == CYCLES_LEFT.get(room, set())


@pytest.mark.parametrize(
    ("files", "cycle"),
    [
        ({"p.a": "from p.b import x", "p.b": "def f():\n    import p.a"}, set()),
        ({"p.a": "from p.b import x", "p.b": "if TYPE_CHECKING:\n    from p import a"}, {"p.a", "p.b"}),
        ({"p.a": "import p.q.c", "p.q.__init__": "from p.q.d import x", "p.q.c": "", "p.q.d": ""}, set()),
        (
            {
                "p.a": "import p.q.c",
                "p.q.__init__": "from p.q.d import x",
                "p.q.c": "",
                "p.q.d": "import p.a",
            },
            {"p.a", "p.q", "p.q.d"},
        ),
    ],
)
def test_circles_are_found(
    files: dict[str, str], cycle: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("test_house.ROOT", tmp_path)
    paths = {name: tmp_path.joinpath(*name.split(".")).with_suffix(".py") for name in files}
    for name, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name])
    modules = {name_of(path) for path in paths.values()}
    graph = {name_of(path): modules_loaded_by(path, modules) for path in paths.values()}
    assert in_a_cycle(graph) == cycle


@pytest.mark.parametrize(
    ("room", "stranger"),
    [
        ("games", "torch"),
        ("games", "discord"),
        ("games", "sqlmodel"),
        ("learner", "discord"),
        ("bot", "torch"),
        ("bot", "transformers"),
        ("web", "discord"),
        ("store", "torch"),
    ],
)
def test_a_room_keeps_strangers_out(room: str, stranger: str):
    found = [
        path.relative_to(ROOT)
        for path in (ROOT / room).rglob("*.py")
        if stranger in {name.split(".")[0] for name in imports_of(path)}
    ]
    assert not found


def test_nothing_the_listener_or_training_is_given_has_targets():
    given = set(TurnRequest.model_fields) | {field.name for field in dataclasses.fields(Interaction)}
    for game in GAMES.values():
        given |= set(inspect.signature(game.prompt).parameters)
        given |= set(inspect.signature(game.legal_actions).parameters)
    assert not {name for name in given if "target" in name or "deal" in name}


def test_the_learner_never_reads_targets():
    readers = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "learner").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr == "targets")
        or (isinstance(node, ast.Name) and node.id in {"deal_of", "Deal"})
    ]
    # Scoring a decoder against finished human games is evaluation, the one thing targets are for.
    assert set(readers) <= {"learner/feedback/evaluate.py"}

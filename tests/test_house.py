"""Architecture: imports only point down, and the listener never sees the targets."""

import ast
import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cache
from pathlib import Path

import pytest

from games import DEFAULT_GAME, GAMES
from learner.protocol import TurnRequest
from store.training import Interaction

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "games": set[str](),
    "store": {"games"},
    "learner": {"games", "store"},
    "research": {"games", "store", "learner"},
    "web": {"games", "store", "research"},
    "bot": {"games", "store", "web", "learner", "research"},
    "local_discord": set[str](),
    "sim": {"games", "store", "learner", "research", "web", "bot", "local_discord"},
    "cli": {"games", "store", "learner", "research", "web", "bot", "local_discord", "sim"},
}
BOT_MAY_IMPORT_OF_LEARNER = {
    "learner.serving.client",
    "learner.protocol",
    "learner.settings",
    "learner.rounds",
    "learner.rounds.process",
    "learner.registry",
}
LEARNER_FLOORS = (
    {"protocol", "settings", "feedback"},
    {"conversation", "registry", "examples"},
    {"policy"},
    {"training", "serving"},
    {"rounds", "llm"},
)
"""The floors of `learner/`, lowest first. Packages import only from lower floors."""
MODULES = sorted(path for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes_of(path: Path) -> Sequence[ast.AST]:
    return tuple(ast.walk(tree_of(path)))


def name_of(path: Path) -> str:
    """The module name of a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def module_level_imports(body: Sequence[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports outside of functions, including those for typing only (`if TYPE_CHECKING:`)."""
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
    for node in module_level_imports(tree_of(path).body):
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
    """Nodes that are on a cycle."""

    def reached(start: str) -> set[str]:
        found, waiting = set[str](), [start]
        while waiting:
            new = graph[waiting.pop()] - found
            found |= new
            waiting += new
        return found

    return {name for name in graph if name in reached(name)}


@cache
def imports_of(path: Path) -> Set[str]:
    names = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by full name"
            names.add(node.module or "")
            if node.module == "learner":
                names |= {f"learner.{alias.name}" for alias in node.names}
    return names


def test_imports_only_point_down():
    for path in MODULES:
        where = path.relative_to(ROOT)
        room = where.parts[0]
        up = {
            name
            for name in imports_of(path)
            if (other := name.split(".")[0]) in MAY_IMPORT and other != room and other not in MAY_IMPORT[room]
        }
        assert not up, f"{where} may not import {up}"
        if room == "bot":
            learner = {name for name in imports_of(path) if name.split(".")[0] == "learner"}
            assert learner <= BOT_MAY_IMPORT_OF_LEARNER, where


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_no_imports_in_a_circle(room: str):
    paths = {name_of(path): path for path in MODULES if path.relative_to(ROOT).parts[0] == room}
    graph = {name: modules_loaded_by(path, paths.keys()) for name, path in paths.items()}
    assert not in_a_cycle(graph)


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


def test_imports_inside_the_learner_only_point_down():
    floor_of = {name: number for number, names in enumerate(LEARNER_FLOORS) for name in names}
    for path in MODULES:
        if not path.is_relative_to(ROOT / "learner") or path == ROOT / "learner/__init__.py":
            continue
        own = path.relative_to(ROOT / "learner").with_suffix("").parts[0]
        others = {name.split(".")[1] for name in imports_of(path) if name.startswith("learner.")} - {own}
        assert others <= floor_of.keys(), f"say in LEARNER_FLOORS where {others - floor_of.keys()} belong"
        up = {other for other in others if own not in floor_of or floor_of[other] >= floor_of[own]}
        assert not up, f"{path.relative_to(ROOT)} may not import learner.{up}"


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
def test_third_party_packages_stay_in_their_layers(room: str, stranger: str):
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
        given |= set(inspect.signature(game.initial_state).parameters)
    assert not {name for name in given if "target" in name or "deal" in name}


def test_nobody_outside_games_knows_a_game():
    """To add a game, only a module in `games` and an entry in `GAMES` are needed."""
    modules = {type(game).__module__ for game in GAMES.values()}
    for path in MODULES:
        where = path.relative_to(ROOT)
        if where.parts[0] == "games":
            continue
        assert not imports_of(path) & modules, where
        named = [
            node.slice.value
            for node in nodes_of(path)
            if isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id == "GAMES"
            and isinstance(node.slice, ast.Constant)
        ]
        named += [
            keyword.value.value
            for node in nodes_of(path)
            if isinstance(node, ast.Call)
            for keyword in node.keywords
            if keyword.arg in {"game", "games"}
            and isinstance(keyword.value, ast.Constant)
            and keyword.value.value in GAMES
        ]
        named += [
            node.value
            for node in nodes_of(path)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and DEFAULT_GAME in node.value.lower()
        ]
        assert not named, where


def test_the_learner_never_reads_targets():
    readers = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "learner").rglob("*.py")
        for node in nodes_of(path)
        if (isinstance(node, ast.Attribute) and node.attr == "targets")
        or (isinstance(node, ast.Name) and node.id in {"deal_of", "Deal"})
    ]
    # Scoring a decoder on finished games is evaluation, so it may read the targets.
    assert set(readers) == {"learner/feedback/evaluate.py"}

"""The house: imports only point down, and the listener never sees the targets."""

import ast
import dataclasses
import inspect
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
        given |= set(inspect.signature(game.initial_state).parameters)
    assert not {name for name in given if "target" in name or "deal" in name}


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.relative_to(ROOT).parts[0] != "games"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_nobody_outside_games_knows_a_game(path: Path):
    """Another game is one more module in `games` and one more entry in `GAMES`."""
    modules = {type(game).__module__ for game in GAMES.values()}
    assert not imports_of(path) & modules
    tree = ast.parse(path.read_text())
    named = [
        node.slice.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and ast.unparse(node.value) == "GAMES"
        and isinstance(node.slice, ast.Constant)
    ]
    named += [
        keyword.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in {"game", "games"}
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value in GAMES
    ]
    named += [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and DEFAULT_GAME in node.value.lower()
    ]
    assert not named


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

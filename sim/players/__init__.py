"""Simulated players: built-in ones by name, and custom ones from a Python file."""

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from sim.players.attacks import ATTACKS, Attack, AttackName
from sim.players.fresh import FreshPlayers
from sim.players.people import PeoplePlayer, Personality, patient, people, poison, terse
from sim.players.view import PlayerFactory, SimulatedPlayer, Speaker, View

__all__ = [
    "ATTACKS",
    "PLAYERS",
    "Attack",
    "AttackName",
    "FreshPlayers",
    "PeoplePlayer",
    "Personality",
    "PlayerFactory",
    "SimulatedPlayer",
    "Speaker",
    "View",
    "open_players",
]

PLAYERS: dict[str, PlayerFactory] = {"people": people, "patient": patient, "terse": terse, "poison": poison}
FRESH = "fresh"
"""Players who share descriptions, so that each deployment needs its own factory."""


def open_players(spec: str) -> PlayerFactory:
    """The factory that `spec` names: one of `PLAYERS`, "fresh", or "path/to/file.py:factory".

    Open "fresh" once for each deployment: the players of one factory never use the same description twice. Raises
    ValueError that says how to fix the spec; so does the factory if what it returns is not a player.
    """
    if spec in PLAYERS:
        return PLAYERS[spec]
    if spec == FRESH:
        return FreshPlayers()
    path, colon, name = spec.rpartition(":")
    if not colon or not path.endswith(".py") or not name:
        raise ValueError(
            f"Unknown players {spec!r}: expected {', '.join((*PLAYERS, FRESH))} or 'path/to/file.py:factory'"
        )
    factory = getattr(_load(Path(path)), name, None)
    if factory is None:
        raise ValueError(f"{path} has no {name!r}: define a function {name}(rng, descriptions) in it")
    if not callable(factory):
        raise ValueError(f"{name!r} in {path} is not a function: define {name}(rng, descriptions)")

    def checked(rng: random.Random, descriptions: dict[str, list[str]]) -> SimulatedPlayer:
        player: Any = factory(rng, descriptions)
        if not callable(getattr(player, "speak", None)):
            raise ValueError(
                f"{spec} gave a {type(player).__name__} without a speak(view) method: add one that returns "
                "the next utterance, or None to give up"
            )
        return player

    return checked


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"There is no file {path}: give the path of a Python file with a player factory")
    name = f"sim_players_{path.stem}_{abs(hash(str(path.resolve())))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up their module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ValueError(f"{path} could not be loaded: {type(error).__name__}: {error}") from error
    return module

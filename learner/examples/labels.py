"""Training examples: games with labelled turns; their digest, lineage and held-out split."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, get_args

from games.core import Step
from learner.feedback import Scheme
from learner.settings import System
from store.training import Interaction, LineageEntry

ObjectiveName = Literal["sup", "rl", "kto"]


REWARDS: dict[ObjectiveName, dict[int, float]] = {
    "sup": {1: 1.0},
    "rl": {1: 1.0, -1: -0.1},
    "kto": {1: 1.0, -1: -1.0},
}
"""Reward of each label; turns with other labels have no gradient and are dropped."""


class DecodedFeedback(Protocol):
    """A decoder's verdict on a turn (`store.training.StoredVerdict`, `learner.feedback.Verdict`)."""

    @property
    def label(self) -> int: ...

    @property
    def confidence(self) -> float: ...


@dataclass(frozen=True)
class TurnLabel:
    """One labelled action in one turn of a game."""

    step: int
    turn_id: int
    action: str
    """The action that was executed, or the one that hindsight replaces it by."""
    reward: float
    weight: float = 1.0
    behaviour_logp: float | None = None
    """log p₀, if the objective needs it; the loss is then computed on the board exactly as it was played."""


@dataclass(frozen=True)
class TrainingGame:
    """One interaction with its labelled turns; turns after the last label are left out."""

    game_id: str
    game: str
    images: str
    context: tuple[str, ...]
    """Figure ids in the listener's order."""
    steps: tuple[Step, ...]
    labels: tuple[TurnLabel, ...]
    """In order of turns."""
    rejected: tuple[TurnLabel, ...] = ()
    """Turns whose pick was rejected, in order, for policies that learn which figure an utterance does not describe.
    They have no right action."""
    possible: tuple[str, ...] = ()
    """Figures that the utterances can refer to; empty means all figures of the board."""


def parse_system(system: str) -> tuple[Scheme, ObjectiveName]:
    """(scheme, objective) of a system in the paper's names. `control` decodes and never trains."""
    schemes: dict[str, Scheme] = {"b": "binary", "t": "ternary"}
    scheme, _, objective = system.partition("-")
    if system == "control":
        return "binary", "sup"
    if scheme not in schemes or objective not in REWARDS:
        raise ValueError(
            f"Unknown system {system!r}: expected {', '.join(get_args(System)[:-1])} or {get_args(System)[-1]}"
        )
    return schemes[scheme], objective


def lineage(games: Sequence[TrainingGame]) -> list[LineageEntry]:
    """The turns of a training set with their rewards and weights, for the store.

    A rejected turn, which has no right action, has the reward 0. There are none if the policy cannot learn from
    them (`Hindsight.usable`).
    """
    turns = {}
    for game in games:
        for label in (*game.rejected, *game.labels):
            turns[label.turn_id] = LineageEntry(label.turn_id, label.reward, label.weight)
    return list(turns.values())


def digest(games: Sequence[TrainingGame]) -> str:
    """SHA-256 of a training set, in hex: equal for identical sets only."""
    digest = hashlib.sha256(b"[")
    for number, game in enumerate(games):  # the JSON of the whole list, without holding it
        digest.update((", " if number else "").encode() + json.dumps(asdict(game)).encode())
    digest.update(b"]")
    return digest.hexdigest()


HELD_OUT_SHARE = 0.1
"""Share of the games that are held out for the gate."""


def is_held_out(game_id: str, share: float = HELD_OUT_SHARE) -> bool:
    """Whether a game is among those that are held out. It depends on its id alone, so that it is so for good."""
    return int.from_bytes(hashlib.sha256(game_id.encode()).digest()[:8], "big") < share * 2**64


def split_held_out(
    interactions: Sequence[Interaction], trained_on: Collection[str] = ()
) -> tuple[list[Interaction], list[Interaction]]:
    """(for training, held out for the gate): no round ever trains on the second.

    `trained_on`: ids of games that adapters were trained on before games were held out for good. They stay in training,
    because no adapter made from those can be judged by them.
    """
    held_out = [one for one in interactions if is_held_out(one.game_id) and one.game_id not in trained_on]
    chosen = {one.game_id for one in held_out}
    return [one for one in interactions if one.game_id not in chosen], held_out

"""Simulated players who attack what the policy learns."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from sim.players.fresh import FreshPlayers
from sim.players.people import PeoplePlayer, people
from sim.players.view import PlayerFactory

AttackName = Literal["none", "poison", "sybil", "rename", "half", "target", "sleeper"]
"""How some of the players attack:

- none: they do not play, so that the games of the other players can be compared with those beside an attack;
- poison: they praise wrong picks and reject right ones, with true descriptions;
- sybil: the same, with a new account for each game;
- rename: their feedback is true, but all of them exchange the descriptions of figures in the same way;
- half: they poison half of their turns;
- target: of the figures of a board that are no target, they always praise the first by id;
- sleeper: they poison from a later round on.
"""
ATTACKS: tuple[str, ...] = get_args(AttackName)


@dataclass(frozen=True)
class Attack:
    """An attack by a share of the players, who play the same share of the games."""

    name: AttackName = "none"
    share: float = 0.0
    """0 to 1."""
    begins: int | None = None
    """The first round in which they attack; before it they play like the others. None is 1 for sleeper, else 0."""

    def __post_init__(self) -> None:
        if self.name not in ATTACKS:
            raise ValueError(f"Unknown attack {self.name!r}: expected {', '.join(ATTACKS)}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"The share of attacking players is {self.share}: give one from 0 to 1")
        if self.name == "none" and self.share == 1:
            raise ValueError("All players attack, and the attack is none: give a share below 1, or an attack")

    @property
    def first_round(self) -> int:
        """The first round in which they attack."""
        return self.begins if self.begins is not None else int(self.name == "sleeper")

    @property
    def renews_accounts(self) -> bool:
        """Whether they play each game with a new account."""
        return self.name == "sybil"

    def attacker(
        self, players: PlayerFactory, rng: random.Random, descriptions: dict[str, list[str]]
    ) -> PeoplePlayer:
        """An attacking player, with the words of `players` if those share words, else like `people`."""
        factory = players if isinstance(players, FreshPlayers) else people
        player = factory(rng, exchanged(descriptions) if self.name == "rename" else descriptions)
        lies = {"poison": 1.0, "sybil": 1.0, "sleeper": 1.0, "half": 0.5}.get(self.name, 0.0)
        player.personality = replace(player.personality, lies=lies, favours=self.name == "target")
        return player


def exchanged(descriptions: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Every figure with the descriptions of another one, always the same."""
    ids = sorted(descriptions)
    random.Random("rename").shuffle(ids)
    return {figure: descriptions[other] for figure, other in zip(ids, ids[1:] + ids[:1], strict=True)}

"""How games went and what was learnt from them, counted by the database. For people to see, never for training."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from statistics import NormalDist
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, case, literal_column
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from games.core import Outcome
from store.models import (
    Adapter,
    AdapterPlayer,
    AdapterStatus,
    AdapterTurn,
    ConsentKind,
    Game,
    Origin,
    Player,
    Turn,
)
from store.players import agreed
from store.study_tables import Assignment

USED = (AdapterStatus.CURRENT, AdapterStatus.RETIRED)
"""The status of adapters that play or have played. Rejected ones and candidates are not counted as learning."""
IN_STUDIES = "(study)"
"""In place of an adapter's name, for games in studies."""
_Z = NormalDist().inv_cdf(0.975)


def wilson95(share: float, number: float) -> tuple[float, float]:
    """Wilson's 95% score interval of a share of a number, which may be an effective one."""
    centre = share + _Z**2 / (2 * number)
    half = _Z * sqrt(share * (1 - share) / number + (_Z / (2 * number)) ** 2)
    scale = 1 + _Z**2 / number
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def newcombe95(
    share: float, interval: tuple[float, float], other: float, other_interval: tuple[float, float]
) -> tuple[float, float]:
    """95% interval of a share minus another, from the Wilson intervals of both: Newcombe (1998), method 10."""
    (low, high), (other_low, other_high) = interval, other_interval
    below = sqrt((share - low) ** 2 + (other_high - other) ** 2)
    above = sqrt((high - share) ** 2 + (other - other_low) ** 2)
    return share - other - below, share - other + above


@dataclass(frozen=True)
class Scope:
    """Which finished games are counted: a player's, a guild's, or all. Imported games never are."""

    player_id: int | None = None
    guild_id: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions on `Game`."""
        found = [col(Game.outcome) != Outcome.OPEN, col(Game.origin) != Origin.IMPORTED]
        if self.player_id is not None:
            found.append(col(Game.player_id) == self.player_id)
        if self.guild_id is not None:
            found.append(col(Game.guild_id) == self.guild_id)
        return found


@dataclass(frozen=True)
class Success:
    """At least one finished game. Games that were given up count as not won."""

    games: int
    won: int

    @property
    def success(self) -> float:
        """Share of games that were won."""
        return self.won / self.games

    @property
    def success_ci95(self) -> tuple[float, float]:
        """Wilson's 95% score interval of that share."""
        return wilson95(self.success, self.games)


@dataclass(frozen=True)
class Tally(Success):
    """The same with the turns of these games."""

    turns: int

    @property
    def turns_per_game(self) -> float:
        """Mean turns of a game, won or not."""
        return self.turns / self.games

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.games + other.games, self.won + other.won, self.turns + other.turns)


@dataclass(frozen=True)
class Standing:
    """How one player's games went."""

    user_id: str
    """The player's id on the platform."""
    tally: Tally

    @property
    def quality(self) -> tuple[float, float]:
        """Less is better. By the lower end of the success interval, so that many games count for more than a few
        lucky ones; then by fewer turns a game."""
        return -self.tally.success_ci95[0], self.tally.turns_per_game


@dataclass(frozen=True)
class Learnt:
    """The games that an adapter was trained on and that are still kept."""

    games: int
    since: datetime
    """When the first of them began."""


@dataclass(frozen=True)
class LearntFromGame:
    """What the newest adapter that played took from one game."""

    adapter: str
    right: int
    """Turns that it was trained to repeat."""
    wrong: int
    """Turns that it was trained to avoid."""


def _turns() -> ScalarSelect[int]:
    query = select(func.count()).select_from(Turn).where(Turn.game_id == Game.id)
    return query.correlate(Game).scalar_subquery()


_WON = func.sum(case((col(Game.outcome) == Outcome.WON, 1), else_=0))


async def tallies_by_adapter(session: AsyncSession, scope: Scope) -> dict[str, Tally]:
    """Adapter that played -> tally of its games, in the order in which adapters began to play.

    Games in studies are together under `IN_STUDIES`, because players must not know which arm they are in.
    """
    adapter: Any = Game.adapter
    if (await session.exec(select(Assignment.game_id).limit(1))).first() is not None:
        assigned = select(Assignment.game_id).where(Assignment.game_id == Game.id).correlate(Game).exists()
        # A literal, because PostgreSQL takes two parameters of one value for different expressions.
        adapter = case((assigned, literal_column(f"'{IN_STUDIES}'")), else_=col(Game.adapter))
    query = (
        select(adapter, func.count(), _WON, func.sum(_turns()))
        .where(*scope.conditions())
        .group_by(adapter)
        .order_by(func.min(Game.started_at), adapter)
    )
    return {name: Tally(games, won, turns) for name, games, won, turns in await session.exec(query)}


async def count_learnt_from(session: AsyncSession, scope: Scope) -> int:
    """Number of games that an adapter which plays or has played was trained on."""
    trained_on = (
        select(AdapterTurn.turn_id)
        .join(Turn, col(Turn.id) == AdapterTurn.turn_id)
        .join(Adapter, col(Adapter.id) == AdapterTurn.adapter_id)
        .where(Turn.game_id == Game.id, col(Adapter.status).in_(USED))
        .exists()
    )
    query = select(func.count()).select_from(Game).where(*scope.conditions(), trained_on)
    return (await session.exec(query)).one()


async def learnt_by(session: AsyncSession, adapter: str) -> Learnt | None:
    """The games that an adapter was trained on; None for the base model and where all have been erased."""
    query = (
        select(func.sum(AdapterPlayer.games), func.min(AdapterPlayer.since))
        .join(Adapter, col(Adapter.id) == AdapterPlayer.adapter_id)
        .where(Adapter.name == adapter)
    )
    games, since = (await session.exec(query)).one()
    return Learnt(games, since) if games else None


async def learnt_from_game(session: AsyncSession, game_id: str) -> LearntFromGame | None:
    """What was learnt from a game, None if nothing was (yet)."""
    right = func.sum(case((col(AdapterTurn.reward) > 0, 1), else_=0))
    query = (
        select(Adapter.name, right, func.count())
        .join(AdapterTurn, col(AdapterTurn.adapter_id) == Adapter.id)
        .join(Turn, col(Turn.id) == AdapterTurn.turn_id)
        .where(Turn.game_id == game_id, col(Adapter.status).in_(USED))
        .group_by(col(Adapter.id), col(Adapter.name))
        .order_by(col(Adapter.id).desc())
    )
    found = (await session.exec(query)).first()
    return LearntFromGame(found[0], found[1], found[2] - found[1]) if found else None


async def standings(
    session: AsyncSession,
    origin: Origin,
    guild_id: str,
    least_games: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Standing]:
    """The players of a guild by their games that ended from `since` to before `until`, the best first.

    Left out are games whose difficulty was chosen, players with fewer than `least_games` others, and those who do not
    want to be listed.
    """
    query = (
        select(Player.external_id, func.count(), _WON, func.sum(_turns()))
        .select_from(Game)
        .join(Player, col(Player.id) == Game.player_id)
        .where(
            *Scope(guild_id=guild_id).conditions(),
            col(Game.origin) == origin,
            col(Game.difficulty).is_(None),
            col(Player.id).not_in(agreed(ConsentKind.UNLISTED)),
        )
        .group_by(col(Player.id), col(Player.external_id))
        .having(func.count() >= least_games)
        .order_by(col(Player.id))
    )
    if since is not None:
        query = query.where(col(Game.ended_at) >= since)
    if until is not None:
        query = query.where(col(Game.ended_at) < until)
    found = [
        Standing(user, Tally(games, won, turns)) for user, games, won, turns in await session.exec(query)
    ]
    return sorted(found, key=lambda standing: standing.quality)


def places(ordered: Sequence[Standing]) -> list[int]:
    """The place of each, from 1. Equals share a place, and the places after it are left out: 1, 2, 2, 4."""
    found: list[int] = []
    for number, standing in enumerate(ordered, 1):
        tied = number > 1 and ordered[number - 2].quality == standing.quality
        found.append(found[-1] if tied else number)
    return found


async def finished_games_of(session: AsyncSession, player_id: int, limit: int = 25) -> Sequence[Game]:
    """A player's finished games with at least one turn, the newest first."""
    query = (
        select(Game)
        .where(Game.player_id == player_id, Game.outcome != Outcome.OPEN)
        .where(select(Turn.id).where(Turn.game_id == Game.id).exists())
        .order_by(col(Game.ended_at).desc(), col(Game.id))
        .limit(limit)
    )
    return (await session.exec(query)).all()


@dataclass(frozen=True)
class Gain:
    """The difference between two shares of won games, and its 95% interval."""

    difference: float
    low: float
    high: float


def gain(new: Success, before: Success) -> Gain:
    """How much more of its games one adapter won than another."""
    difference = new.success - before.success
    return Gain(difference, *newcombe95(new.success, new.success_ci95, before.success, before.success_ci95))

"""The paper's measures over finished games. For evaluation only: this module reads the targets."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from sqlmodel import Session, case, col, func, select

from games import GAMES
from games.core import Outcome, change_by_place, places
from store.models import Feedback, Game, Origin, Turn
from store.standings import Success

GAMES_AT_A_TIME = 500
IDS_AT_A_TIME = 5_000
"""Limits of what one query asks for; SQLite allows 32,766 parameters."""
DRAWS_AT_A_TIME = 1_000_000
"""Numbers that the bootstrap holds in memory."""
FINISHED_HERE = (col(Game.outcome) != Outcome.OPEN, col(Game.origin) != Origin.IMPORTED)

_GAME = cast(Any, Game).__table__.c


@dataclass(frozen=True)
class RoundStatistics:
    """Measures of one round's policy over the interactions played with it."""

    round: int
    adapter: str
    """The adapter that the games were played with."""
    interactions: int
    success: float
    success_ci95: tuple[float, float]
    turns: float
    """Mean turns per interaction."""
    click_accuracy: float
    """Share of clicks that select a target or deselect a non-target."""
    positive_rate: float | None
    """Share of all turns whose decoded feedback is positive; None if no turn is decoded."""
    decoder_precision: float | None = None
    """Share of turns decoded as positive whose clicks were all right; None if there are no such turns."""
    decoder_recall: float | None = None
    """Share of turns with all clicks right, among the decoded ones, that were decoded as positive."""


def bootstrap_ci95(values: Sequence[float], resamples: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean, resampling interactions."""
    if not values:
        return (0.0, 0.0)
    array, rng = np.asarray(values, dtype=float), np.random.default_rng(seed)
    rows = max(1, DRAWS_AT_A_TIME // len(array))
    means = np.concatenate(
        [
            array[rng.integers(0, len(array), size=(min(rows, resamples - done), len(array)))].mean(axis=1)
            for done in range(0, resamples, rows)
        ]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return (float(low), float(high))


def success_by_adapter(session: Session) -> dict[str, Success]:
    """Adapter -> success in its games, in the order of the rounds in which adapters began to play.

    To compare adapters: without imported games, and without those whose difficulty was chosen.
    """
    games, won = func.count(), func.sum(case((col(Game.outcome) == Outcome.WON, 1), else_=0))
    query = (
        select(Game.round, Game.adapter, games, won)
        .where(*FINISHED_HERE, col(Game.difficulty).is_(None))
        .group_by(col(Game.round), col(Game.adapter))
        .order_by(col(Game.round), col(Game.adapter))
    )
    found: dict[str, Success] = {}
    for _, adapter, games_of, won_of in session.exec(query):
        before = found.get(adapter, Success(0, 0))
        found[adapter] = Success(before.games + games_of, before.won + int(won_of))
    return found


def games_played_with(session: Session, adapter: str, since: datetime, at_most: int) -> int:
    """Number of the games of `success_by_adapter` with an adapter that ended after a time, counted up to
    `at_most`."""
    played = (Game.adapter == adapter, col(Game.difficulty).is_(None), col(Game.ended_at) > since)
    query = select(Game.id).where(*FINISHED_HERE, *played)
    return session.exec(select(func.count()).select_from(query.limit(at_most).subquery())).one()


def has_finished_games(session: Session) -> bool:
    """Whether `round_statistics` would give any row."""
    return session.exec(select(Game.id).where(*FINISHED_HERE).limit(1)).first() is not None


def round_statistics(session: Session, scheme: str = "binary") -> list[RoundStatistics]:
    """One row per round and adapter with finished games, in order of rounds, without imported games.

    Reads all turns, some thousand at a time.
    """
    query = (
        sa.select(
            _GAME.round, _GAME.adapter, _GAME.id, _GAME.game, _GAME.listener, _GAME.targets, _GAME.outcome
        )
        .where(*FINISHED_HERE)
        .order_by(col(Game.round), col(Game.adapter), col(Game.id))
    )
    sums: dict[tuple[int, str], _Sums] = {}
    for games in session.execute(query.execution_options(yield_per=GAMES_AT_A_TIME)).partitions():
        turns = _turns_by_game(session, [game.id for game in games])
        positive = _positive(session, [turn_id for rows in turns.values() for turn_id, _, _ in rows], scheme)
        for game in games:
            of_policy = sums.setdefault((game.round, game.adapter), _Sums())
            of_policy.add(game, turns.get(game.id, []), positive)
    return [of_policy.statistics(number, adapter) for (number, adapter), of_policy in sums.items()]


def success_of_others(session: Session, number: int, players: Collection[int]) -> float | None:
    """Share of one round's finished games that were won, without the games of `players`; None if none is left."""
    query = (
        select(Game.outcome, func.count())
        .where(Game.round == number, Game.outcome != Outcome.OPEN, col(Game.player_id).not_in(players))
        .group_by(col(Game.outcome))
    )
    games = dict(session.exec(query).all())
    return games.get(Outcome.WON, 0) / sum(games.values()) if games else None


def players_until(session: Session, number: int) -> set[int]:
    """Ids of the players with games in a round up to `number`."""
    return set(session.exec(select(Game.player_id).where(Game.round <= number).distinct()))


@dataclass
class _Sums:
    """Sums over the games of one round and adapter, in turns and clicks."""

    successes: list[float] = field(default_factory=list)
    turns: int = 0
    right_clicks: int = 0
    clicks: int = 0
    decoded: int = 0
    positive: int = 0
    faultless: int = 0
    """Decoded turns whose clicks were all right."""
    positive_faultless: int = 0

    def add(self, game: Any, turns: Sequence[tuple[int, str, str]], positive: Mapping[int, bool]) -> None:
        """Add a game with its turns as (id, state before, action); `positive`: turn id -> verdict."""
        size, rules = len(game.listener), GAMES[game.game]
        targets = places(place for place in range(size) if game.listener[place] in game.targets)
        self.successes.append(float(game.outcome == Outcome.WON))
        self.turns += len(turns)
        for turn_id, state, action in turns:
            change = change_by_place(rules, size, state, action)
            clicks = len(change.clicked)
            right = clicks - len(change.wrong(targets))
            self.right_clicks += right
            self.clicks += clicks
            if turn_id in positive:
                self.decoded += 1
                self.positive += positive[turn_id]
                self.faultless += right == clicks
                self.positive_faultless += positive[turn_id] and right == clicks

    def statistics(self, number: int, adapter: str) -> RoundStatistics:
        games = len(self.successes)
        return RoundStatistics(
            round=number,
            adapter=adapter,
            interactions=games,
            success=float(np.mean(self.successes)),
            success_ci95=bootstrap_ci95(self.successes),
            turns=self.turns / games,
            click_accuracy=self.right_clicks / self.clicks if self.clicks else 0.0,
            positive_rate=self.positive / self.turns if self.decoded else None,
            decoder_precision=self.positive_faultless / self.positive if self.positive else None,
            decoder_recall=self.positive_faultless / self.faultless if self.faultless else None,
        )


def _turns_by_game(session: Session, games: Sequence[str]) -> dict[str, list[tuple[int, str, str]]]:
    """Game id -> its turns as (id, state before, action)."""
    query = select(Turn.game_id, Turn.id, Turn.state_before, Turn.action).where(col(Turn.game_id).in_(games))
    found: dict[str, list[tuple[int, str, str]]] = {}
    for game_id, turn_id, state, action in session.exec(query):
        assert turn_id is not None
        found.setdefault(game_id, []).append((turn_id, state, action))
    return found


def _positive(session: Session, turns: Sequence[int], scheme: str) -> dict[int, bool]:
    """Turn id -> whether its newest verdict in a scheme is positive, for those of `turns` that have one."""
    found: dict[int, bool] = {}
    for start in range(0, len(turns), IDS_AT_A_TIME):
        query = (
            select(Feedback.turn_id, Feedback.label)
            .where(Feedback.scheme == scheme, col(Feedback.turn_id).in_(turns[start : start + IDS_AT_A_TIME]))
            .order_by(col(Feedback.id))
        )
        found |= {turn_id: label > 0 for turn_id, label in session.exec(query)}
    return found

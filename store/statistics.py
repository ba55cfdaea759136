"""The paper's measures over finished games. For evaluation only: this module reads the targets."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from sqlmodel import Session, col, select

from games import GAMES
from games.core import Outcome, clicks_right
from store.games import deal_of
from store.models import Feedback, Game, Origin, Turn


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
    array = np.asarray(values, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(array), size=(resamples, len(array)))
    low, high = np.percentile(array[picks].mean(axis=1), [2.5, 97.5])
    return (float(low), float(high))


def round_statistics(session: Session, scheme: str = "binary") -> list[RoundStatistics]:
    """One row per round and adapter with finished games, in order of rounds, without imported games."""
    games = session.exec(
        select(Game)
        .where(Game.outcome != Outcome.OPEN, Game.origin != Origin.IMPORTED)
        .order_by(col(Game.round), col(Game.adapter), col(Game.id))
    ).all()
    turns: dict[str, list[Turn]] = {}
    for turn in session.exec(select(Turn).order_by(col(Turn.game_id), col(Turn.number))):
        turns.setdefault(turn.game_id, []).append(turn)
    positive = {
        row.turn_id: row.label > 0
        for row in session.exec(select(Feedback).where(Feedback.scheme == scheme).order_by(col(Feedback.id)))
    }
    return [
        _statistics(number, adapter, list(played), turns, positive)
        for (number, adapter), played in groupby(games, lambda game: (game.round, game.adapter))
    ]


def success_of_others(session: Session, number: int, players: Collection[int]) -> float | None:
    """Share of one round's finished games that were won, without the games of `players`; None if none is left."""
    outcomes = session.exec(
        select(Game.outcome).where(
            Game.round == number, Game.outcome != Outcome.OPEN, col(Game.player_id).not_in(players)
        )
    ).all()
    return sum(outcome == Outcome.WON for outcome in outcomes) / len(outcomes) if outcomes else None


def _statistics(
    number: int, adapter: str, games: Sequence[Game], turns: dict[str, list[Turn]], positive: dict[int, bool]
) -> RoundStatistics:
    played = [(game, turns.get(game.id, [])) for game in games]
    successes = [float(game.outcome == Outcome.WON) for game, _ in played]
    right = clicks = 0
    faultless: set[int] = set()
    for game, rows in played:
        deal, rules = deal_of(game), GAMES[game.game]
        for turn in rows:
            good, total = clicks_right(rules, deal, turn.state_before, turn.action)
            right += good
            clicks += total
            if good == total and turn.id is not None:
                faultless.add(turn.id)
    ids = [turn.id for _, rows in played for turn in rows if turn.id is not None]
    decoded = {turn_id for turn_id in ids if turn_id in positive}
    found_positive = {turn_id for turn_id in decoded if positive[turn_id]}
    deserved = decoded & faultless
    return RoundStatistics(
        round=number,
        adapter=adapter,
        interactions=len(played),
        success=float(np.mean(successes)),
        success_ci95=bootstrap_ci95(successes),
        turns=float(np.mean([len(rows) for _, rows in played])),
        click_accuracy=right / clicks if clicks else 0.0,
        positive_rate=len(found_positive) / len(ids) if decoded else None,
        decoder_precision=len(found_positive & faultless) / len(found_positive) if found_positive else None,
        decoder_recall=len(found_positive & faultless) / len(deserved) if deserved else None,
    )

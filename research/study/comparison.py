"""Success by arm of a study, and the differences to its first arm.

Games are compared by the arm that they were assigned to, whatever happened afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from research.report.estimate import Estimate
from store.standings import newcombe95, wilson95
from store.studies import PlayerGames


@dataclass(frozen=True)
class ArmResult:
    """The finished games of one arm."""

    arm: str
    games: int
    players: int
    success: Estimate
    """Share of won games, with Wilson's 95% interval for the effective number of games."""
    difference: Estimate | None = None
    """Success minus that of the first arm, with Newcombe's 95% interval; None for the first arm, or without games."""


def compare(arms: Sequence[str], found: Sequence[PlayerGames]) -> list[ArmResult]:
    """These arms, which are those of the study's file, then others that have games."""
    names = [*arms, *sorted({row.arm for row in found} - set(arms))]
    results: list[ArmResult] = []
    for name in names:
        rows = [row for row in found if row.arm == name]
        success = _success(rows)
        difference = _difference(success, results[0].success) if results else None
        results.append(ArmResult(name, sum(row.games for row in rows), len(rows), success, difference))
    return results


def _success(rows: Sequence[PlayerGames]) -> Estimate:
    """The share of won games. The interval is wider where games of one player are alike: the number of games is
    divided by the design effect, which comes from the variance between players."""
    games, won = sum(row.games for row in rows), sum(row.won for row in rows)
    if not games:
        return Estimate(None, None, None)
    share, effect = won / games, 1.0
    if len(rows) > 1 and 0 < share < 1:
        squares = sum((row.won - share * row.games) ** 2 for row in rows)
        variance = len(rows) / (len(rows) - 1) * squares / games**2
        effect = max(1.0, variance * (games - 1) / (share * (1 - share)))
    return Estimate(share, *wilson95(share, games / effect))


def _difference(first: Estimate, second: Estimate) -> Estimate | None:
    """`first` minus `second`, with Newcombe's interval."""
    if first.value is None or second.value is None:
        return None
    assert first.low is not None and first.high is not None
    assert second.low is not None and second.high is not None
    interval = newcombe95(first.value, (first.low, first.high), second.value, (second.low, second.high))
    return Estimate(first.value - second.value, *interval)

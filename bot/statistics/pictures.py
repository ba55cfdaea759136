"""Draws what `/stats` and `/replay` show. To be called off the event loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.statistics import texts
from bot.statistics.animation import Frame, animate
from games import GAMES
from games.core import Outcome
from games.figures import ImageSet
from games.language import _
from store.games import deal_of
from store.models import Game, Turn
from store.standings import Success

DELETED_WORDS = "…"
"""In place of what was said in a game that is so old that it was deleted."""


@dataclass(frozen=True)
class Replay:
    """A finished game as a picture."""

    webp: bytes
    alt: str


def draw_curve(tallies: Mapping[str, Success]) -> bytes:
    """A PNG of the share of won games by adapter."""
    from research.report.curve import curve_png  # matplotlib is loaded only where a curve is drawn
    from research.report.estimate import Estimate

    points = [
        (texts.adapter_label(name), Estimate(tally.success, *tally.success_ci95))
        for name, tally in tallies.items()
    ]
    return curve_png(_(texts.CURVE_TITLE), _(texts.CURVE_X), points, _(texts.CURVE_Y))


def draw_replay(game: Game, turns: Sequence[Turn], images: ImageSet, limit: int) -> Replay:
    """A finished game with at least one turn, as a WebP of at most `limit` bytes.

    Shows the targets. Raises KeyError if the image set lacks a figure, ValueError if the picture would be too large.
    """
    assert game.outcome is not Outcome.OPEN, "the targets of a running game are not shown"
    rules, deal = GAMES[game.game], deal_of(game)
    start = rules.render(deal, turns[0].state_before, 0, Outcome.OPEN, images)
    frames, steps = [Frame(start.png, _(texts.BOARD_CAPTION))], []
    for turn in turns:
        outcome = game.outcome if turn is turns[-1] else Outcome.OPEN
        board = rules.render(deal, turn.state_after, turn.number, outcome, images)
        frames.append(Frame(board.png, texts.turn_caption(turn.number, turn.utterance or DELETED_WORDS)))
        selected = set(rules.selected(deal.listener, turn.state_after))
        steps.append(
            (turn.utterance or DELETED_WORDS, len(selected & deal.targets), len(selected - deal.targets))
        )
    alt = texts.replay_alt(game.outcome, steps, len(deal.targets))
    return Replay(animate(frames, limit), alt)

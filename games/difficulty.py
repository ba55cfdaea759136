"""How hard a board is: its figures look alike, or differ. It knows pictures, but no game's rules."""

import random
from collections.abc import Sequence

import numpy as np

from games.core import Deal, Difficulty, Game
from games.figures import ImageSet

SIDE = 16
"""Pixels. Figures are compared as grey pictures of this size, in which fine edges are blurred."""
CANDIDATES = 10
"""Figures from which each next one of a board of different figures is the best."""


def deal_board(
    game: Game,
    images: ImageSet,
    rng: random.Random,
    difficulty: Difficulty | None = None,
    ids: Sequence[str] | None = None,
) -> Deal:
    """A deal of a game with figures of a set, or with these of them. Raises ValueError if they are too few.

    The game deals as always. Then the figures of its board are replaced, so sizes of boards, orders and targets
    are drawn as in any other game.
    """
    pool = images.ids if ids is None else ids
    deal = game.deal(pool, rng)
    if difficulty is None:
        return deal
    pool = sorted(set(pool))
    draw = _near if difficulty is Difficulty.NEAR else _far
    board = draw(_pictures(images, pool), len(deal.speaker), rng)
    new = {old: pool[number] for old, number in zip(deal.speaker, board, strict=True)}
    return Deal(
        speaker=tuple(new[each] for each in deal.speaker),
        listener=tuple(new[each] for each in deal.listener),
        targets=frozenset(new[each] for each in deal.targets),
    )


def _pictures(images: ImageSet, ids: Sequence[str]) -> np.ndarray:
    """[n, pixels], 0 to 1."""
    return np.stack([images.grey(each, SIDE) for each in ids])


def _distances(pictures: np.ndarray, number: int) -> np.ndarray:
    """[n] distances of all figures from one."""
    return np.sqrt(((pictures - pictures[number]) ** 2).mean(axis=1))


def _near(pictures: np.ndarray, count: int, rng: random.Random) -> list[int]:
    """A random figure and those nearest to it, in random order."""
    nearest = np.argsort(_distances(pictures, rng.randrange(len(pictures))), kind="stable")
    return rng.sample(nearest[:count].tolist(), count)


def _far(pictures: np.ndarray, count: int, rng: random.Random) -> list[int]:
    """Figures by Mitchell's best-candidate sampling: each is the farthest from the board of a few random ones."""
    board = [rng.randrange(len(pictures))]
    apart = _distances(pictures, board[0])
    """[n] distance of each figure from the nearest one on the board."""
    while len(board) < count:
        left = sorted(set(range(len(pictures))) - set(board))
        candidates = rng.sample(left, min(CANDIDATES, len(left)))
        board.append(max(candidates, key=lambda number: float(apart[number])))
        apart = np.minimum(apart, _distances(pictures, board[-1]))
    return board

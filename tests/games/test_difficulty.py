"""Boards of figures that look alike and of figures that differ, for every game and image set."""

import random

import pytest

from games import GAMES
from games.core import Deal, Difficulty, Game
from games.difficulty import deal_board
from games.figures import ImageSet, open_images
from tests.games.apart import apart
from tests.games.handful import HANDFUL
from tests.games.test_figures import KILOGRAM, needs_kilogram

every_game = pytest.mark.parametrize("game", [*GAMES.values(), HANDFUL], ids=[*GAMES, HANDFUL.name])
CLASSIC = open_images("classic")


def deals(game: Game, images: ImageSet, difficulty: Difficulty | None, count: int = 20) -> list[Deal]:
    return [deal_board(game, images, random.Random(seed), difficulty) for seed in range(count)]


def mean_apart(images: ImageSet, dealt: list[Deal]) -> float:
    """Of two figures of a board."""
    return sum(apart(images, deal.speaker) for deal in dealt) / len(dealt)


@every_game
def test_near_figures_look_more_alike_than_any_and_far_ones_less(game: Game):
    near, far = (deals(game, CLASSIC, difficulty) for difficulty in Difficulty)
    usual = mean_apart(CLASSIC, deals(game, CLASSIC, None))
    assert mean_apart(CLASSIC, near) < 0.85 * usual < mean_apart(CLASSIC, far)


@needs_kilogram
def test_so_do_those_of_kilogram():
    images = open_images(f"kilogram:{KILOGRAM}")
    near, usual, far = (
        deals(GAMES["pick"], images, each) for each in (Difficulty.NEAR, None, Difficulty.FAR)
    )
    assert mean_apart(images, near) < 0.85 * mean_apart(images, usual) < mean_apart(images, far)


@every_game
@pytest.mark.parametrize("difficulty", Difficulty)
def test_the_rest_of_a_deal_is_as_the_game_deals_it(game: Game, difficulty: Difficulty):
    for seed, deal in enumerate(deals(game, CLASSIC, difficulty)):
        usual = game.deal(CLASSIC.ids, random.Random(seed))
        old = {figure: place for place, figure in enumerate(usual.speaker)}
        new = {figure: place for place, figure in enumerate(deal.speaker)}
        assert len(new) == len(old)
        assert [new[figure] for figure in deal.listener] == [old[figure] for figure in usual.listener]
        assert {new[figure] for figure in deal.targets} == {old[figure] for figure in usual.targets}


@pytest.mark.parametrize("difficulty", Difficulty)
def test_boards_vary_and_each_is_the_same_for_its_seed(difficulty: Difficulty):
    game = GAMES["multiref"]
    dealt = deals(game, CLASSIC, difficulty, 100)
    assert len({frozenset(deal.speaker) for deal in dealt}) > 50
    assert len({figure for deal in dealt for figure in deal.speaker}) > 150  # of 232
    assert dealt[:5] == deals(game, CLASSIC, difficulty, 5)


@every_game
@pytest.mark.parametrize("difficulty", Difficulty)
def test_only_the_given_figures_are_dealt_and_as_many_as_there_are(game: Game, difficulty: Difficulty):
    some = CLASSIC.ids[: max(game.board_sizes)]
    assert set(deal_board(game, CLASSIC, random.Random(0), difficulty, some).speaker) <= set(some)
    with pytest.raises(ValueError, match="different figures"):
        deal_board(game, CLASSIC, random.Random(0), difficulty, some[: min(game.board_sizes) - 1])

"""The example board of `/rules`."""

import asyncio
import random
from functools import cache
from gettext import NullTranslations

from bot.images import ImageSets
from games import GAMES
from games.core import Board, Deal, Outcome
from games.figures import ImageSet
from games.language import catalogue

IMAGES = "classic"
"""The image set that ships with the package."""
SEED = 7


async def example_of(name: str, images: ImageSets) -> Board:
    """A board of a game, by its name, after one turn that did not end it. Always the same one."""
    return await asyncio.to_thread(_example, name, await images.open(IMAGES), catalogue.get())


@cache
def _example(name: str, images: ImageSet, _catalogue: NullTranslations) -> Board:
    """One board for each language, whose catalogue is in use."""
    game = GAMES.get(name) or next(iter(GAMES.values()))
    deal = game.deal(images.ids, random.Random(SEED))
    return game.render(deal, _after_one_turn(name, deal), 1, Outcome.OPEN, images)


def _after_one_turn(name: str, deal: Deal) -> str:
    """The state with one figure selected, a target if that does not win."""
    game, start = GAMES[name], GAMES[name].initial_state(deal.listener)
    for figure in sorted(deal.speaker, key=lambda figure: figure not in deal.targets):
        action = game.action_to(deal.listener, start, frozenset({figure}))
        state = game.apply(start, action) if action is not None else start
        if state != start and game.outcome(deal, state, 1) is Outcome.OPEN:
            return state
    return start

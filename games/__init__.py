"""The rules of the games, their figures and their board pictures. Imports neither torch, discord nor the store."""

from games.core import Game
from games.multiref import MultiRef
from games.pick import Pick

GAMES: dict[str, Game] = {game.name: game for game in (MultiRef(), Pick())}
"""Every game by its name. A new game is added here."""

DEFAULT_GAME = MultiRef.name
"""The game that is played when none is named."""

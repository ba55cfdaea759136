"""What a game is, the games themselves, figures and board pictures. No torch, no discord, no database."""

from games.core import Game
from games.multiref import MultiRef
from games.pick import Pick

GAMES: dict[str, Game] = {game.name: game for game in (MultiRef(), Pick())}
"""Every game by its name. Another game is one more entry."""

DEFAULT_GAME = MultiRef.name
"""What is played where nobody names a game."""

"""Reads files of finished interactions for `respect evaluate` and `respect import`."""

from pathlib import Path

from rich.markup import escape

from cli.console import fail
from games import GAMES
from games.core import Game
from games.figures import ImageSet, open_images
from learner.feedback.evaluate import BadLine
from research.recorded.reading import RecordedGame, read_games

GAME = "multiref"
"""The game of such files, because their lines do not name one."""


def read(file: Path, images: str) -> tuple[Game, ImageSet, list[RecordedGame]]:
    """(rules, image set, games) of a file. Ends the program with an error if they cannot be used."""
    rules = GAMES[GAME]
    try:
        image_set = open_images(images)
    except (ValueError, OSError) as error:
        fail(escape(str(error)))
    try:
        return rules, image_set, read_games(file, rules, image_set)
    except BadLine as error:
        fail(escape(f"{file}: {error}."))
    except OSError as error:
        fail(escape(f"{file} cannot be read ({error.strerror}): give the path of a file of interactions."))

"""Small games as lines of a file, on figures of the set that ships."""

import json
from pathlib import Path
from typing import Any

from games.figures import open_images

IMAGES = open_images("classic")
BOARD = list(IMAGES.ids[:10])


def line(
    clicks: list[list[int]], chat: list[str], targets: tuple[int, ...] = (0, 1, 2), **more: Any
) -> dict[str, Any]:
    """A game on `BOARD`; clicks and targets are places on it, `clicks[i]` what is selected after turn i."""
    return {
        "game_id": "g",
        "speaker": "s",
        "end": "successful",
        "context": BOARD,
        "targets": [BOARD[place] for place in targets],
        "clicks": [[BOARD[place] for place in selection] for selection in clicks],
        "chat": chat,
        **more,
    }


def write(path: Path, *lines: Any) -> Path:
    path.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines))
    return path


WON = line([[0], [0, 1], [0, 1, 2]], ["the first", "yes, the second", "good. the third", "thanks"])
MIXED = line(
    [[5], [0], [0, 1, 6], [0, 1, 6]],
    ["one", "no, two", "yes, three and four", "hm"],
    game_id="h",
    speaker="t",
)
"""Wrong; a swap that is right twice; one right and one wrong; nothing clicked."""


def named_games(count: int, players: int = 3) -> list[dict[str, Any]]:
    """Won games in which each target is called by a name of its own and clicked at once, but for one mistake."""
    games = []
    for number in range(count):
        board = [IMAGES.ids[(number * 7 + i * 5) % len(IMAGES.ids)] for i in range(10)]
        names = [IMAGES[figure].names[0] for figure in board]
        chat = [names[0], f"yes, {names[1]}", f"no, not that one, {names[1]}", f"good, {names[2]}"]
        clicks = [[0], [0, 4], [0, 1], [0, 1, 2]]
        games.append(
            {
                "game_id": f"game {number}",
                "speaker": f"speaker {number % players}",
                "context": board,
                "targets": board[:3],
                "clicks": [[board[place] for place in selection] for selection in clicks],
                "chat": chat,
            }
        )
    return games

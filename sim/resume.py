"""A deployment that was killed goes on: it is played again from its beginning, with the answers that are stored.

Players say the same again for the same seed, so nothing of them has to be kept. Only what is not in the store yet is
asked of the policy and written.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from games.core import Outcome
from store.folder import private_folder
from store.models import Game, Player, Round, RoundStatus, Turn

FILE = "deployment.json"


class OtherDeployment(ValueError):
    """A folder holds a deployment with other parameters; the message names them."""


def claim(folder: Path, config: Mapping[str, Any]) -> None:
    """Note in a folder which deployment it holds. Raises `OtherDeployment` if it is another one."""
    text = json.dumps(config, indent=1, default=str)
    path = private_folder(folder) / FILE
    if not path.exists():
        partial = path.with_name(f".{FILE}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
        return
    known, asked = json.loads(path.read_text(encoding="utf-8")), json.loads(text)
    other = sorted(name for name in {*known, *asked} if known.get(name) != asked.get(name))
    if other:
        raise OtherDeployment(
            f"{folder} holds a simulation that differs in {', '.join(other)}: start it again with the same options to "
            "go on with it, or choose an empty folder"
        )


class Stored:
    """Players, games and answers that a deployment has stored."""

    def __init__(self, session: Session) -> None:
        self._players = dict(session.exec(select(Player.external_id, Player.id)).all())
        games = session.exec(select(Game.id, Game.started_at, Game.outcome)).all()
        self._games = {game: (started, outcome != Outcome.OPEN) for game, started, outcome in games}
        turns = session.exec(select(Turn.game_id, Turn.number, Turn.action, Turn.logp)).all()
        self._answers = {(game, number): (action, logp or 0.0) for game, number, action, logp in turns}

    def player_id(self, external_id: str) -> int | None:
        """The id of a stored player."""
        return self._players.get(external_id)

    def started_at(self, game: str) -> datetime | None:
        """When a stored game began; None if it is not stored."""
        found = self._games.get(game)
        return found and found[0]

    def is_over(self, game: str) -> bool:
        """Whether the end of a game is stored."""
        return game in self._games and self._games[game][1]

    def answer(self, game: str, turn: int) -> tuple[str, float] | None:
        """(action, log-propensity) of a stored turn."""
        return self._answers.get((game, turn))


def finished_round(session: Session, number: int) -> Round | None:
    """The round of this number, if it is done."""
    query = select(Round).where(Round.number == number, Round.status == RoundStatus.DONE)
    return session.exec(query.order_by(col(Round.id))).first()

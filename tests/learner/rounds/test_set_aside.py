"""A record that a round cannot read, or that is too long for it, stops neither this round nor a later one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from learner.policy import Policy
from learner.rounds.pipeline import run_round
from store.database import Database
from store.models import Game, RoundStatus, Turn
from store.rounds import request_round
from tests.learner.played import copy_of, settings_for
from tests.postgres import database_url


@pytest.fixture
def database(played: Path, tmp_path: Path) -> Iterator[Database]:
    database = Database(database_url(copy_of(played, tmp_path)))
    yield database
    database.close()


def test_bad_and_overlong_games_are_set_aside_with_a_note(database: Database, tmp_path: Path, policy: Policy):
    with database.session() as session:
        games = [game for game in session.exec(select(Game).order_by(Game.id)) if len(game.listener) == 10]  # pyright: ignore[reportArgumentType]
        played = {game.id: list(session.exec(select(Turn).where(Turn.game_id == game.id))) for game in games}
        long = [game for game in games if len(played[game.id]) >= 3][:2]
        for game, pill in zip(long, ("½" * 1000, "\ufdfa" * 1000), strict=True):
            for turn in played[game.id]:
                turn.utterance = pill
        illegal, figure, images = [game for game in games if game not in long][:3]
        played[illegal.id][0].action = "deselect A"
        figure.listener = ["no-such-figure", *figure.listener[1:]]
        images.images = "kilogram:/nowhere"
        for row in (figure, images, *(turn for turns in played.values() for turn in turns)):
            session.add(row)
    settings = settings_for(tmp_path)
    for _ in range(2):
        with database.session() as session:
            round_id = request_round(session, "b-sup").id
        assert round_id is not None
        row = run_round(database, settings, round_id, policy)
        assert (row.status, row.error) == (RoundStatus.DONE, None)
        aside = row.results["set_aside"]
        assert sum(aside.values()) == 5
        words = " ".join(aside)
        assert all(part in words for part in ("tokens", "rules of the game", "a figure", "cannot be opened"))
        assert not any(game.id in str(row.results) for game in (illegal, figure, images, *long))
        assert row.results["train_turns"] > 0

"""One round that trains on all games together."""

from pathlib import Path

from sqlmodel import select

from games import GAMES
from games.figures import open_images
from learner.feedback.decode import exchanges
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from learner.rounds.pipeline import run_round
from sim.players import open_players
from sim.playing import Playground
from store.database import Database
from store.migrations import upgrade
from store.models import AdapterTurn, Game, Turn
from store.rounds import request_round
from store.training import usable_interactions
from tests.learner.played import settings_for


def test_a_round_learns_from_all_games_together(tmp_path: Path, policy: Policy):
    settings = settings_for(tmp_path)
    database = Database(settings.store.url)
    upgrade(database)
    images = open_images("classic")
    playground = Playground(
        database, policy, list(GAMES.values()), images, images.ids, open_players("patient"), 12, seed=1
    )
    tally = playground.play(0, 24, BASE_ADAPTER, lambda _: None)
    assert tally.games == 24 and tally.won > 0
    with database.session() as session:
        games = {game.id: game for game in session.exec(select(Game))}
        assert {game.game for game in games.values()} == set(GAMES)
        for one in usable_interactions(session, None):
            for _, exchange in exchanges([one]):
                assert exchange.max_targets == GAMES[one.game].max_targets
        asked = request_round(session, "b-sup")
        session.flush()
        round_id = asked.id
    assert round_id is not None
    done = run_round(database, settings, round_id, policy)
    assert (done.status, done.error) == ("done", None)
    with database.session() as session:
        learnt = session.exec(select(Turn.game_id).join(AdapterTurn)).all()
    assert {games[game].game for game in learnt} == set(GAMES)
    playground.play(1, 4, str(done.results["adapter"]), lambda _: None)
    database.close()

"""Simulated players in every game, and deployments of several."""

import json
import random
from pathlib import Path

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from cli.main import app
from games import DEFAULT_GAME, GAMES
from games.core import Deal, Game, Outcome
from games.figures import open_images
from learner.policy import Policy
from sim.deployment import DeploymentConfig, DeploymentError, simulate
from sim.players import PLAYERS, SimulatedPlayer, View
from store import models
from store.database import Database
from tests.games.handful import HANDFUL, LIMIT

IMAGES = open_images("classic")


def dealt(name: str, game: Game, seed: int) -> tuple[random.Random, Deal, SimulatedPlayer]:
    """A random generator, and a board and a player that it made."""
    rng = random.Random(seed)
    deal = game.deal(IMAGES.ids, rng)
    return rng, deal, PLAYERS[name](rng, IMAGES.descriptions(deal.listener))


@pytest.mark.parametrize("game", [*GAMES.values(), HANDFUL], ids=[*GAMES, HANDFUL.name])
@pytest.mark.parametrize("name", PLAYERS)
def test_players_want_only_what_the_game_allows(name: str, game: Game):
    for seed in range(20):
        rng, deal, player = dealt(name, game, seed)
        state, previous = game.initial_state(deal.listener), []
        for _ in range(game.max_turns):
            selected = frozenset(game.selected(deal.listener, state))
            said = player.speak(View.of(game, deal, state, previous))
            if said is None:
                break
            hoped = player.intended  # type: ignore[attr-defined]
            assert said.strip() and hoped is not None
            if hoped != selected:
                assert game.action_to(deal.listener, state, hoped) in game.legal_actions(state)
            legal = game.legal_actions(state)
            tried = rng.sample(legal, len(legal))
            wrong = (one for one in tried if not game.clicked(deal.listener, one) & deal.targets)
            action = next(wrong, tried[0]) if seed % 2 else tried[0]
            state = game.apply(state, action)
            previous.append((said, frozenset(game.selected(deal.listener, state))))
            if game.outcome(deal, state, len(previous)) is not Outcome.OPEN:
                break


@pytest.mark.parametrize("name", PLAYERS)
def test_players_ask_for_no_other_figure_while_the_selection_is_full(name: str):
    """They get one deselected first: a listener who does what they intend wins."""
    won = 0
    for seed in range(40):
        rng, deal, player = dealt(name, HANDFUL, seed)
        state, previous = HANDFUL.initial_state(deal.listener), []
        for turn in range(HANDFUL.max_turns):
            said = player.speak(View.of(HANDFUL, deal, state, previous))
            if said is None:
                break
            hoped = player.intended  # type: ignore[attr-defined]
            action = HANDFUL.action_to(deal.listener, state, hoped)
            if turn < LIMIT:  # misunderstood
                legal = HANDFUL.legal_actions(state)
                action = rng.choice([each for each in legal if each.startswith("select")])
            assert action is not None, said
            if turn == LIMIT and HANDFUL.outcome(deal, state, turn) is Outcome.OPEN:
                assert action.startswith("deselect"), said
            state = HANDFUL.apply(state, action)
            previous.append((said, frozenset(HANDFUL.selected(deal.listener, state))))
            if HANDFUL.outcome(deal, state, len(previous)) is not Outcome.OPEN:
                won += HANDFUL.outcome(deal, state, len(previous)) is Outcome.WON
                break
    assert won > 25


def test_several_games_are_played_in_turn(tmp_path: Path, policy: Policy):
    names = tuple(GAMES)
    result = simulate(
        DeploymentConfig(rounds=0, games_per_round=2 * len(names), games=names), tmp_path, policy
    )
    assert result["games"] == list(names)
    database = Database(f"sqlite:///{tmp_path / 'respect.db'}")
    with database.session() as session:
        rows = session.exec(select(models.Game).order_by(models.Game.id)).all()  # type: ignore[arg-type]
        assert [row.game for row in rows] == [*names] * 2
        assert {row.game: len(row.listener) in GAMES[row.game].board_sizes for row in rows} == dict.fromkeys(
            names, True
        )
    database.close()


def test_the_command_line_takes_a_game_once_or_several_times(quickly_loaded: None):
    short = ["simulate", "--rounds", "0", "--games-per-round", "2", "--json"]
    other = [name for name in GAMES if name != DEFAULT_GAME][:1]
    for chosen in (other, [DEFAULT_GAME, *other]):
        options = [each for name in chosen for each in ("--game", name)]
        ran = CliRunner().invoke(app, [*short, *options])
        assert ran.exit_code == 0, ran.stderr
        assert json.loads(ran.stdout)["games"] == chosen
    assert CliRunner().invoke(app, [*short, "--game", "chess"]).exit_code == 2


def test_a_game_that_is_not_played_here_is_named(tmp_path: Path):
    with pytest.raises((ValueError, DeploymentError), match="Unknown game 'chess'"):
        simulate(DeploymentConfig(rounds=0, games_per_round=1, games=("chess",)), tmp_path)

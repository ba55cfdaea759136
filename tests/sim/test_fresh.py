"""Fresh players: in a deployment, each description of a figure is used once over all players."""

import json
import random
from functools import partial
from pathlib import Path

from sqlmodel import col, select
from typer.testing import CliRunner

from cli.main import app
from games import GAMES
from games.figures import open_images
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from sim.players import Attack, FreshPlayers, PeoplePlayer, PlayerFactory, View, open_players
from sim.players.fresh import DescriptionDecks
from sim.playing import Playground
from store.database import Database
from store.migrations import upgrade
from store.models import Game, Turn

DUCK = ["duck", "a bird", "A bird. ", "something that swims"]
FIGURES = [f"figure-{number}" for number in range(10)]
DESCRIPTIONS = {figure: [f"{figure} said in way {way}" for way in range(4)] for figure in FIGURES}


def test_words_come_once_and_then_again_in_another_order():
    words = DescriptionDecks(seed=0)
    dealt = [words.deal("duck", DUCK, []) for _ in range(9)]
    first, second, third = dealt[:3], dealt[3:6], dealt[6:]
    assert sorted(first) == sorted(second) == sorted(third) == ["a bird", "duck", "something that swims"]
    assert len({tuple(first), tuple(second), tuple(third)}) > 1
    assert (words.said, words.repeated) == (9, 6)


def test_each_figure_has_its_own_order_of_descriptions():
    """The order does not depend on other figures and players."""
    alone, among = DescriptionDecks(seed=3), DescriptionDecks(seed=3)
    expected = [alone.deal("duck", DUCK, []) for _ in range(3)]
    found = []
    for number in range(3):
        among.deal(f"other {number}", DUCK, [])
        found.append(among.deal("duck", DUCK, []))
    assert found == expected
    many = [f"way {number}" for number in range(20)]
    assert DescriptionDecks(seed=3).deal("duck", many, []) != DescriptionDecks(seed=4).deal("duck", many, [])


def test_words_to_avoid_are_used_later():
    words = DescriptionDecks(seed=0)
    first = DescriptionDecks(seed=0).deal("duck", DUCK, [])
    assert words.deal("duck", DUCK, [[first]]) != first
    assert words.deal("duck", DUCK, [[], DUCK]) == first  # only descriptions to avoid are left


def first_words(factory: PlayerFactory, count: int, seed: int = 0) -> list[str]:
    """The first utterances of new players about the same target."""
    view = View(tuple(FIGURES), frozenset(FIGURES[:1]), frozenset(), (), 0)
    said = [factory(random.Random(f"{seed}/{number}"), DESCRIPTIONS).speak(view) for number in range(count)]
    return [words for words in said if words is not None]


def way(said: str) -> str:
    """Which of the four descriptions was used, ignoring typing mistakes."""
    (found,) = {digit for digit in said if digit.isdigit()} - {"0"} or {"0"}
    return found


def test_players_of_one_deployment_share_their_words():
    factory = open_players("fresh")
    said = first_words(factory, 8)
    for four in (said[:4], said[4:]):
        assert sorted(map(way, four)) == ["0", "1", "2", "3"]
    assert isinstance(factory, FreshPlayers)
    assert factory.counts == (8, 4)
    assert first_words(open_players("fresh"), 8) == said
    assert first_words(open_players("fresh"), 8, seed=1) != said


def test_fresh_players_differ_from_people_only_in_their_words():
    fresh, people = open_players("fresh"), open_players("people")
    for number in range(20):
        one, other = (factory(random.Random(number), DESCRIPTIONS) for factory in (fresh, people))
        assert isinstance(one, PeoplePlayer) and isinstance(other, PeoplePlayer)
        assert one.personality == other.personality


def test_fresh_attackers_use_the_same_words():
    factory = FreshPlayers()
    attacker = partial(Attack("poison", 0.2).attacker, factory)
    said = first_words(factory, 2) + first_words(attacker, 2)
    assert sorted(map(way, said)) == ["0", "1", "2", "3"]
    assert attacker(random.Random(0), DESCRIPTIONS).personality.lies == 1


def played(folder: Path, policy: Policy, players: PlayerFactory) -> list[str]:
    """What was said in eight games of four players, in order."""
    folder.mkdir()
    policy.cache.forget()
    database = Database(f"sqlite:///{folder / 'respect.db'}")
    upgrade(database)
    images = open_images("classic:40")
    playground = Playground(database, policy, [GAMES["multiref"]], images, images.ids, players, 4, seed=0)
    playground.play(0, 8, BASE_ADAPTER, lambda _: None)
    with database.session() as session:
        said = session.exec(select(Turn.utterance).join(Game).order_by(col(Game.id), col(Turn.number))).all()
    database.close()
    return list(said)


def test_a_deployment_is_the_same_for_the_same_seed(tmp_path: Path, policy: Policy):
    one, two = open_players("fresh"), open_players("fresh")
    assert played(tmp_path / "one", policy, one) == played(tmp_path / "two", policy, two)
    assert isinstance(one, FreshPlayers)
    said, repeated = one.counts
    assert said > 20 and repeated == 0  # 40 figures of 34 descriptions or more


def test_how_much_was_repeated_is_reported(quickly_loaded: None):
    arguments = ["simulate", "--images", "classic:10", "--rounds", "0", "--games-per-round", "55", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--players", "fresh"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert 0 < found["words_repeated"] < 1
    assert found["rounds"][0]["words_repeated"] == found["words_repeated"]

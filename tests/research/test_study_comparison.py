"""Arms are compared with published intervals, and from a database by the command line."""

import json
from pathlib import Path

import pytest
from test_study_file import GOOD, respect, written

from games.core import Outcome
from research.study.comparison import compare
from store.database import Database
from store.migrations import upgrade
from store.models import Game, Origin, Player
from store.studies import PlayerGames
from store.study_tables import Assignment

ARMS = ["learning", "control"]


def one_game_each(arm: str, won: int, games: int) -> list[PlayerGames]:
    return [PlayerGames(arm, number, 1, int(number < won)) for number in range(games)]


def test_independent_games_have_the_published_interval():
    """Newcombe 1998, table II: 56/70 and 48/80, method 10."""
    found = one_game_each("control", 56, 70) + one_game_each("learning", 48, 80)
    learning, control = compare(ARMS, found)
    assert (learning.arm, learning.games, learning.players) == ("learning", 80, 80)
    assert learning.difference is None and control.difference is not None
    assert control.difference.value == pytest.approx(0.2)
    assert (control.difference.low, control.difference.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_games_of_one_player_count_for_less_where_they_are_alike():
    alike = [PlayerGames("learning", number, 10, 10 * (number % 2)) for number in range(20)]
    mixed = [PlayerGames("learning", number, 10, 5) for number in range(20)]
    widths = []
    for found in (alike, mixed):
        success = compare(ARMS, found)[0].success
        assert success.value == 0.5 and success.low is not None and success.high is not None
        widths.append(success.high - success.low)
    assert widths[0] > 2.5 * widths[1]
    assert widths[1] == pytest.approx(0.137, abs=0.002)  # Wilson's interval of 100 of 200


def test_from_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(data))
    file = written(tmp_path, GOOD)
    assert "it is not there yet" in respect("study", "report", file).stderr
    database = Database(f"sqlite:///{data / 'respect.db'}")
    upgrade(database)
    try:
        assert "No game of the study reading-2026 is finished yet" in respect("study", "report", file).stdout
        with database.session() as session:
            session.add(Player(id=1, platform=Origin.LOCAL, external_id="1", name="Ada"))
            session.flush()
            ends = [("learning", Outcome.WON)] * 3 + [("control", Outcome.GIVEN_UP), ("control", Outcome.WON)]
            for number, (arm, outcome) in enumerate([*ends, ("control", Outcome.OPEN)]):
                session.add(
                    Game(
                        id=str(number), game="multiref", images="classic", speaker=[], listener=[], targets=[],
                        player_id=1, origin=Origin.LOCAL, adapter="base", base_model="b", outcome=outcome,
                    )
                )  # fmt: skip
                session.flush()
                session.add(
                    Assignment(
                        game_id=str(number), study="reading-2026", study_hash="h", arm=arm, adapter="base",
                        probability=0.5, seed=1, eligible_arms=["learning", "control"],
                    )
                )  # fmt: skip
    finally:
        database.close()
    shown = respect("study", "report", file)
    assert [line.split()[:5] for line in shown.stdout.splitlines()[1:]] == [
        ["learning", "3", "388", "1", "100.0%"],
        ["control", "2", "388", "1", "50.0%"],
    ]
    assert "-50.0%" in shown.stdout
    arms = json.loads(respect("study", "report", "--json", file).stdout)["arms"]
    assert [arm["success"]["value"] for arm in arms] == [1.0, 0.5]

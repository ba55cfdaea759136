"""`respect simulate` with real games and rounds: one deployment, several deployments, and curves."""

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from sqlmodel import col, select
from typer.testing import CliRunner

from cli.main import app
from cli.simulate import refusals
from learner.policy import Policy
from sim.attack_measures import attack_measures
from sim.comparison import simulate_all
from sim.curves import curves, draw, plot
from sim.deployment import DeploymentConfig, simulate
from sim.players import Attack
from store.database import Database
from store.migrations import upgrade
from store.models import Adapter, AdapterTurn, Game, Origin, Outcome, Player, Turn, now
from store.statistics import bootstrap_ci95

SHORT = ("simulate", "--rounds", "0", "--games-per-round", "1", "--json")


def row(number: int, interactions: int, success: float) -> dict[str, Any]:
    return {
        "round": number,
        "interactions": interactions,
        "success": success,
        "turns": 8.0,
        "click_accuracy": 0.5,
    }


def run(system: str, seed: int, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"system": system, "seed": seed, "images": "classic", "rounds": list(rows)}


RUNS = [
    run("b-sup", 0, row(0, 10, 0.3), row(1, 30, 0.9)),
    run("control", 0, row(0, 10, 0.4), row(1, 10, 0.4)),
    run("b-sup", 1, row(0, 10, 0.5), row(1, 10, 0.1)),
]


def test_seeds_are_pooled_by_interactions():
    found = curves(RUNS)
    assert list(found) == ["b-sup", "control"]
    assert [(at.round, at.interactions, at.success) for at in found["b-sup"]] == [(0, 20, 0.4), (1, 40, 0.7)]
    assert found["b-sup"][1].success_ci95 == bootstrap_ci95([1.0] * 28 + [0.0] * 12)
    assert list(curves([{**RUNS[0], "attack": "half"}, RUNS[0]])) == ["b-sup, half", "b-sup"]


def test_the_curves_are_drawn(tmp_path: Path):
    figure = draw(RUNS)
    (axes,) = figure.axes
    found = curves(RUNS)
    assert [line.get_label() for line in axes.lines] == list(found)
    plot(RUNS, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1050, 675)
        figure.savefig(tmp_path / "again.png")  # computes the layout, and so the pixels of data
        lines = zip(axes.lines, found.values(), strict=True)
        on_top = {(at.round, at.success): line.get_color() for line, points in lines for at in points}
        for place, color in on_top.items():
            x, y = axes.transData.transform(place)
            shown = picture.convert("RGB").getpixel((round(x), 675 - round(y)))
            assert shown == tuple(round(255 * part) for part in to_rgb(color))
    plot(RUNS, tmp_path / "curves.svg")
    drawn = (tmp_path / "curves.svg").read_text()
    assert all(f"<!-- {name} -->" in drawn for name in (*found, "round", "success"))


def test_one_run_prints_its_object_and_several_print_runs(quickly_loaded: None):
    one = CliRunner().invoke(app, SHORT)
    assert one.exit_code == 0, one.stderr
    alone = json.loads(one.stdout)
    assert list(alone) == ["system", "images", "seed", "config", "seconds", "rounds"]
    several = CliRunner().invoke(app, [*SHORT, "--seeds", "2", "--system", "b-sup", "--system", "control"])
    assert several.exit_code == 0, several.stderr
    runs = json.loads(several.stdout)["runs"]
    assert [(each["system"], each["seed"]) for each in runs] == [
        ("b-sup", 0),
        ("b-sup", 1),
        ("control", 0),
        ("control", 1),
    ]
    for each in (alone, runs[0]):
        del each["seconds"], each["rounds"][0]["play_seconds"]
    assert alone == runs[0]


@pytest.mark.long
def test_runs_in_separate_processes_have_equal_results(tmp_path: Path, quickly_loaded: None):
    configs = [DeploymentConfig(rounds=0, games_per_round=1, seed=seed) for seed in (0, 1)]
    told: set[int] = set()
    apart = simulate_all(configs, tmp_path / "apart", 2, lambda number, _: told.add(number))
    together = simulate_all(configs, tmp_path / "together", 1)
    for each in (*apart, *together):
        del each["seconds"], each["rounds"][0]["play_seconds"]
    assert apart == together
    assert told == {0, 1}
    assert (tmp_path / "apart" / "b-sup-seed-1" / "respect.db").is_file()


@pytest.mark.long
def test_a_run_that_fails_in_its_process_is_reported(tmp_path: Path, quickly_loaded: None):
    configs = [DeploymentConfig(rounds=0, games_per_round=2, seed=seed, figures=9999) for seed in (0, 1)]
    with pytest.raises(ValueError, match="9999 were asked for"):
        simulate_all(configs, tmp_path, 2)


def test_an_attack_may_begin_in_a_later_round(tmp_path: Path, policy: Policy):
    def said(begins: int) -> dict[int, list[str]]:
        """round -> utterances, in order."""
        config = DeploymentConfig(
            system="control", rounds=1, games_per_round=2, attack=Attack("poison", 1.0, begins)
        )
        policy.cache.forget()
        simulate(config, tmp_path / str(begins), policy)
        database = Database(f"sqlite:///{tmp_path / str(begins) / 'respect.db'}")
        with database.session() as session:
            rows = session.exec(select(Game.round, Turn.utterance).join(Turn).order_by(col(Turn.id))).all()
        database.close()
        return {number: [words for at, words in rows if at == number] for number in (0, 1)}

    always, later, never = said(0), said(1), said(2)
    assert later[0] == never[0] != always[0]
    assert later[1] != never[1]


def test_a_round_says_whether_its_adapter_was_put_to_use(tmp_path: Path, quickly_loaded: None):
    found = simulate(DeploymentConfig(system="control", rounds=1, games_per_round=1), tmp_path)
    first, second = found["rounds"]
    assert (first["promoted"], first["reason"]) == (None, "")
    assert (second["promoted"], second["reason"]) == (False, "control never trains")
    assert list(refusals(found)) == []  # it made no adapter
    refused = {**second, "train_turns": 7, "reason": "it forgot what was known"}
    assert list(refusals({"rounds": [first, refused]})) == [
        "The adapter of round 1 was not put to use: it forgot what was known"
    ]


def test_honest_players_have_the_same_games_beside_an_attack(tmp_path: Path, quickly_loaded: None):
    attacks = (Attack("none", 0.5), Attack("sybil", 0.5))
    alone, beside = simulate_all(
        [DeploymentConfig(rounds=0, games_per_round=4, at_once=2, attack=each) for each in attacks], tmp_path
    )
    assert [each["attack"] for each in (alone, beside)] == ["none", "sybil"]
    assert [each["rounds"][0]["interactions"] for each in (alone, beside)] == [2, 4]
    games = []
    for each in attacks:
        database = Database(f"sqlite:///{tmp_path / f'b-sup-{each.name}-seed-0' / 'respect.db'}")
        with database.session() as session:
            rows = session.exec(select(Game).order_by(col(Game.id))).all()
        database.close()
        games.append({game.id: (game.speaker, game.targets, game.player_id) for game in rows})
    assert {game: dealt[:2] for game, dealt in games[1].items() if "attack" not in game} == {
        game: dealt[:2] for game, dealt in games[0].items()
    }
    accounts = {player for game, (_, _, player) in games[1].items() if "attack" in game}
    assert len(accounts) == 2, "a new account for each game"


def test_who_was_caught_and_how_much_attackers_influenced(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'respect.db'}")
    upgrade(database)
    board = [f"figure-{number}" for number in range(10)]
    with database.session() as session:
        session.add(Adapter(id=1, name="first", base_model="tiny", system="b-sup"))
        for player in range(1, 5):
            session.add(
                Player(id=player, platform=Origin.SIMULATED, external_id=str(player), name=f"player {player}")
            )
            session.flush()
            for number in (0, 1):
                game = Game(
                    id=f"{number}-{player}", game="multiref", images="classic", speaker=board, listener=board,
                    targets=board[:3], player_id=player, origin=Origin.SIMULATED, adapter="base",
                    base_model="tiny", images_hash="0", round=number, ended_at=now(),
                    outcome=Outcome.WON if player == 1 else Outcome.LOST,
                )  # fmt: skip
                turn = Turn(
                    id=10 * player + number, game_id=game.id, number=1, utterance="a bird", state_before="",
                    action="select A", state_after="A", adapter="base", base_model="tiny", seconds=0.1,
                    source="simulation",
                )  # fmt: skip
                session.add(game)
                session.flush()
                session.add(turn)
        session.flush()
        session.add_all(
            AdapterTurn(adapter_id=1, turn_id=10 * player, reward=1, weight=weight)
            for player, weight in ((1, 1.0), (2, 0.5), (4, 0.5))
        )
    trust = {"players": 4, "quarantined": {"3": 0.1}, "doubted": [2, 4], "capped": []}
    with database.session() as session:
        found = attack_measures(session, 1, {"trust": trust, "adapter": "first"}, {3, 4, 99})
    database.close()
    assert found == {
        "round": 1,
        "players": 4,
        "attackers": 2,
        "attackers_quarantined": 1,
        "honest_quarantined": 0,
        "attackers_doubted": 1,
        "honest_doubted": 1,
        "attackers_influence": 0.25,
        "success_of_others": 0.5,
    }


def test_an_unknown_attack_is_refused_with_those_that_there_are():
    result = CliRunner().invoke(app, [*SHORT, "--attack", "flood"])
    assert result.exit_code == 2 and "sleeper" in result.stderr


def test_an_unusable_plot_file_is_reported_before_the_runs():
    for path in ("curves.txt", "nowhere/curves.png"):
        result = CliRunner().invoke(app, [*SHORT, "--plot", path])
        assert result.exit_code == 1
        assert path.split("/")[0] in result.stderr

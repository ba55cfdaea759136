"""The study file: what is wrong with one is said with its place. Power analysis against published values."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from research.study.file import StudyError, draw_arm, read_study
from research.study.power import Design

GOOD = """
name = "reading-2026"
images = "classic:40"
unit = "player"
seed = 7

[[arms]]
name = "learning"
adapter = "current"
probability = 0.75

[[arms]]
name = "control"
adapter = "base"
probability = 0.25

[limits]
games_per_player = 3

[stop]
baseline = 0.5
difference = 0.1

[[survey.items]]
name = "understood"
text = "It understood what I wrote."

[[quiz]]
name = "marks"
text = "Who sees which figures are the targets?"
choices = ["Only I", "Only the bot", "Both of us"]
answer = "Only I"
why = "The bot sees the figures without the marks."
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_a_good_file(tmp_path: Path):
    found = read_study(written(tmp_path, GOOD))
    study = found.study
    assert [arm.adapter for arm in study.arms] == ["current", "base"]
    assert study.games_per_arm == 388 and study.total_games == 1552
    assert study.survey is not None and study.survey.scale == 6
    assert read_study(written(tmp_path, GOOD + "\n# a comment")).hash != found.hash


def test_the_example_of_the_documentation_is_right(tmp_path: Path):
    text = (Path(__file__).parents[2] / "docs" / "research.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    study = read_study(written(tmp_path, example)).study
    assert study.survey is not None and study.quiz and study.eligibility.most_games_before == 20


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("probability = 0.25", "probability = 0.3", "the probabilities of the arms add up to 1.05"),
        ("probability = 0.25", "probability = 1.25", 'arms 2 ("control"), probability: Input should be less'),
        ("probability = 0.25", "", 'arms 2 ("control"), probability: is missing'),
        ('"control"', '"learning"', "arms: 'learning' is there more than once"),
        ('"control"', '"The Control"', "arms 2 (\"The Control\"), name: 'The Control' must be of lower-case"),
        ("seed = 7", "seeds = 7", "seeds: there is no such key"),
        ('unit = "player"', 'unit = "server"', "unit: Input should be 'player' or 'game'"),
        ('"classic:40"', '"classical"', "images: Unknown image set 'classical'"),
        ('"classic:40"', '"classic:2"', "images: "),
        ("games_per_player = 3", "", "the survey comes after a player's last game"),
        ("difference = 0.1", "difference = 0.6", "stop: baseline and difference are 1.1 together"),
        ("difference = 0.1", "difference = 0.1\ngames_per_arm = 9", "stop: give either games_per_arm"),
        ('answer = "Only I"', 'answer = "Me"', "quiz 1 (\"marks\"): the answer 'Me' is none of the choices"),
        ('"It understood what I wrote."', f'"{"so " * 30}"', 'survey, items 1 ("understood"), text: String'),
        ("[stop]", "[stop", "this is not TOML: "),
        ('name = "reading-2026"', 'name = "reading-2026"\ngame = "chess"', "game 'chess' is not known"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, old: str, new: str, said: str):
    assert GOOD.count(old) == 1
    with pytest.raises(StudyError) as caught:
        read_study(written(tmp_path, GOOD.replace(old, new)))
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(said)


def test_draws_have_the_probabilities_and_can_be_repeated(tmp_path: Path):
    study = read_study(written(tmp_path, GOOD)).study
    drawn = [study.draw(f"discord:{number}", study.arms) for number in range(4000)]
    share = Counter(each.arm for each in drawn)["learning"] / len(drawn)
    assert 0.72 < share < 0.78  # 4.4 standard errors
    assert len({each.seed for each in drawn}) == len(drawn)
    for each in drawn[:50]:
        assert draw_arm(each.seed, each.eligible, [0.75, 0.25]) == (each.arm, each.probability)
    assert study.draw("discord:5", study.arms) == drawn[5]
    (only,) = study.arms[1:]
    alone = study.draw("discord:5", [only])
    assert (alone.arm, alone.probability, alone.eligible) == ("control", 1.0, ("control",))


@pytest.mark.parametrize(
    ("design", "difference", "games"),
    [
        (Design(0.5), 0.1, 388),  # R: power.prop.test(p1 = .5, p2 = .6, power = .8) gives 387.34
        (Design(0.5, power=0.9), 0.25, 77),  # and with p2 = .75, power = .9: 76.65, of its help page
        (Design(0.5, icc=0.1, games_per_player=6), 0.1, 582),  # 1.5 times 387.34
    ],
)
def test_power_analysis_gives_published_values(design: Design, difference: float, games: int):
    assert design.games_per_arm(difference) == games
    found = design.detectable(games)
    assert found is not None and difference - 0.005 < found <= difference


def test_few_games_detect_nothing():
    assert Design(0.9).detectable(5) is None


def respect(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)


def test_from_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(tmp_path / "data"))
    file = written(tmp_path, GOOD)
    good = respect("study", "check", file)
    assert good.exit_code == 0
    assert "388 games in each arm detect a rise of 10.0 points or more" in good.stdout
    assert not (tmp_path / "data").exists()
    missing = respect("study", "check", written(tmp_path, GOOD.replace('"base"', '"round-0009-b-sup"')))
    assert (
        missing.exit_code == 1 and "arm 'control': There is no adapter 'round-0009-b-sup'" in missing.stderr
    )
    wrong = respect(
        "study", "check", "--json", written(tmp_path, GOOD.replace("0.75", "2").replace("= 7", "= -1"))
    )
    assert wrong.exit_code == 1
    assert [each.split(":")[0] for each in json.loads(wrong.stdout)["problems"]] == [
        "seed",
        'arms 1 ("learning"), probability',
    ]
    planned = respect("study", "power", "--difference", "0.1", "--games", "388")
    assert "50% against 60%: 388 games in each arm" in planned.stdout
    assert "388 games in each arm detect a rise of 10.0 points" in planned.stdout

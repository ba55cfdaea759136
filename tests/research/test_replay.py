"""Replay of finished games: the policy's input, and scores counted by hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from games.core import Step
from games.figures import open_images
from learner.feedback.interaction_files import BadLine
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER, PastStep, TurnRequest
from research.recorded import RecordedGame, read_games, replay, score_replay
from tests.research.recorded_games import BOARD, IMAGES, MIXED, WON, line, named_games, write

SHARED = Path(__file__).parents[3] / "shared/data"
HUMAN_GAMES = Path(os.environ.get("RESPECT_TEST_INTERACTIONS", SHARED / "respect/interactions-dev.jsonl"))
KILOGRAM = Path(os.environ.get("RESPECT_TEST_KILOGRAM", SHARED / "kilogram/dataset"))


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.load("tiny", device="cpu")


def read(folder: Path, *lines: object) -> list[RecordedGame]:
    return read_games(write(folder / "games.jsonl", *lines), IMAGES)


def test_the_listener_is_shown_the_board_as_the_file_has_it(tmp_path: Path):
    (game,) = read(tmp_path, MIXED)
    assert game.deal.listener == tuple(BOARD)
    assert game.steps == (
        Step("", "one", "select F"),
        Step("F", "no, two", "deselect F select A"),
        Step("A", "yes, three and four", "select B G"),
    )


def test_utterances_are_cleaned_as_the_bot_cleans_messages(tmp_path: Path):
    (game,) = read(tmp_path, line([[0]], ["**the <@123>   duck**"]))
    assert game.steps[0].utterance == "the duck"


def test_utterances_without_a_click_are_joined_with_the_next(tmp_path: Path):
    clicks = [[], [0], [0], [0], [0, 1]]
    (game,) = read(tmp_path, line(clicks, ["hello!", "the duck", "wait", "no", "the boat"]))
    assert [(step.state, step.utterance, step.action) for step in game.steps] == [
        ("", "hello! the duck", "select A"),
        ("A", "wait. no. the boat", "select B"),
    ]


def test_figures_may_be_named_by_their_files(tmp_path: Path):
    with_ending = {
        key: [f"{figure}.png" for figure in WON[key]] if key in ("context", "targets") else WON[key]
        for key in WON
    } | {"clicks": [[f"{figure}.png" for figure in selection] for selection in WON["clicks"]]}
    (plain,), (ended,) = read(tmp_path, WON), read(tmp_path, with_ending)
    assert (ended.deal, ended.steps) == (plain.deal, plain.steps)


def test_a_figure_that_the_set_lacks_is_named_with_its_line(tmp_path: Path):
    with pytest.raises(
        BadLine, match=r"Line 3: the image set classic has no figure 'page1-2.png': give the set"
    ):
        read(
            tmp_path,
            WON,
            "",
            WON | {"context": [*BOARD[1:], "page1-2.png"], "targets": [], "clicks": [[]] * 3},
        )
    with pytest.raises(BadLine, match="Line 1: `context` names a figure twice"):
        read(tmp_path, line([[1]], ["x"], (1, 2, 3), context=[f"{BOARD[1]}.png", *BOARD[1:]]))


def test_a_line_may_be_of_another_game(tmp_path: Path):
    """In `pick` a new pick takes the place of the old one, and is right if it is the target."""
    picks = line([[5], [1]], ["the duck", "no, the boat"], targets=(1,), game="pick", context=BOARD[:6])
    (game,) = read(tmp_path, picks)
    assert [step.action for step in game.steps] == ["select F", "select B"]
    found = score_replay([game], [["select B", "select B"]])
    assert (found.all_right, found.their_all_right, found.exact) == (1.0, 0.5, 1.0)


def test_the_same_line_is_the_same_game(tmp_path: Path):
    one, two, other = read(tmp_path, WON, WON, WON | {"chat": ["the last", *WON["chat"][1:]]})
    assert one.key == two.key != other.key


def test_scores_are_those_counted_by_hand(tmp_path: Path):
    games = read(tmp_path, WON, MIXED)
    answers = [
        ["select A", "select C", "select D E"],  # the same; right but another; two wrong
        ["select A B", "deselect F", "select B"],  # two right; right, half of what was done; right
    ]
    found = score_replay(games, answers)
    assert (found.games, found.turns) == (2, 6)
    # Logged all right: three turns of the first game, the second of the other; one answered by the same action.
    assert found.exact == 1 / 4
    assert found.clicks == (2 + 4) / (4 + 4)
    assert found.their_clicks == (3 + 0 + 2 + 1) / (3 + 1 + 2 + 2)
    assert found.all_right == 5 / 6
    assert found.their_all_right == 4 / 6


def test_intervals_resample_games(tmp_path: Path):
    games = read(tmp_path, WON, MIXED)
    found = score_replay(
        games, [["select A", "select C", "select D E"], ["select A B", "deselect F", "select B"]]
    )
    right, clicks = np.array([2, 4]), np.array([4, 4])
    picks = np.random.default_rng(0).integers(0, 2, size=(2000, 2))
    shares = [right[pick].sum() / clicks[pick].sum() for pick in picks]
    assert found.clicks_ci95 == pytest.approx(tuple(np.percentile(shares, [2.5, 97.5])))
    assert found.clicks_ci95 == (0.5, 1.0)
    same = score_replay([games[0]] * 3, [["select A", "select C", "select D E"]] * 3)
    assert same.all_right_ci95 == (same.all_right, same.all_right) == (2 / 3, 2 / 3)


def test_a_share_of_nothing_is_none(tmp_path: Path):
    games = read(tmp_path, line([[5]], ["the duck"]), line([], []))
    found = score_replay(games, [["select F"], []])
    assert (found.games, found.turns) == (2, 1)
    assert (found.exact, found.exact_ci95) == (None, None)
    assert (found.their_all_right, found.their_all_right_ci95) == (0.0, (0.0, 0.0))


def test_every_turn_is_answered_as_if_it_were_asked_alone(tmp_path: Path, policy: Policy):
    """The history in the policy's input is the recorded one, whatever the policy answered before."""
    games = read(tmp_path, *named_games(5), MIXED, MIXED)
    told: list[tuple[int, int]] = []
    answers = replay(policy, games, IMAGES, BASE_ADAPTER, lambda done, total: told.append((done, total)))
    assert told[-1] == (26, 26)
    for number, (game, ours) in enumerate(zip(games, answers, strict=True)):
        for turn, (step, answer) in enumerate(zip(game.steps, ours, strict=True)):
            request = TurnRequest(
                request_id=f"alone-{number}-{turn}",
                game_id=f"alone-{number}-{turn}",
                images="classic",
                context=game.deal.listener,
                history=tuple(
                    PastStep(state=past.state, utterance=past.utterance, action=past.action)
                    for past in game.steps[:turn]
                ),
                state=step.state,
                utterance=step.utterance,
                adapter=BASE_ADAPTER,
            )
            assert policy.act([request], greedy=True)[0][0] == answer
    assert answers[-1] == answers[-2]


@pytest.mark.skipif(
    not (HUMAN_GAMES.is_file() and KILOGRAM.is_dir()),
    reason="no human games here: set RESPECT_TEST_INTERACTIONS and RESPECT_TEST_KILOGRAM to them",
)
def test_a_policy_that_does_what_people_got_scores_as_they_did():
    games = read_games(HUMAN_GAMES, open_images(f"kilogram:{KILOGRAM}"))
    found = score_replay(games, [[step.action for step in game.steps] for game in games])
    assert found.exact == 1.0
    assert (found.clicks, found.all_right) == (found.their_clicks, found.their_all_right)
    assert found.their_all_right is not None and 0.6 < found.their_all_right < 0.7

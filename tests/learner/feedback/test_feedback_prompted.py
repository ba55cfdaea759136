"""The prompted decoder with a scripted scorer: its questions, and the labels of the answers."""

import math
from collections.abc import Sequence

import pytest

from games import DEFAULT_GAME, GAMES
from games.core import Message, Step, Text
from learner.feedback import Exchange, exchange_of, open_decoder
from learner.feedback.prompted import shorten


def after(said: str) -> Exchange:
    steps = [Step("", "the hat", "select A"), Step("A", "the duck", "select C")]
    return exchange_of(GAMES[DEFAULT_GAME], "ABCDEFGHIJ", steps, said)


TURN = after('User said "no"\nthe boat')


class Model:
    """Gives fixed log-probabilities to the answers of a scheme and records the questions."""

    def __init__(self, *logps: float) -> None:
        self.logps = logps
        self.asked = ""

    def score(self, messages: Sequence[Message], answers: Sequence[str]) -> Sequence[float]:
        (message,) = messages
        self.asked = "".join(part.text for part in message.parts if isinstance(part, Text))
        return self.logps


def test_the_likeliest_answer_is_the_label_and_its_share_the_confidence():
    (verdict,) = open_decoder("prompted", "binary", Model(math.log(0.06), math.log(0.02))).decode([TURN])
    assert (verdict.label, verdict.decoder) == (1, "prompted")
    assert verdict.confidence == pytest.approx(0.75)
    assert verdict.p_positive == pytest.approx(0.75)


def test_ternary_has_a_neutral_answer():
    (verdict,) = open_decoder("prompted", "ternary", Model(-3.0, -1.0, -2.0)).decode([TURN])
    assert verdict.label == 0
    assert verdict.p_positive < verdict.confidence


@pytest.mark.parametrize("logps", [(-math.inf, -math.inf), (math.nan, -1.0), (-2.0, -2.0), (-1e9, -1e9)])
def test_equal_scores_are_not_positive(logps: tuple[float, float]):
    (verdict,) = open_decoder("prompted", "binary", Model(*logps)).decode([TURN])
    assert verdict.label == -1
    assert verdict.confidence == pytest.approx(0.5)


def test_a_broken_scorer_is_named():
    with pytest.raises(ValueError, match="3 scores for 2 answers"):
        open_decoder("prompted", "binary", Model(-1.0, -1.0, -1.0)).decode([TURN])


def test_utterances_are_quoted_as_typed():
    model = Model(-1.0, -2.0)
    open_decoder("prompted", "binary", model).decode([TURN])
    assert r'"User said \"no\"\nthe boat"' in model.asked
    assert "Listener's action: select C" in model.asked
    assert model.asked.count("\nSpeaker") == 2
    assert model.asked.startswith(GAMES[DEFAULT_GAME].words.setting)


def test_a_long_text_loses_its_middle():
    text = "no! " + "x" * 5000 + " the boat"
    short = shorten(text, 100)
    assert len(short) <= 100
    assert short.startswith("no! x") and " [...] " in short and short.endswith("x the boat")
    assert shorten("the boat", 100) == "the boat"


def test_half_an_emoji_does_not_reach_the_model():
    model = Model(-1.0, -2.0)
    open_decoder("prompted", "binary", model).decode([after("yes \ud83d")])
    assert model.asked.encode("utf-8")


def test_opening_a_decoder_says_what_is_missing():
    with pytest.raises(ValueError, match="give it a policy"):
        open_decoder("prompted")
    with pytest.raises(ValueError, match="expected rules or prompted"):
        open_decoder("oracle")
    with pytest.raises(ValueError, match="expected binary or ternary"):
        open_decoder("rules", "quaternary")

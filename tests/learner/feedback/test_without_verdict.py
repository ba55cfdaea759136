"""The rest of an utterance after praise and rejection are removed."""

import pytest

from learner.feedback.rules.decoder import without_verdict


@pytest.mark.parametrize(
    ("utterance", "heard"),
    [
        ("wrong one, the minister of silly walks.", "minister of silly walks."),
        ("That is not what I meant, I need the dog with Ears", "dog with Ears"),
        ("hmm no, also the turtle", "turtle"),
        ("👍 get the swan", "swan"),
        ("yes that's it. pick the dancing man", "dancing man"),
        ("This is wrong finally the butterfly", "butterfly"),
        ('no, "the bird"', 'bird"'),
        ("nein, le chat", "le chat"),
        ("great job", "job"),
    ],
)
def test_a_verdict_is_left_out(utterance: str, heard: str):
    assert without_verdict(utterance) == heard


@pytest.mark.parametrize(
    "utterance",
    [
        "",
        "  ",
        "the bird",
        "no head, two legs",
        "the good samaritan",
        "man doing something wrong",
        "That isn't it",
        "perfect!",
        "no, take that back",
        "wrong, remove the bird and take the dog",
        "start over",
    ],
)
def test_what_has_no_verdict_or_nothing_else_or_takes_something_back_stays(utterance: str):
    assert without_verdict(utterance) == utterance


def test_very_long_text_is_processed_in_bounded_time():
    assert without_verdict("no " + "bird " * 200_000).startswith("bird")

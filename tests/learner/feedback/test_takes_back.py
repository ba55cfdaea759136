"""Recognises utterances that only ask for a deselection; hindsight selects nothing for them."""

import pytest

from games.words import plain
from learner.feedback.rules.decoder import only_takes_back, rejects


@pytest.mark.parametrize(
    "utterance",
    [
        "undo",
        "deselect that one",
        "unselect your last choice",
        "Start over",
        "yes! but take out the axe",
        "great job now get rid of the turtle with head and legs",
        "Nice, also please deselect the ship carrying goods with bow, hull and goods",
        "Wrong, take away the seal swimming with body, tail, head and flippers",
        "Drop the bird with wings, body, face and tail feathers",
        "remove the dog and the house",
        "only partly right, undo and look again.",
        "deselect that and try another one",
    ],
)
def test_it_only_takes_back(utterance: str):
    assert only_takes_back(utterance)


@pytest.mark.parametrize(
    "utterance",
    [
        "the bird",
        "not that, the bird",
        "undo the last one and i need the person diving with arms, head, feet and body",
        "please deselect the engine piston and click the war axe with blade and shaft",
        "no, undo, i want the sitting cat with ears, neck, body and legs",
        "deselect that one, the other one, woman wearing dress",
        "that's wrong, undo that. a man with a hat",
        "Incorrect. delete the cow with neck and head, the one that looks like a hummingbird with wings",
        "take out the question mark, suit tie with right tie and neck",
        "the woman in a long dress with an umbrella, deselect the other one",
        "undo the last one and the swan",
    ],
)
def test_it_describes_something_to_select_too(utterance: str):
    assert not only_takes_back(utterance)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("No", True),
        ("no, the HOUSE", True),
        ("that isn’t it", True),
        ("Wrong one!!", True),
        ("not that one, try again", True),
        ("undo", True),
        ("please deselect it and get the duck", True),
        ("❌ the other one", True),
        ("nope 😅 the swan", True),
        ("No, remove the duck", True),
        ("remove the duck", False),
        ("Please remove the tall house.", False),  # common words name a figure too
        ("Get rid of the bird…", False),
        ("Deselect the last one", True),
        ("deselect the house and pick the duck", True),
        ("Deselect the duck and the house", False),
        ("yes, the house", False),
        ("Great! now the duck", False),
        ("the house with no windows", False),
        ("a man who is not standing", False),
        ("no problem, you got it", False),
        ("Click the duck. Don’t click the others", False),
        ("the swan, do NOT touch the rest!", False),
        ("do not click the other one", True),
        ("the duck", False),
        ("犬", False),
        ("", False),
    ],
)
def test_whether_an_utterance_rejects(typed: str, expected: bool):
    assert rejects(plain(typed)) is expected

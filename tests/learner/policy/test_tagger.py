"""The tagger: which descriptions it finds in what people type, and what it is trained on."""

import random
import re

import pytest

from games.words import plain
from learner.policy import Policy
from learner.policy.tiny.dialogues import Description, in_words
from learner.policy.tiny.elaborations import elaborated
from learner.policy.tiny.tagger import FIRST, INSIDE, OUTSIDE, says_nothing, spans, tagged
from learner.policy.tiny.tagger_training import ElaboratingSpeaker
from learner.policy.tiny.tokenizer import AGAIN, CLOSES, OPENS

ONE = (
    "a candle that's burning on the left",
    "pick the goose which is turned around, it has a short beak",
    "The boat. It’s got a tall mast and a flag on the right",
    "an old man who is sweeping the floor",
    "The teapot whose spout goes up",
    "Find the arrow, there's a notch cut out below",
    "a cat stretched out with its tail up",
    "Great! Next is the chair that is tipped over. You can see both of its back legs.",
    "the person kneeling down, with one arm in front of him",
    "Yes. Now the bridge: one pillar on the left and two pillars on the right",
    "choose the fish that’s swimming away from you",
    "the hammer it is standing on its handle",
    "Click the tent with the door that is open",
    "a rabbit. The ears are bent backwards. Its body is a big square.",
    "Select the key, the round part is at the bottom",
    "ok a bird but it has no tail and it is looking down",
    "No, the other lamp that is taller and thinner",
    "the letter t that is lying on its side",
    "LOOKS LIKE A FACTORY WITH SMOKE COMING OUT OF THE CHIMNEY ON THE RIGHT",
    "a crab: two claws up, flat body",
)
SEVERAL = {
    "the candle and the goose": 2,
    "the boat, then the teapot": 2,
    "Select the arrow that points left and the cat": 2,
    "the chair and also the bridge": 2,
    "the hammer with the long handle and the key": 2,
    "First the crab, then the bird that is flying": 2,
    "a candle and a goose": 2,
    "A candle. A goose.": 2,
    "a boat; a tent": 2,
    "duck\nhouse": 2,
    "the square. The triangle.": 2,
    "this one is a horse, this one is a cat": 2,
    "the candle, the goose and the tent": 3,
    "The candle. The goose. The tent.": 3,
    "a candle; a goose; a tent": 3,
    "horse, ball, stick": 3,
}


LEFT = 3
"""Sentences that may be cut in two."""


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.load("tiny", "cpu")


def descriptions(policy: Policy, typed: str) -> list[str]:
    """The descriptions that it finds in what a person typed."""
    return [part.split(f" {CLOSES}")[0] for part in policy.backend.spell(plain(typed)).split(f"{OPENS} ")[1:]]


def test_descriptions_are_found_in_what_people_type(policy: Policy):
    cases = {
        "The kneeling man": ["kneeling man"],
        "the kneeling man and the sailing boat": ["kneeling man", "sailing boat"],
        "No, the House": ["house"],
        "that isn’t it, the tall house": ["tall house"],
        "Select the duck, the house and the tree please": ["duck", "house", "tree"],
        "a duck\nthe house": ["duck", "house"],
        "remove the duck": ["duck"],
        "undo that": [],
        "no": [],
        "YES!! great": [],
    }
    found = {typed: descriptions(policy, typed) for typed in cases}
    bare = {
        typed: [words.removeprefix("the ").removeprefix("a ") for words in said]
        for typed, said in found.items()
    }
    assert sum(bare[typed] == cases[typed] for typed in cases) >= len(cases) - 1, bare


def test_words_that_would_fit_any_figure_describe_none():
    for words, after in (
        ("the other one", ""), ("a symbol", " that looks"), ("it is not", ""), ("images", ""), ("a", " drawing"),
        (",", " a duck"), ("the", " last piece"), (" ".join(["one"] * 5000), ""),
    ):  # fmt: skip
        assert says_nothing(words, after), (words, after)
    for words, after in (
        ("one-legged man", ""), ("a one legged man", ""), ("final boss", ""), ("an a", ""), ("a", " and a b"),
        ("thing 1", ""), ("犬", ""), (" ".join(["one"] * 5000) + " x", ""),
    ):  # fmt: skip
        assert not says_nothing(words, after), (words, after)


def test_what_people_call_any_figure_is_not_part_of_a_description(policy: Policy):
    for typed, said in {
        "Click the piece that looks like a funnel": ["a funnel"],
        "The second is a thick tree": ["a thick tree"],
        "De-select that PIECE, and click the tall man": ["the tall man"],
        "the last figure is a Man with a hat": ["a man with a hat"],
        "next Object: a lamp": ["a lamp"],
        "Pick the image of a dog": ["a dog"],
        "No, the other piece": [],
        "select that Object": [],
        "Not that shape, the other SHAPE": [],
        "A drawing": [],
    }.items():
        assert descriptions(policy, typed) == said


def spelled(policy: Policy, typed: str) -> str:
    return policy.backend.spell(plain(typed))


@pytest.mark.parametrize(
    ("polite", "same"),
    [
        ("No, deselect the house PLEASE", "No, deselect the house"),
        ("Please, the kneeling man!", "the kneeling man!"),
        ("pls unselect it, please", "unselect it,"),
        ("you have the violin, please remove it", "you have the violin, remove it"),
        ("the duck pls. then the boat plz", "the duck. then the boat"),
    ],
)
def test_courtesies_change_nothing(policy: Policy, polite: str, same: str):
    assert spelled(policy, polite) == spelled(policy, same)


def test_a_courtesy_alone_stays_as_it_was_typed(policy: Policy):
    for typed in ("please", "PLEASE!", "Pls...", "please, please"):
        assert plain(typed).lower() in spelled(policy, typed)


def test_a_verb_without_its_object_takes_back_the_last_pick(policy: Policy):
    """Only where the last pick is rejected, and not where a description says what to take back."""
    assert spelled(policy, "Wrong, deselect. Next, a duck").startswith(f"{AGAIN} wrong, deselect it. next,")
    assert spelled(policy, "no UNDO") == f"{AGAIN} no undo it"
    for named in (
        "No, deselect the violin",
        "remove the violin",
        "No, deselect: the violin",
        "no, deselect - violin",
        "wrong, remove: violin",
        "No, please deselect, please, the violin",
        "no deselect next-door house",
    ):
        assert "it" not in re.findall(r"\w+", spelled(policy, named)), named
    once = spelled(policy, "no, deselect it and pick the duck")
    assert once == spelled(policy, "no, deselect and pick the duck")


def test_pieces_of_a_word_have_its_tag():
    assert spans([OUTSIDE, FIRST, INSIDE, OUTSIDE], [False, False, True, False]) == [(1, 2)]
    assert spans([FIRST, OUTSIDE, OUTSIDE], [False, True, False]) == [(0, 1)]
    assert spans([OUTSIDE, INSIDE], [False, True]) == []
    assert spans([INSIDE, FIRST], [False, False]) == [(0, 0), (1, 1)]
    assert spans([], []) == []


def test_a_scripted_utterance_is_tagged_as_it_was_made(policy: Policy):
    utterance = ("not ", Description("the Duck", "A"), ", ", Description("a tall house", "B"))
    ids, tags = tagged(utterance, policy.prompts.tokenise)
    assert policy.prompts.tokenise(in_words(utterance).lower()) == tuple(ids)
    assert tags == [OUTSIDE, FIRST, INSIDE, OUTSIDE, FIRST, INSIDE, INSIDE]


def test_what_is_added_to_a_description_belongs_to_it(policy: Policy):
    found = {typed: descriptions(policy, typed) for typed in ONE}
    assert sum(len(of) == 1 for of in found.values()) >= len(ONE) - LEFT, found


def test_several_figures_are_still_several_descriptions(policy: Policy):
    found = {typed: descriptions(policy, typed) for typed in SEVERAL}
    assert sum(len(of) == SEVERAL[typed] for typed, of in found.items()) >= len(SEVERAL) - 2, found


def test_the_grammar_is_complete():
    rng, said = random.Random(0), set[str]()
    for _ in range(3000):
        text = elaborated("a duck", ["swan"], rng)
        assert text.startswith("a duck") and len(text) > len("a duck")
        assert not re.search(r"[{}]|  ", text), text
        said.add(text)
    assert len(said) > 2500 and any("swan" in text for text in said)


def test_the_tagger_is_trained_on_descriptions_that_go_on():
    words = {"f": ["a duck", "swan"]}
    never, always = (ElaboratingSpeaker(words, share, random.Random(0)) for share in (0.0, 1.0))
    assert {never.describe("f") for _ in range(50)} == {"a duck", "swan"}
    assert not {always.describe("f") for _ in range(50)} & {"a duck", "swan"}

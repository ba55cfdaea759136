"""What people type reaches the embedded model whole: capitals, phones' punctuation, emoji and every script."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games import DEFAULT_GAME, GAMES
from games.core import Step
from games.figures import open_images
from games.words import plain
from learner.policy import Example, Policy
from learner.policy.tiny.known import KNOWN_FILE
from learner.policy.tiny.spelling import Speller, english
from learner.policy.tiny.tokenizer import AGAIN, UNKNOWN
from learner.protocol import BASE_ADAPTER, turn_request
from learner.settings import TINY_WEIGHTS

RULES, IMAGES = GAMES[DEFAULT_GAME], open_images("classic")
CONTEXT = IMAGES.ids[:10]
COURTESIES = ("please", "pls", "plz")
"""Left out by the tagger."""
TYPED = st.text(st.one_of(st.sampled_from("AaBb .,'’“…🦆👍犬船öЖ"), st.characters()), max_size=30)


def ids(policy: Policy, said: Sequence[str]) -> tuple[int, ...]:
    """Tokens of the prompt after these messages as people type them, each answered by a pick."""
    steps, state = [], RULES.initial_state(CONTEXT)
    for number, words in enumerate(said[:-1]):
        action = f"select {'ABCDEFGHIJ'[number]}"
        steps.append(Step(state, plain(words), action))
        state = RULES.apply(state, action)
    request = turn_request(
        game_id="spelling",
        game=RULES.name,
        images="classic",
        context=CONTEXT,
        steps=steps,
        state=state,
        utterance=plain(said[-1]),
        adapter=BASE_ADAPTER,
    )
    return policy.inputs(request).ids


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("No, the House", "no, the house"),
        ("THAT ISN’T IT", "that isn't it"),
        ("the “big” one…", 'the "big" one...'),
        ("~~yes~~ no, the Bird", "no, the bird"),
        ("> the dog\nNot that one", "not that one"),
        ("👎🏽 the 🦆", "no the duck"),
        ("Bär", "bar"),
        ("No, the Butterlfy", "no, the butterfly"),
        ("Unselct the “Squirel” 🐿️ plz", 'unselect the "squirrel" 🐿️ plz'),
        ("kneling man, not the tirangle", "kneeling man, not the triangle"),
    ],
)
def test_it_reads_the_same_in_every_turn(shared_policy: Policy, typed: str, same: str):
    assert ids(shared_policy, [typed]) == ids(shared_policy, [same])
    assert ids(shared_policy, ["the bird", typed]) == ids(shared_policy, ["the bird", same])
    assert ids(shared_policy, ["the bird", typed, "yes"]) == ids(shared_policy, ["the bird", same, "yes"])


@pytest.mark.parametrize(("one", "other"), [("Bär", "Löwe"), ("犬", "船"), ("собака", "лодка"), ("🦆", "🐈")])
def test_words_of_every_script_are_told_apart(shared_policy: Policy, one: str, other: str):
    assert ids(shared_policy, [one]) != ids(shared_policy, [other])


@pytest.mark.parametrize(
    "typed",
    [
        *("stove", "pterodactyl", "a zorblax", "o'reilly's", "x-rayed", "brid", "thanos"),
        *("schwan und katze", "ein stuhl", "blaue katze", "ein blauer hund"),
        *(
            "that wasnt it",
            "i didnt mean the swan",
            "it doesnt fit, theyre wrong",
            "you shouldnt have picked that",
        ),
    ],
)
def test_a_word_that_nobody_mistyped_stays(shared_policy: Policy, typed: str):
    assert {*re.findall(r"\w+", typed)} <= {*re.findall(r"\w+", shared_policy.backend.spell(typed))}


def test_a_message_with_letters_of_another_language_is_not_corrected(shared_policy: Policy):
    assert shared_policy.backend.spell("the drück butterlfy").split() == [
        "«",
        "the",
        "druck",
        "butterlfy",
        "»",
    ]


@pytest.mark.parametrize("typed", ["It wasnt that", "I didnt mean the Swan", "You shouldnt have picked it"])
def test_a_rejection_without_apostrophe_stays_one(shared_policy: Policy, typed: str):
    assert shared_policy.backend.spell(plain(typed)).startswith(AGAIN)


def test_damaged_descriptions_do_not_stop_play(tmp_path: Path):
    folder = tmp_path / "policy"
    shutil.copytree(TINY_WEIGHTS, folder)
    (folder / KNOWN_FILE).write_text("{")
    backend = Policy.load(str(folder)).backend
    assert backend.spell("the butterlfy, unselct the swan") == "« the butterlfy » , unselect « the swan »"


@given(
    st.lists(st.sampled_from([word for word in english() if word.isascii() and word.isalpha()]), max_size=5)
)
@settings(max_examples=100, deadline=None)
def test_english_is_left_alone(shared_policy: Policy, words: list[str]):
    shown = shared_policy.backend.spell(" ".join(words)).split()
    assert set(words) <= {*shown, *COURTESIES}


@given(st.text("abcdeghinorstu '-", max_size=40))
@settings(max_examples=200, deadline=None)
def test_correcting_twice_changes_nothing_more(typed: str):
    speller = Speller(("stone", "house"), lambda: {"horse": 3, "gusts": 1, "other": 0})
    once = speller.corrected(typed)
    assert len(once.split()) == len(typed.split()) and speller.corrected(once) == once


def test_the_likelier_word_is_taken():
    speller = Speller((), lambda: {"eager": 0, "eagle": 5, "table": 2})
    assert speller.corrected("the eagel, tablw and eagler") == "the eagle, table and eagle"


@given(TYPED, TYPED)
@settings(max_examples=100, deadline=None)
def test_nothing_typed_is_unknown_or_a_label(shared_policy: Policy, first: str, later: str):
    tokenizer = shared_policy.backend.processor.tokenizer
    tokens = tokenizer.convert_ids_to_tokens(list(ids(shared_policy, [first, later])))
    assert UNKNOWN not in tokens
    labels = [token for token in tokens if len(token) == 1 and token.isupper()]
    assert labels == [*"ABCDEFGHIJ", "A", "A"]  # the board, the action and the state after it


@given(TYPED, TYPED)
@settings(max_examples=50, deadline=None)
def test_training_reads_what_was_played(shared_policy: Policy, first: str, later: str):
    state = RULES.initial_state(CONTEXT)
    steps = (Step(state, plain(first), "select A"), Step("A", plain(later), "select B"))
    prompt = shared_policy.prompt_of(Example("classic", CONTEXT, steps, ((), ("select B",)), RULES.name))
    assert prompt.ids[: prompt.turns[-1]] == ids(shared_policy, [first, later])


@pytest.mark.parametrize("written", ["犬" * 200, "собака " * 200, "🦆" * 200])
def test_the_limit_counts_what_the_model_is_given(shared_policy: Policy, written: str):
    counted = shared_policy.utterance_tokens([plain(written)])
    longer, short = ids(shared_policy, [written]), ids(shared_policy, ["a"])
    assert counted == len(longer) - len(short) + shared_policy.utterance_tokens(["a"]) >= 200

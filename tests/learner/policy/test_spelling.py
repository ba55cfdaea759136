"""What people type reaches the embedded model whole: capitals, phones' punctuation, emoji and every script."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games import DEFAULT_GAME, GAMES
from games.core import Step
from games.figures import open_images
from games.words import plain
from learner.policy import Example, Policy
from learner.policy.tiny.tokenizer import UNKNOWN
from learner.protocol import BASE_ADAPTER, turn_request

RULES, IMAGES = GAMES[DEFAULT_GAME], open_images("classic")
CONTEXT = IMAGES.ids[:10]
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
    ],
)
def test_it_reads_the_same_in_every_turn(shared_policy: Policy, typed: str, same: str):
    assert ids(shared_policy, [typed]) == ids(shared_policy, [same])
    assert ids(shared_policy, ["the bird", typed]) == ids(shared_policy, ["the bird", same])
    assert ids(shared_policy, ["the bird", typed, "yes"]) == ids(shared_policy, ["the bird", same, "yes"])


@pytest.mark.parametrize(("one", "other"), [("Bär", "Löwe"), ("犬", "船"), ("собака", "лодка"), ("🦆", "🐈")])
def test_words_of_every_script_are_told_apart(shared_policy: Policy, one: str, other: str):
    assert ids(shared_policy, [one]) != ids(shared_policy, [other])


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

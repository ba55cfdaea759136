"""Words of descriptions are left out or exchanged for similar ones."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from learner.policy import Policy
from learner.policy.tiny.rewording import ALIKE, Rewording
from learner.policy.tiny.tokenizer import token_bags

SAID = ["The DOG, running!", "a house with 2 chimneys", "犬", "Bär", "it’s a “boat” 👍", "x", "boat " * 60]


@pytest.fixture(scope="module")
def tokenizer(shared_policy: Policy) -> Any:
    return shared_policy.backend.processor.tokenizer


@pytest.fixture(scope="module")
def bags(tokenizer: Any) -> list[list[int]]:
    return token_bags(tokenizer, SAID)


@pytest.fixture(scope="module")
def reword(shared_policy: Policy, tokenizer: Any, bags: list[list[int]]) -> Rewording:
    vectors = shared_policy.backend.model.get_input_embeddings().weight.detach()
    return Rewording.of(tokenizer, vectors, bags, share=0.5)


def words(tokenizer: Any, ids: list[int]) -> list[str]:
    return tokenizer.convert_ids_to_tokens(ids)


def test_words_are_exchanged_for_similar_ones(tokenizer: Any, reword: Rewording) -> None:
    [[dog], [house]] = token_bags(tokenizer, ["Dog", "HOUSE"])
    assert {"dogs", "puppy"} & set(words(tokenizer, reword.alike[dog]))
    assert {"houses", "home"} & set(words(tokenizer, reword.alike[house]))
    for word, alike in reword.alike.items():
        assert len(set(alike)) == ALIKE and word not in alike


def test_only_whole_words_that_were_said_are_exchanged(
    tokenizer: Any, reword: Rewording, bags: list[list[int]]
) -> None:
    """Not numbers, letters, marks and pieces of words, which other scripts consist of."""
    assert reword.alike.keys() <= {token for ids in bags for token in ids}
    kept = {"2", "x", *words(tokenizer, bags[2])}
    assert not kept & set(words(tokenizer, list(reword.alike)))
    for near in reword.alike.values():
        assert all(word.isalpha() and word.isascii() for word in words(tokenizer, near))


def test_a_share_of_the_words_changes(reword: Rewording, bags: list[list[int]]) -> None:
    rng, boats = random.Random(0), bags[-1]
    changed = Counter(
        token == boats[0] for _ in range(200) for token in replace(reword, share=0.1)(boats, 0.0, rng)
    )
    assert changed[False] / changed.total() == pytest.approx(0.1, abs=0.01)


def test_something_of_every_description_stays(reword: Rewording, bags: list[list[int]]) -> None:
    rng = random.Random(0)
    for ids in bags * 50:
        assert len(reword(ids, 1.0, rng)) == len(reword(ids, 0.0, rng)) == len(ids)
        some = reword(ids, 0.4, rng)
        assert 0 < len(some) <= len(ids)
        assert all(token in ids or any(token in reword.alike.get(said, []) for said in ids) for token in some)
    left = Counter(len(reword(bags[-1], 0.4, rng)) for _ in range(200))
    assert sum(length * times for length, times in left.items()) / 200 == pytest.approx(36, abs=2)


def test_nothing_is_exchanged_without_a_share(
    shared_policy: Policy, tokenizer: Any, bags: list[list[int]]
) -> None:
    """And no random number is drawn for it, so that rounds with enough words are as before."""
    vectors = shared_policy.backend.model.get_input_embeddings().weight.detach()
    rng, same = random.Random(2), random.Random(2)
    for ids in bags:
        kept = [word for word in ids if same.random() >= 0.4] or ids
        assert list(Rewording.of(tokenizer, vectors, bags, share=0.0)(ids, 0.4, rng)) == kept


def test_the_same_seed_gives_the_same_words(reword: Rewording, bags: list[list[int]]) -> None:
    once, again = (
        [reword(ids, 0.4, rng) for ids in bags * 20] for rng in (random.Random(1), random.Random(1))
    )
    assert once == again

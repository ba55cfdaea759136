"""The action language as a trie: for every state the legal actions and nothing else."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from games import GAMES
from games.core import IllegalAction
from games.multiref import LETTERS, format_state
from learner.policy.grammar import ConstrainedSampler, Grammar, build_trie, masked_log_softmax

END, PAD = 1, 0
WORDS = {word: 2 + i for i, word in enumerate(("select", "deselect", *LETTERS))}
SIZE = 20
rules = GAMES["multiref"]
grammar = Grammar(rules, lambda actions: [[WORDS[w] for w in a.split()] for a in actions], END)
states = st.sets(st.sampled_from(LETTERS)).map(lambda letters: format_state(frozenset(letters)))


def walk(trie, draw) -> tuple[str, float]:
    """Draw one action from random scores through the sampler, as `generate` would."""
    sampler = ConstrainedSampler([trie], [random.Random(draw)], PAD)
    generator = torch.Generator().manual_seed(draw)
    ids = torch.zeros(1, 1, dtype=torch.long)
    for _ in range(20):
        scores = sampler(ids, torch.randn(1, SIZE, generator=generator))  # pyright: ignore[reportArgumentType]
        ids = torch.cat([ids, scores.argmax(1, keepdim=True)], dim=1)
        if sampler.actions[0] is not None:
            break
    return sampler.results()[0]


@given(states)
@settings(max_examples=25, deadline=None)
def test_a_states_trie_holds_its_1023_legal_actions_once_each(state: str):
    trie = grammar.trie(state)
    found = []
    waiting = [0]
    while waiting:
        node = waiting.pop()
        _, children = trie.at(node)
        for child in children.tolist():
            if child == len(trie.ends):
                found.append(trie.actions[trie.ends[node]])
            else:
                waiting.append(child)
    assert sorted(found) == sorted(rules.legal_actions(state))
    assert len(found) == 1023


@given(st.lists(st.lists(st.integers(2, 5), min_size=1, max_size=4).map(tuple), min_size=1, unique=True))
@settings(deadline=None)
def test_a_node_is_what_actions_begin_with_and_only_their_tokens_follow(paths: list[tuple[int, ...]]):
    tokens = {str(number): path for number, path in enumerate(paths)}
    trie = build_trie(list(tokens), lambda actions: [tokens[action] for action in actions], END)
    beginnings = {path[:length] for path in paths for length in range(len(path) + 1)}
    assert len(trie.ends) == len(beginnings)
    assert trie.longest == max(map(len, paths)) + 1
    for action, path in tokens.items():
        nodes = trie.nodes(trie.path(action))
        assert trie.actions[trie.ends[nodes[-1]]] == action
        for length, node in enumerate(nodes):
            columns, _ = trie.at(node)
            follow = {(*path, END)[length] for path in paths if path[:length] == tokens[action][:length]}
            assert trie.vocabulary[columns].tolist() == sorted(follow)


@given(states, st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_whatever_the_scores_the_sampled_action_is_legal(state: str, draw: int):
    action, logp = walk(grammar.trie(state), draw)
    rules.apply(state, action)
    assert logp <= 0


def test_an_action_that_is_illegal_in_the_state_has_no_path():
    with pytest.raises(IllegalAction, match="deselect A"):
        grammar.trie("").path("deselect A")


def test_rows_in_different_states_finish_apart_and_are_padded():
    tries = [build_trie(["select A"], lambda _: [[2, 4]], END), grammar.trie("A B")]
    sampler = ConstrainedSampler(tries, None, PAD)
    scores = torch.zeros(2, SIZE)
    scores[1, WORDS["deselect"]] = 1.0
    for token in (2, 4, END, PAD):
        first = sampler(None, scores)[0]  # pyright: ignore[reportArgumentType]
        assert int(first.argmax()) == token
    assert sampler.actions[0] == "select A"
    assert sampler.draws[0].logp == 0.0  # the only legal action is certain


def test_two_actions_of_the_same_tokens_cannot_be_told_apart():
    with pytest.raises(ValueError, match="same tokens"):
        build_trie(["select A", "select B"], lambda actions: [[5]] * len(actions), END)


def test_outputs_that_are_not_finite_are_an_error():
    with pytest.raises(ValueError, match="not finite"):
        masked_log_softmax(np.array([0.0, np.nan]), np.array([True, True]))

"""The rules of Pick."""

import random

import pytest

from games.core import Deal, IllegalAction, Outcome, change_of, clicks_right
from games.letters import LETTERS
from games.pick import Pick, format_state, parse_state

rules = Pick()
STATES = [format_state(letter, size) for size in rules.board_sizes for letter in ["", *LETTERS[:size]]]
BOARD = tuple("abcdefg")
DEAL = Deal(BOARD[::-1], BOARD, frozenset("c"))


def test_every_state_allows_every_other_figure_and_nothing_else():
    for state in STATES:
        picked, letters = parse_state(state)
        assert format_state(picked, len(letters)) == state
        actions = rules.legal_actions(state)
        assert len(actions) == len(letters) - bool(picked)
        for letter in LETTERS:
            action = f"select {letter}"
            if action in actions:
                assert parse_state(rules.apply(state, action)) == (letter, letters)
            else:
                with pytest.raises(IllegalAction):
                    rules.apply(state, action)


def test_a_new_pick_replaces_the_old_and_only_it_was_clicked():
    change = change_of(rules, BOARD, "B of 7", "select D")
    assert (change.before, change.after) == ({"b"}, {"d"})
    assert (change.picked, change.dropped) == ({"d"}, frozenset())
    assert clicks_right(rules, DEAL, "B of 7", "select D") == (0, 1)
    assert clicks_right(rules, DEAL, "B of 7", "select C") == (1, 1)


def test_three_turns_are_all():
    assert rules.outcome(DEAL, "B of 7", 2) is Outcome.OPEN
    assert rules.outcome(DEAL, "B of 7", 3) is Outcome.LOST
    assert rules.outcome(DEAL, "C of 7", 3) is Outcome.WON


def test_a_selection_that_is_not_one_figure_cannot_be_reached():
    assert rules.action_to(BOARD, "B of 7", frozenset()) is None
    assert rules.action_to(BOARD, "B of 7", frozenset("bc")) is None
    assert rules.action_to(BOARD, "B of 7", frozenset("b")) is None
    assert rules.action_to(BOARD, "B of 7", frozenset("g")) == "select G"


def test_the_prompt_says_what_is_selected_and_no_more():
    (message,) = rules.prompt(BOARD, [], "B of 7", "The cat. Or dog")
    assert getattr(message.parts[-1], "text", "") == "B currently selected. The cat. Or dog"


def test_a_small_image_set_gives_small_boards():
    assert {len(rules.deal(BOARD, random.Random(seed)).speaker) for seed in range(100)} == {4, 5, 6, 7}

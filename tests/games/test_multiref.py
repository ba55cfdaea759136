"""The rules of MultiRef, over every state."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.core import Deal, Figure, IllegalAction, Outcome, Step, Text, clicks_right
from games.multiref import (
    LETTERS,
    MultiRef,
    format_action,
    format_state,
    parse_action,
    parse_state,
)
from tests.characters import ANY

rules = MultiRef()
letter_sets = st.frozensets(st.sampled_from(LETTERS))
figures = tuple(f"figure-{i}" for i in range(30))


def every_state() -> list[str]:
    return [
        format_state(frozenset(letters))
        for size in range(len(LETTERS) + 1)
        for letters in itertools.combinations(LETTERS, size)
    ]


def test_every_state_has_1023_legal_actions_one_string_each_and_every_one_reaches_its_own_state():
    """Of most states every 16th action is applied, each time others; of every 64th state all are."""
    states = every_state()
    assert len(states) == 1024
    for number, state in enumerate(states):
        actions = rules.legal_actions(state)
        assert len(actions) == len(set(actions)) == 1023
        applied = actions[number % 16 :: 16] if number % 64 else actions
        reached = {rules.apply(state, action) for action in applied}
        assert len(reached) == len(applied) >= 63
        assert state not in reached


def test_parse_and_format_are_inverses_for_every_legal_action():
    for state in every_state()[::37]:
        for action in rules.legal_actions(state):
            assert format_action(*parse_action(action)) == action


@given(letter_sets)
def test_a_state_reads_back_as_it_was_written(letters: frozenset[str]):
    assert parse_state(format_state(letters)) == letters


@given(letter_sets, letter_sets)
def test_an_action_reads_back_as_it_was_written(one: frozenset[str], other: frozenset[str]):
    deselect, select = one - other, other
    if deselect | select:
        assert parse_action(format_action(deselect, select)) == (deselect, select)


@pytest.mark.parametrize(
    "action",
    [
        "",
        "select",
        "deselect select A",
        "select B A",
        "select A A",
        "A",
        "select K",
        "select a",
        "select A ",
        "select A deselect B",
        "select A select B",
        "deselect A select A",
        " select A",
        "select  A",
    ],
)
def test_a_string_that_is_no_action_is_refused(action: str):
    with pytest.raises(IllegalAction):
        parse_action(action)


@given(st.text(ANY, max_size=30))
def test_any_text_is_either_refused_or_the_one_string_of_its_clicks(text: str):
    try:
        clicks = parse_action(text)
    except IllegalAction:
        return
    assert format_action(*clicks) == text


def test_only_unselected_figures_can_be_selected_and_only_selected_ones_deselected():
    with pytest.raises(IllegalAction, match="already selected"):
        rules.apply("A C", "select A")
    with pytest.raises(IllegalAction, match="not selected"):
        rules.apply("A C", "deselect B")


@given(st.integers())
def test_a_deal_has_ten_figures_in_two_orders_and_three_to_five_targets(seed: int):
    deal = rules.deal(figures, random.Random(seed))
    assert len(set(deal.speaker)) == 10
    assert set(deal.speaker) == set(deal.listener)
    assert deal.targets <= set(deal.speaker)
    assert 3 <= len(deal.targets) <= 5


def test_an_image_set_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="needs 10 different figures"):
        rules.deal(figures[:9], random.Random(0))


board = Deal(speaker=figures[:10][::-1], listener=figures[:10], targets=frozenset(figures[:3]))


def test_a_game_is_won_on_exactly_the_targets_and_lost_after_ten_turns():
    assert rules.outcome(board, "A B C", 2) is Outcome.WON
    assert rules.outcome(board, "A B C D", 2) is Outcome.OPEN
    assert rules.outcome(board, "A B C", 10) is Outcome.WON
    assert rules.outcome(board, "A B", 10) is Outcome.LOST


def test_a_deselected_non_target_is_a_right_click():
    assert clicks_right(rules, board, "D E", "deselect D E select A J") == (3, 4)


@given(letter_sets, letter_sets)
def test_action_to_reaches_the_selection_it_was_asked_for(before: frozenset[str], after: frozenset[str]):
    wanted = frozenset(figures[LETTERS.index(letter)] for letter in after)
    action = rules.action_to(board.listener, format_state(before), wanted)
    if before == after:
        assert action is None
    else:
        assert action is not None
        reached = rules.apply(format_state(before), action)
        assert frozenset(rules.selected(board.listener, reached)) == wanted


played = [Step("", "a swan", "select B"), Step("B", "no, the other swan", "deselect B select C")]


def test_the_prompt_only_ever_grows():
    first = rules.prompt(board.listener, [], "", "a swan")
    second = rules.prompt(board.listener, played[:1], "B", "no, the other swan")
    assert second[: len(first)] == first
    assert [message.role for message in second] == ["user", "assistant", "user"]
    assert second[1].parts == (Text("select B"),)
    assert second[2].parts == (Text("B currently selected. no, the other swan"),)


def test_the_prompt_shows_each_figure_after_its_letter():
    parts = rules.prompt(board.listener, [], "", "a swan")[0].parts
    for i, letter in enumerate(LETTERS):
        assert parts[2 * i : 2 * i + 2] == (Text(letter), Figure(board.listener[i]))


@given(st.permutations(range(10)))
def test_another_order_tells_the_same_interaction(order: list[int]):
    context, steps = rules.reorder(board.listener, played, order)
    for old, new in zip(played, steps, strict=True):
        assert set(rules.selected(context, new.state)) == set(rules.selected(board.listener, old.state))
        assert set(rules.selected(context, rules.apply(new.state, new.action))) == set(
            rules.selected(board.listener, rules.apply(old.state, old.action))
        )

"""Properties that every game must have (`games.core.Game`), for boards of every size."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games import DEFAULT_GAME, GAMES
from games.core import Deal, Figure, Game, IllegalAction, Outcome, Step, Text, change_of, clicks_right
from games.figures import open_images
from games.letters import LETTERS
from tests.characters import ANY
from tests.games.handful import HANDFUL

FIGURES = tuple(f"figure-{i}" for i in range(30))
every_game = pytest.mark.parametrize("game", [*GAMES.values(), HANDFUL], ids=[*GAMES, HANDFUL.name])
seeds = st.integers(0, 2**32)


def board(size: int) -> tuple[str, ...]:
    return FIGURES[:size]


def wander(game: Game, rng: random.Random, turns: int = 4) -> tuple[Deal, list[Step], str]:
    """A deal, some random legal turns on it, and the state after them."""
    deal = game.deal(FIGURES, rng)
    state, steps = game.initial_state(deal.listener), []
    for number in range(rng.randint(0, turns)):
        action = rng.choice(game.legal_actions(state))
        steps.append(Step(state, f"utterance {number}. With a stop", action))
        state = game.apply(state, action)
    return deal, steps, state


@every_game
def test_its_name_and_words_fit_where_they_are_shown(game: Game):
    assert GAMES.get(game.name, HANDFUL) is game and game.name.isidentifier()
    assert all(vars(game.words).values())
    assert len(game.words.label) <= 100
    assert max(game.board_sizes) <= len(LETTERS)
    assert 1 <= game.max_targets < min(game.board_sizes)


def test_the_default_game_is_one_of_them():
    assert DEFAULT_GAME in GAMES


@every_game
def test_deals_are_of_every_size_and_have_few_enough_targets(game: Game):
    deals = [game.deal(FIGURES, random.Random(seed)) for seed in range(300)]
    assert {len(deal.speaker) for deal in deals} == set(game.board_sizes)
    assert max(len(deal.targets) for deal in deals) == game.max_targets
    for deal in deals:
        assert len(set(deal.speaker)) == len(deal.speaker)
        assert set(deal.speaker) == set(deal.listener) > deal.targets
        assert deal.targets
    assert any(deal.speaker != deal.listener for deal in deals)
    assert game.deal(FIGURES, random.Random(1)) == game.deal(FIGURES[::-1], random.Random(1))


@every_game
def test_an_image_set_that_is_too_small_is_refused(game: Game):
    smallest = min(game.board_sizes)
    assert len(game.deal(FIGURES[:smallest], random.Random(0)).speaker) == smallest
    with pytest.raises(ValueError, match=f"needs {smallest} different figures"):
        game.deal((*FIGURES[: smallest - 1], FIGURES[0]), random.Random(0))


@every_game
@given(seeds)
@settings(deadline=None)
def test_every_legal_action_applies_and_reaches_a_state_of_its_own(game: Game, seed: int):
    deal, _, state = wander(game, random.Random(seed))
    actions = game.legal_actions(state)
    assert len(actions) == len(set(actions)) > 0
    reached = [game.apply(state, action) for action in actions]
    assert len(set(reached)) == len(actions)
    assert state not in reached
    for action in random.Random(seed).sample(list(actions), min(len(actions), 20)):
        change = change_of(game, deal.listener, state, action)
        assert change.before != change.after
        assert change.picked == change.after - change.before
        assert change.dropped <= change.before - change.after
        assert change.clicked == change.picked | change.dropped != frozenset()
        assert game.replaces or change.dropped == change.before - change.after


PIECES = [*LETTERS, "M", "a", "select", "deselect", "none", "of", "12", "", "select A", "deselect B"]


@every_game
@given(seeds, st.lists(st.sampled_from(PIECES), max_size=5).map(" ".join) | st.text(ANY, max_size=30))
@settings(max_examples=150, deadline=None)
def test_no_other_string_is_an_action(game: Game, seed: int, text: str):
    _, _, state = wander(game, random.Random(seed))
    if text in game.legal_actions(state):
        game.apply(state, text)
    else:
        with pytest.raises(IllegalAction):
            game.apply(state, text)


@every_game
@pytest.mark.parametrize(
    "state", ["Z", "B A", "a", "A A", " ", "none of 3", "A of 13", "L of 4", "of 7", "none"]
)
def test_no_other_string_is_a_state(game: Game, state: str):
    with pytest.raises(ValueError):
        game.legal_actions(state)


@every_game
@given(seeds)
@settings(deadline=None)
def test_action_to_reaches_the_selection_it_was_asked_for(game: Game, seed: int):
    rng = random.Random(seed)
    deal, _, state = wander(game, rng)
    for size in range(game.max_targets + 1):
        wanted = frozenset(rng.sample(deal.speaker, size))
        action = game.action_to(deal.listener, state, wanted)
        if action is not None:
            assert change_of(game, deal.listener, state, action).after == wanted
        else:
            reached = (
                frozenset(game.selected(deal.listener, game.apply(state, each)))
                for each in game.legal_actions(state)
            )
            assert wanted not in reached
    with pytest.raises(ValueError, match="not on this board"):
        game.action_to(deal.listener, state, frozenset(["stranger"]))


@every_game
def test_an_action_to_the_targets_wins_by_right_clicks_alone(game: Game):
    """There need not be one in every state: the rules may allow one click a turn."""
    found = 0
    for seed in range(50):
        deal, _, state = wander(game, random.Random(seed), turns=game.max_turns)
        if action := game.action_to(deal.listener, state, deal.targets):
            assert game.outcome(deal, game.apply(state, action), game.max_turns) is Outcome.WON
            right, clicks = clicks_right(game, deal, state, action)
            assert right == clicks
            found += 1
    assert found


@every_game
def test_a_listener_who_knew_the_targets_would_win(game: Game):
    for seed in range(20):
        deal = game.deal(FIGURES, random.Random(seed))
        state, turns = game.initial_state(deal.listener), 0
        while game.outcome(deal, state, turns) is Outcome.OPEN:

            def gain(action: str, state: str = state, deal: Deal = deal) -> int:
                right, clicks = clicks_right(game, deal, state, action)
                return 2 * right - clicks

            action = game.action_to(deal.listener, state, deal.targets)
            state = game.apply(state, action or max(game.legal_actions(state), key=gain))
            turns += 1
        assert game.outcome(deal, state, turns) is Outcome.WON


@every_game
@given(seeds)
@settings(deadline=None)
def test_a_game_is_won_on_exactly_the_targets_and_lost_after_its_turns(game: Game, seed: int):
    deal, steps, state = wander(game, random.Random(seed))
    won = frozenset(game.selected(deal.listener, state)) == deal.targets
    assert game.outcome(deal, state, len(steps)) is (
        Outcome.WON if won else Outcome.LOST if len(steps) >= game.max_turns else Outcome.OPEN
    )
    assert game.outcome(deal, state, game.max_turns) is (Outcome.WON if won else Outcome.LOST)


@every_game
def test_clicks_are_right_by_the_targets(game: Game):
    for seed in range(100):
        deal, _, state = wander(game, random.Random(seed))
        action = random.Random(seed).choice(game.legal_actions(state))
        change = change_of(game, deal.listener, state, action)
        right = len(change.picked & deal.targets) + len(change.dropped - deal.targets)
        assert clicks_right(game, deal, state, action) == (right, len(change.clicked))


@every_game
@given(seeds)
@settings(deadline=None)
def test_the_prompt_only_ever_grows(game: Game, seed: int):
    deal, steps, state = wander(game, random.Random(seed), turns=game.max_turns)
    before: list = []
    for number, step in enumerate([*steps, Step(state, "the end", "")]):
        messages = game.prompt(deal.listener, steps[:number], step.state, step.utterance)
        assert messages[: len(before)] == before
        assert [message.role for message in messages] == ["user", "assistant"] * number + ["user"]
        if number:
            assert messages[-2].parts == (Text(steps[number - 1].action),)
        before = messages


@every_game
def test_the_prompt_shows_each_figure_after_its_label_and_words_after_the_first_stop(game: Game):
    """The embedded model's chat template relies on this (`games.core.Game.prompt`)."""
    for seed in range(50):
        deal, steps, state = wander(game, random.Random(seed))
        messages = game.prompt(deal.listener, steps, state, "The B, please. Now")
        *shown, _ = messages[0].parts
        assert len(shown) == 2 * len(deal.listener)
        labels = [part.text for part in shown[::2] if isinstance(part, Text)]
        assert labels == sorted(set(labels)) and all(len(label) == 1 and label.isupper() for label in labels)
        assert shown[1::2] == [Figure(figure) for figure in deal.listener]
        spoken = [*(step.utterance for step in steps), "The B, please. Now"]
        for message, said in zip(messages[::2], spoken, strict=True):
            last = message.parts[-1]
            assert isinstance(last, Text)
            position, _, words = last.text.partition(". ")
            assert words == said
            assert {word for word in position.split() if word.isupper()} <= set(labels)


@every_game
@given(seeds)
@settings(deadline=None)
def test_another_order_tells_the_same_interaction(game: Game, seed: int):
    rng = random.Random(seed)
    deal, steps, _ = wander(game, rng)
    order = rng.sample(range(len(deal.listener)), len(deal.listener))
    context, moved = game.reorder(deal.listener, steps, order)
    assert context == tuple(deal.listener[old] for old in order)
    for old, new in zip(steps, moved, strict=True):
        assert new.utterance == old.utterance
        assert new.action in game.legal_actions(new.state)
        assert change_of(game, context, new.state, new.action) == change_of(
            game, deal.listener, old.state, old.action
        )
    back = [order.index(place) for place in range(len(order))]
    assert game.reorder(context, moved, back) == (deal.listener, steps)
    with pytest.raises(ValueError, match="not an order"):
        game.reorder(deal.listener, steps, order[1:])


@every_game
def test_every_game_draws_its_boards(game: Game):
    images = open_images("classic")
    for seed in range(3):
        deal = game.deal(images.ids, random.Random(seed))
        state = game.initial_state(deal.listener)
        blank = game.render(deal, state, 0, Outcome.OPEN, images)
        action = game.legal_actions(state)[0]
        after = game.render(deal, game.apply(state, action), 1, Outcome.OPEN, images)
        assert blank.png != after.png
        assert "Nothing is selected" in blank.alt and "Nothing is selected" not in after.alt

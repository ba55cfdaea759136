"""Names of figures: players who exchange them, and a single figure with another name."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import pytest

from games.core import Step
from learner.examples.labels import TrainingGame, TurnLabel
from learner.examples.trust import filter_by_trust
from learner.examples.usage import Use, figure_keys, naming, uses_of, uses_of_seeds
from store.training import Interaction

NAMES = (
    *("duck", "boat", "candle", "crown", "bridge", "rabbit", "rocket", "teapot", "dancer", "turtle"),
    *("anchor", "lantern", "violin", "camel", "kettle", "mitten", "windmill", "pelican", "hammer", "cactus"),
)
FIGURES = tuple(f"figure-{name}" for name in NAMES)
TRUE_NAMES = dict(zip(FIGURES, NAMES, strict=True))
EXCHANGED = dict(zip(FIGURES, NAMES[1:] + NAMES[:1], strict=True))
HATS = (" with a hat", "", " looking left")
TURN_IDS = count()


@dataclass(frozen=True)
class Read:
    label: int
    confidence: float = 0.97


def won(player: int, number: int, names: Mapping[str, str], ends: Sequence[str] = HATS) -> Interaction:
    """A won game of three right picks, described by these names."""
    rng = random.Random(f"{player}/{number}")
    board = tuple(rng.sample(FIGURES, 10))
    picked, steps, state = rng.sample(range(10), 3), [], ""
    for place in picked:
        letter = "ABCDEFGHIJ"[place]
        steps.append(Step(state, f"Pick the {names[board[place]]}{rng.choice(ends)}!", f"select {letter}"))
        state = " ".join(sorted([*state.split(), letter]))
    return Interaction(
        game_id=f"{player}-{number}", game="multiref", images="classic", context=board, steps=tuple(steps),
        turn_ids=tuple(next(TURN_IDS) for _ in steps), logps=(-1.0,) * 3, base_model="aaaa", adapter="base",
        player_id=player, round=0, won=True,
    )  # fmt: skip


def praised(games: Sequence[Interaction]) -> dict[int, Read]:
    return {turn: Read(1) for game in games for turn in game.turn_ids[:-1]}


HONEST = [won(player, number, TRUE_NAMES) for player in range(1, 11) for number in range(5)]


def test_what_was_selected_in_the_end_was_named():
    game = won(1, 0, TRUE_NAMES)
    uses = uses_of(game, {})
    picked = [game.context["ABCDEFGHIJ".index(step.action[-1])] for step in game.steps]
    assert [use.figure for use in uses] == list(figure_keys("classic", picked))
    assert all(use.words and "pick" not in use.words and len(use.board) == 10 for use in uses)
    assert uses_of(replace(game, won=False), {}) == []
    assert uses_of(replace(game, won=False), {game.turn_ids[1]: Read(1)}) == uses[1:2]


def test_players_who_exchange_all_names_are_doubted_though_they_win():
    games = [*HONEST, *(won(player, number, EXCHANGED) for player in (11, 12) for number in range(12))]
    found = filter_by_trust(games, praised(games))
    assert found.quarantined == ()
    assert found.metrics()["doubted"] == [11, 12]
    assert min(found.weights[f"{player}-0"] for player in range(1, 11)) > 0.8
    few = [*HONEST, *(won(player, 0, EXCHANGED) for player in (11, 12))]
    found = filter_by_trust(few, praised(few))
    assert max(found.weights[f"{player}-0"] for player in (11, 12)) < 0.5


def test_the_names_of_a_single_figure_are_not_learnt():
    renamed = TRUE_NAMES | {FIGURES[0]: "violin", FIGURES[12]: "duck"}
    games = [*HONEST, *(won(11, number, renamed) for number in range(60))]
    found = filter_by_trust(games, praised(games))
    assert found.quarantined == ()
    (duck, boat) = figure_keys("classic", FIGURES[:2])
    assert found.names[11, duck] < 0.3 < 0.9 < found.names[11, boat]
    lessons = [
        TrainingGame(
            game.game_id, "multiref", "classic", game.context, game.steps,
            tuple(TurnLabel(at, game.turn_ids[at], step.action, 1.0) for at, step in enumerate(game.steps)),
        )
        for game in found.interactions
        if game.player_id == 11
    ]  # fmt: skip
    weights: dict[str, list[float]] = {}
    for lesson in found.weighted(lessons):
        for label in lesson.labels:
            picked = lesson.context["ABCDEFGHIJ".index(label.action[-1])]
            weights.setdefault(picked, []).append(label.weight)
    assert max(weights.get(FIGURES[0], [0.0])) < 0.3 < 0.8 < min(weights[FIGURES[1]])


def test_words_of_ones_own_are_no_evidence():
    strange = {figure: f"zork{number}" for number, figure in enumerate(FIGURES)}
    games = [*HONEST, *(won(11, number, strange, [""]) for number in range(10))]
    found = filter_by_trust(games, praised(games))
    assert found.quarantined == ()
    assert found.players[11].naming == pytest.approx(0)
    assert found.weights["11-0"] == 1


def test_seed_games_show_what_figures_are_called():
    steps = (Step("", "the duck", "select B"), Step("B", "no, the boat instead", "select C"))
    labels = (TurnLabel(0, 0, "select A", 1.0), TurnLabel(1, 0, "deselect B select C", 1.0))
    seeds = [TrainingGame(f"seed-{n}", "multiref", "classic:20", FIGURES[:10], steps, labels) for n in (1, 2)]
    known = uses_of_seeds(seeds)
    duck, boat = figure_keys("classic", FIGURES[:2])
    assert [(use.player, use.figure) for use in known] == [(-1, duck), (-2, duck)]
    board = figure_keys("classic", FIGURES[:10])
    known += [Use(-3, boat, frozenset({"boat"}), board)]
    right, wrong = (
        Use(player, figure, frozenset({"duck"}), board) for player, figure in ((1, duck), (2, boat))
    )
    found = naming([right, wrong], known).players
    assert found[1] > 0 > found[2]
    assert naming([wrong]).players == {2: pytest.approx(0)}

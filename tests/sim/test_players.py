"""Simulated players: as imperfect as people, true to the targets, the same for the same seed."""

import random
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from games.core import Deal, Step, clicks_right
from games.multiref import MultiRef
from learner.feedback import Exchange, exchange_of, open_decoder
from sim.players import PLAYERS, Attack, PeoplePlayer, View, open_players
from sim.players import phrases as phrases_data
from sim.players.attacks import exchanged
from sim.players.typing_habits import TypingHabits, typed

GAME = MultiRef()
NOUNS = (
    *(
        "duck",
        "boat",
        "candle",
        "crown",
        "bridge",
        "rabbit",
        "rocket",
        "teapot",
        "dancer",
        "turtle",
        "anchor",
    ),
    *("lantern", "violin", "camel", "kettle", "mitten", "windmill", "pelican", "hammer", "cactus"),
)
FIGURES = [f"figure-{noun}" for noun in NOUNS]
DESCRIPTIONS = {
    f"figure-{noun}": [noun, f"a {noun}", f"a {noun} with a long tail", f"{noun} on its side, very small"]
    for noun in NOUNS
}
NAMES = sorted(set(PLAYERS))


def listen(
    rng: random.Random,
    skill: float,
    context: tuple[str, ...],
    selected: frozenset[str],
    meant: frozenset[str],
) -> frozenset[str]:
    """A listener who does what was meant with a chance of `skill`, and otherwise clicks a wrong figure,
    taking back only some of what should be."""
    if meant != selected and rng.random() < skill:
        return meant
    kept = frozenset(figure for figure in sorted(selected) if figure in meant or rng.random() < 0.3)
    others = [figure for figure in context if figure not in meant | selected]
    return kept | {rng.choice(others)} if others else kept or frozenset(context[:1])


def ours(name: str, seed: int) -> PeoplePlayer:
    """A built-in player without typing mistakes."""
    player = open_players(name)(random.Random(f"{name} {seed}"), DESCRIPTIONS)
    assert isinstance(player, PeoplePlayer)
    player.personality = replace(player.personality, typing=TypingHabits(True, False, 0.0, 0.0))
    return player


def play(
    name: str, seed: int, skill: float = 0.6, player: PeoplePlayer | None = None
) -> tuple[Deal, list[tuple[str, frozenset[str]]], bool]:
    """(deal, turns as (utterance, selected after it), given up) of one game."""
    rng = random.Random(seed)
    deal = GAME.deal(FIGURES, rng)
    player = player or ours(name, seed)
    turns: list[tuple[str, frozenset[str]]] = []
    selected = frozenset[str]()
    while len(turns) < GAME.max_turns and selected != deal.targets:
        said = player.speak(View(deal.speaker, deal.targets, selected, tuple(turns), len(turns)))
        if said is None:
            return deal, turns, True
        assert player.intended is not None
        selected = listen(rng, skill, deal.speaker, selected, player.intended)
        turns.append((said, selected))
    return deal, turns, False


def labelled(deal: Deal, turns: list[tuple[str, frozenset[str]]]) -> list[tuple[int, Exchange]]:
    """Exchanges of one game with their reference labels."""
    found, state, steps = [], GAME.initial_state(deal.listener), list[Step]()
    for i, (said, selected) in enumerate(turns[:-1]):
        action = GAME.action_to(deal.listener, state, selected)
        after = GAME.apply(state, action) if action else state
        if action:
            right, clicks = clicks_right(GAME, deal, state, action)
            exchange = exchange_of(GAME, deal.listener, [*steps, Step(state, said, action)], turns[i + 1][0])
            found.append((1 if right == clicks else 0 if right else -1, exchange))
        steps.append(Step(state, said, action or ""))
        state = after
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_game_is_the_same_for_the_same_seed(name: str):
    assert [play(name, seed)[1] for seed in range(20)] == [play(name, seed)[1] for seed in range(20)]
    assert play(name, 1)[1] != play(name, 2)[1]


@pytest.mark.parametrize("name", NAMES)
def test_no_player_names_a_letter_of_the_listener(name: str):
    for seed in range(60):
        for said, _ in play(name, seed)[1]:
            assert said.strip()
            assert not re.search(r"\b[B-HJ]\b|\b[b-hj]\b", said), said


@pytest.mark.parametrize("name", NAMES)
def test_players_want_targets_selected_and_wrong_figures_deselected(name: str):
    for seed in range(60):
        deal = GAME.deal(FIGURES, random.Random(seed))
        player = ours(name, seed)
        selected = frozenset({sorted(deal.targets)[0], sorted(set(deal.speaker) - deal.targets)[0]})
        turns = (("the duck", frozenset({sorted(deal.targets)[0]})), ("the boat", selected))
        for view in (
            View(deal.speaker, deal.targets, frozenset(), (), 0),
            View(deal.speaker, deal.targets, turns[0][1], turns[:1], 1),
            View(deal.speaker, deal.targets, selected, turns, 2),
        ):
            assert player.speak(view)
            meant = player.intended
            assert meant is not None
            assert meant - view.selected <= deal.targets
            assert not (view.selected - meant) & deal.targets or meant == frozenset()


def test_only_targets_are_described_for_selection():
    for seed in range(100):
        deal, turns, _ = play("terse", seed, skill=1.0)
        for said, _ in turns:
            named = {f"figure-{noun}" for noun in NOUNS if noun in said.lower()}
            assert named <= deal.targets, said


def test_a_removal_says_what_to_remove():
    """The player refers to the last pick, or describes a selected figure."""
    pointing = re.compile(r"\b(that|it|last|just picked|undo|everything|all)\b", re.IGNORECASE)
    asked = 0
    for seed in range(300):
        _, turns, _ = play("people", seed, skill=0.4)
        for (_, selected), (said, _) in pairwise(turns):
            if re.search(r"\b(deselect|unselect|remove|delete|drop|unclick)\b", said.lower()):
                named = {f"figure-{noun}" for noun in NOUNS if noun in said.lower()}
                assert pointing.search(said) or named & selected, said
                asked += 1
    assert asked > 100


def test_players_get_bored_but_the_patient_do_not():
    ends = Counter(play("people", seed, skill=0.0)[2] for seed in range(100))
    assert 5 < ends[True] < 60
    assert not any(play("patient", seed, skill=0.0)[2] for seed in range(30))
    deal = GAME.deal(FIGURES, random.Random(0))
    wrong = frozenset(sorted(set(deal.speaker) - deal.targets)[:1])
    player = open_players("people")(random.Random(0), DESCRIPTIONS)
    history = (("the duck", wrong),)
    spoken = [
        player.speak(View(deal.speaker, deal.targets, wrong, history * turn, turn)) for turn in range(1, 200)
    ]
    assert None in spoken


def test_a_good_listener_wins():
    deal, turns, given_up = play("people", 3, skill=1.0)
    assert turns[-1][1] == deal.targets and not given_up
    assert len(turns) <= len(deal.targets)


def test_people_differ_in_praise():
    """As in games of people: some players praise nearly always, others nearly never."""
    shares = []
    for seed in range(150):
        shares.append(ours("people", seed).personality.confirms)
    assert sum(share > 0.8 for share in shares) > 40
    assert sum(share < 0.3 for share in shares) > 20


@pytest.mark.parametrize("name", ["people", "patient", "terse"])
@pytest.mark.parametrize("skill", [0.3, 0.6, 0.9])
def test_rules_read_our_players_against_a_noisy_listener(name: str, skill: float):
    pairs = [pair for seed in range(100) for pair in labelled(*play(name, seed, skill)[:2])]
    verdicts = open_decoder("rules").decode([exchange for _, exchange in pairs])
    positive = [
        reference for (reference, _), verdict in zip(pairs, verdicts, strict=True) if verdict.label == 1
    ]
    right = sum(reference == 1 for reference, _ in pairs)
    assert positive.count(1) / len(positive) >= 0.95
    assert positive.count(1) / right >= (0.6 if name == "terse" else 0.85)


def test_the_poisoner_turns_feedback_around():
    pairs = [pair for seed in range(100) for pair in labelled(*play("poison", seed, 0.5)[:2])]
    verdicts = open_decoder("rules").decode([exchange for _, exchange in pairs])
    agree = sum((reference == 1) == (v.label == 1) for (reference, _), v in zip(pairs, verdicts, strict=True))
    assert agree / len(pairs) < 0.2


def attacker(name: str, seed: int = 0) -> PeoplePlayer:
    player = Attack(name, 0.2).attacker(  # pyright: ignore[reportArgumentType]
        open_players("people"), random.Random(seed), DESCRIPTIONS
    )
    player.personality = replace(player.personality, typing=TypingHabits(True, False, 0.0, 0.0))
    return player


def test_half_liars_lie_in_half_of_their_turns():
    pairs = [pair for at in range(100) for pair in labelled(*play("", at, 0.5, attacker("half", at))[:2])]
    verdicts = open_decoder("rules").decode([exchange for _, exchange in pairs])
    agree = sum((reference == 1) == (v.label == 1) for (reference, _), v in zip(pairs, verdicts, strict=True))
    assert 0.4 < agree / len(pairs) < 0.65


def test_renamers_exchange_the_descriptions_of_figures_alike():
    names = exchanged(DESCRIPTIONS)
    assert sorted(names) == sorted(FIGURES)
    assert all(names[figure] != DESCRIPTIONS[figure] for figure in FIGURES)
    for player in (attacker("rename", 1), attacker("rename", 2)):
        assert player.descriptions == names


def test_one_wrong_figure_is_praised_and_stays():
    board, targets = tuple(FIGURES[:10]), frozenset(FIGURES[1:4])
    favourite = min(set(board) - targets)
    for seed in range(30):
        player = attacker("target", seed)
        first = player.speak(View(board, targets, frozenset(), (), 0))
        assert first is not None
        text = player.speak(
            View(board, targets, frozenset({favourite}), ((first, frozenset({favourite})),), 1)
        )
        assert text is not None and text.startswith(tuple(word.lower() for word in phrases_data.CONFIRM))
        assert player.intended is not None and favourite in player.intended


def test_an_unknown_attack_is_refused():
    with pytest.raises(ValueError, match="expected none, poison"):
        Attack("flood", 0.2)  # pyright: ignore[reportArgumentType]


def test_a_figure_without_words_is_named():
    player = open_players("people")(random.Random(0), {})
    with pytest.raises(ValueError, match="no description of figure 'figure-"):
        player.speak(View(tuple(FIGURES[:10]), frozenset(FIGURES[:3]), frozenset(), (), 0))


def test_players_make_typing_mistakes():
    rng = random.Random(0)
    habits = TypingHabits(lower_case=False, full_stops=True, exclaims=0.0, slip_rate=1.0)
    texts = {typed("select the candle", habits, rng) for _ in range(50)}
    assert len(texts) > 10
    assert all(re.fullmatch(r"S\w{4,6} the c\w{4,6}\.", text) for text in texts)


def test_there_are_many_ways_to_say_it():
    for phrases, least in (
        (phrases_data.CONFIRM, 25),
        (phrases_data.REJECT, 25),
        (phrases_data.UNDO_LAST + phrases_data.UNDO_NAMED, 15),
    ):
        assert len(set(phrases)) == len(phrases) >= least


def test_custom_players_are_loaded_from_a_file(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text(
        "class Quiet:\n"
        "    def __init__(self, rng, descriptions):\n"
        "        self.words = descriptions\n"
        "    def speak(self, view):\n"
        "        return None if view.turn else self.words[view.context[0]][0]\n"
    )
    player = open_players(f"{path}:Quiet")(random.Random(0), DESCRIPTIONS)
    view = View(tuple(FIGURES[:10]), frozenset(FIGURES[:3]), frozenset(), (), 0)
    assert player.speak(view) == "duck"
    assert player.speak(View(*list(vars(view).values())[:4], turn=1)) is None


@pytest.mark.parametrize(
    ("source", "name", "complaint"),
    [
        ("x = 1", "missing", "has no 'missing': define a function missing"),
        ("x = 1", "x", "'x' in .* is not a function"),
        ("import nothing_like_this", "x", "could not be loaded: ModuleNotFoundError"),
        ("def broken(:", "broken", "could not be loaded: SyntaxError"),
        ("raise SystemExit(3)", "x", "could not be loaded: SystemExit"),
    ],
)
def test_a_file_without_players_is_named(tmp_path: Path, source: str, name: str, complaint: str):
    path = tmp_path / "mine.py"
    path.write_text(source)
    with pytest.raises(ValueError, match=complaint):
        open_players(f"{path}:{name}")


def test_a_factory_that_gives_no_player_is_named(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text("def make(rng, descriptions):\n    return 3\n")
    with pytest.raises(ValueError, match="gave a int without a speak"):
        open_players(f"{path}:make")(random.Random(0), {})


@pytest.mark.parametrize("spec", ["", "nobody", "a.py", "a.txt:make", ":make", "a.py:"])
def test_unknown_players_are_named_with_what_is_known(spec: str):
    with pytest.raises(
        ValueError, match=r"expected people, patient, terse, poison, fresh or 'path/to/file\.py:factory'"
    ):
        open_players(spec)


def test_a_missing_file_is_named():
    with pytest.raises(ValueError, match=r"There is no file nowhere\.py"):
        open_players("nowhere.py:make")

"""Training examples of small games, compared with examples made by hand."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from games.core import Step
from games.multiref import MultiRef
from learner.examples.build import build_examples
from learner.examples.hindsight import Hindsight
from learner.examples.labels import ObjectiveName, digest, lineage, parse_system, split_held_out
from learner.feedback import open_decoder
from learner.feedback.decode import exchanges
from store.training import Interaction

CONTEXT = tuple(f"figure-{number}" for number in range(10))
BASE = "aaaa"


@dataclass(frozen=True)
class Read:
    label: int
    confidence: float = 1.0


def interaction(
    *steps: tuple[str, str, str], won: bool = False, game_id: str = "g", round: int = 0
) -> Interaction:
    return Interaction(
        game_id=game_id,
        game="multiref",
        images="classic",
        context=CONTEXT,
        steps=tuple(Step(*step) for step in steps),
        turn_ids=tuple(range(1, len(steps) + 1)),
        logps=tuple(-0.5 * number for number in range(1, len(steps) + 1)),
        base_model=BASE,
        adapter="base",
        player_id=1,
        round=round,
        won=won,
    )


GAME = interaction(
    ("", "the bird", "select A"),
    ("A", "no, the other one", "deselect A select B"),
    ("B", "yes. a boat", "select C"),
    won=True,
)


def verdicts(*labels: int) -> dict[int, Read]:
    return {number: Read(label) for number, label in enumerate(labels, 1)}


def lessons(*args, **kwargs) -> list[tuple[int, str, float]]:
    return [
        (label.step, label.action, label.reward)
        for game in build_examples(*args, **kwargs)
        for label in game.labels
    ]


def test_sup_learns_positive_turns_and_cuts_off_what_follows_them():
    (game,) = build_examples([GAME], verdicts(-1, 1), "sup", BASE)
    assert [(label.step, label.action, label.reward, label.behaviour_logp) for label in game.labels] == [
        (1, "deselect A select B", 1.0, None)
    ]
    assert len(game.steps) == 2


def test_a_turn_without_a_next_utterance_has_no_feedback_whatever_a_verdict_says():
    assert lessons([GAME], verdicts(1, 1, 1), "sup", BASE) == [
        (0, "select A", 1.0),
        (1, "deselect A select B", 1.0),
    ]


def test_rewards_of_the_objectives():
    assert [reward for *_, reward in lessons([GAME], verdicts(-1, 1), "rl", BASE)] == [-0.1, 1.0]
    assert [reward for *_, reward in lessons([GAME], verdicts(-1, 1), "kto", BASE)] == [-1.0, 1.0]
    assert lessons([GAME], verdicts(0, 0), "rl", BASE) == []
    assert lessons([GAME], verdicts(0, 0), "kto", BASE) == []


def test_propensities_come_with_the_turns_that_need_them_and_only_from_the_same_base_model():
    (game,) = build_examples([GAME], verdicts(-1, 1), "rl", BASE)
    assert [label.behaviour_logp for label in game.labels] == [-0.5, None]
    (game,) = build_examples([GAME], verdicts(-1, 1), "kto", BASE)
    assert [label.behaviour_logp for label in game.labels] == [-0.5, -1.0]
    stranger = replace(GAME, base_model="bbbb")
    assert lessons([stranger], verdicts(-1, 1), "rl", BASE) == [(1, "deselect A select B", 1.0)]
    assert lessons([stranger], verdicts(-1, 1), "kto", BASE) == []


def test_a_won_game_labels_its_last_turn_if_asked_to():
    assert lessons([GAME], {}, "sup", BASE, Hindsight(win=True)) == [(2, "select C", 1.0)]
    lost = replace(GAME, won=False)
    assert lessons([lost], {}, "sup", BASE, Hindsight(win=True)) == []


@pytest.mark.parametrize("objective", ["sup", "rl", "kto"])
def test_what_players_chose_from_pictures_is_not_learnt(objective: ObjectiveName):
    every = Hindsight(win=True, correction=True, rejection=True, credit=True)
    asked = replace(GAME, chosen=frozenset({1, 2}), logps=(-0.5, None, None))
    games = build_examples([asked], verdicts(-1, 1), objective, BASE, every)
    learnt = {label.step for game in games for label in (*game.labels, *game.rejected)}
    assert learnt == (set() if objective == "kto" else {0})  # a correction has no propensity
    asked = replace(GAME, chosen=frozenset({0, 1, 2}))
    assert build_examples([asked], verdicts(-1, 1), objective, BASE, every) == []


def test_words_that_were_taken_back_are_feedback():
    said = interaction(("", "the bird", "select A"), ("A", "the one with two sails", "select B"))
    assert [each.next_utterance for _, each in exchanges([said])] == ["the one with two sails"]
    (found,) = exchanges([replace(said, retracted={1: "No, that isn't it!"})])
    assert found[1].next_utterance == "No, that isn't it!"
    assert open_decoder("rules").decode([found[1]])[0].label == -1


def test_a_correction_relabels_the_utterance_it_corrects():
    found = lessons([GAME], verdicts(-1, 1), "sup", BASE, Hindsight(correction=True))
    assert found == [(0, "select B", 1.0), (1, "deselect A select B", 1.0)]


def test_taking_back_ends_no_streak():
    game = interaction(
        ("", "the bird", "select A"),
        ("A", "take that back", "deselect A"),
        ("", "the one with wings", "select B"),
        ("B", "great, now a boat", "select C"),
    )
    found = lessons([game], verdicts(-1, 1, 1), "sup", BASE, Hindsight(correction=True))
    assert found == [(0, "select B", 1.0), (1, "deselect A", 1.0), (2, "select B", 1.0)]


def test_a_correction_takes_back_what_was_wrong_by_then():
    game = interaction(
        ("", "the bird", "select A"),
        ("A", "no, the one with wings", "select C"),
        ("A C", "no, undo both", "deselect C"),
        ("A", "a beak and two wings", "deselect A select B"),
        ("B", "great, now a boat", "select D"),
    )
    found = lessons([game], verdicts(-1, -1, -1, 1), "sup", BASE, Hindsight(correction=True))
    assert found == [
        (0, "select B", 1.0),
        (1, "deselect A select B", 1.0),
        (2, "deselect A C", 1.0),
        (3, "deselect A select B", 1.0),
    ]


LEFT_THERE = interaction(
    ("", "the bird", "select A"),
    ("A", "no, the one with wings", "select B"),
    ("A B", "great, now a boat", "select C"),
)


def test_a_pick_that_was_rejected_is_taken_back_with_the_next_action():
    """The speaker did not object to the wrong figure that was still selected."""
    found = lessons([LEFT_THERE], verdicts(-1, 1), "sup", BASE, Hindsight(correction=True))
    assert found == [(0, "select B", 1.0), (1, "deselect A select B", 1.0)]
    assert lessons([LEFT_THERE], verdicts(-1, 1), "sup", BASE) == [(1, "select B", 1.0)]


def test_nothing_is_taken_back_that_was_not_plainly_rejected():
    guessed = {1: Read(-1, 0.6), 2: Read(1)}
    found = lessons([LEFT_THERE], guessed, "sup", BASE, Hindsight(correction=True))
    assert found == [(0, "select B", 1.0), (1, "select B", 1.0)]


def test_nothing_is_taken_back_where_something_taken_away_is_asked_for():
    """The "no" refers to the deselected figure, not to the one selected in the same action."""
    game = interaction(
        ("", "the bird", "select A"),
        ("A", "yes, now a boat", "deselect A select B"),
        ("B", "no, bring the bird back", "select A"),
        ("A B", "great, now a house", "select C"),
    )
    found = lessons([game], verdicts(1, -1, 1), "sup", BASE, Hindsight(correction=True))
    assert found[-1] == (2, "select A", 1.0)


def test_credit_keeps_the_clicks_that_the_final_selection_proves():
    game = interaction(
        ("", "bird and boat", "select A B"), ("A B", "not the house", "deselect B select C"), won=True
    )
    found = lessons([game], verdicts(-1), "sup", BASE, Hindsight(credit=True))
    assert found == [(0, "select A", 1.0), (1, "deselect B select C", 1.0)]


def test_credit_calls_no_partly_right_action_wrong_whose_right_clicks_are_not_allowed_alone(
    monkeypatch: pytest.MonkeyPatch,
):
    game = interaction(
        ("", "bird and boat", "select A B"), ("A B", "not the house", "deselect B select C"), won=True
    )
    reaches = MultiRef.action_to

    def in_pairs(self: MultiRef, *of: Any) -> str | None:
        action = reaches(self, *of)
        return None if action == "select A" else action

    monkeypatch.setattr(MultiRef, "action_to", in_pairs)
    found = lessons([game], verdicts(-1), "kto", BASE, Hindsight(credit=True))
    assert found == [(1, "deselect B select C", 1.0)]


def test_soft_weights_are_what_the_decoder_is_sure_of():
    read = {1: Read(-1, 0.8), 2: Read(1, 0.95)}
    soft = Hindsight(win=True, correction=True, soft=True)
    (game,) = build_examples([GAME], read, "sup", BASE, soft)
    assert [round(label.weight, 3) for label in game.labels] == [0.9, 0.9, 1.0]
    (game,) = build_examples([GAME], read, "kto", BASE, Hindsight(soft=True))
    assert [round(label.weight, 3) for label in game.labels] == [0.6, 0.9]


def test_what_the_decoder_knows_nothing_of_is_left_out_under_soft_weights():
    assert lessons([GAME], {1: Read(1, 0.5)}, "sup", BASE, Hindsight(soft=True)) == []


def test_examples_are_the_same_in_whatever_order_games_come():
    other = replace(GAME, game_id="a", turn_ids=(7, 8, 9))
    read = {**verdicts(1, 1), 7: Read(1)}
    one, two = (build_examples(games, read, "sup", BASE) for games in ([GAME, other], [other, GAME]))
    assert digest(one) == digest(two)
    assert [(row.turn_id, row.reward, row.weight) for row in lineage(one)] == [
        (7, 1, 1),
        (1, 1, 1),
        (2, 1, 1),
    ]


def test_held_out_games_stay_held_out_for_good():
    games = [
        interaction(("", "a", "select A"), game_id=f"{r}-{i}", round=r) for r in (0, 1, 2) for i in range(100)
    ]
    training, held_out = split_held_out(games)
    assert len(training) + len(held_out) == 300 and 15 < len(held_out) < 50
    assert {game.round for game in held_out} == {0, 1, 2}
    of_later = {game.game_id for game in held_out}
    for few in (games[:8], games[:150], games[250:]):
        assert {game.game_id for game in split_held_out(few)[1]} == of_later & {game.game_id for game in few}
    before = held_out[0].game_id
    training, held_out = split_held_out(games, trained_on={before})
    assert before in {game.game_id for game in training}
    assert {game.game_id for game in held_out} == of_later - {before}


def test_systems_by_name():
    assert parse_system("t-kto") == ("ternary", "kto")
    with pytest.raises(ValueError, match="expected control, b-sup"):
        parse_system("b-dpo")


def test_a_pick_in_answer_to_a_removal_request_is_not_trained_on():
    game = interaction(
        ("", "the bird", "select A"),
        ("A", "now remove the boat", "select B"),
        ("A B", "good, a house", "select C"),
    )
    assert lessons([game], verdicts(1, 1), "sup", BASE) == [(0, "select A", 1.0)]


def test_a_partial_answer_is_not_trained_on():
    game = interaction(
        ("", "the bird", "select A"),
        ("A", "no, undo that, i want the bird with a long beak", "deselect A"),
        ("", "yes. a bird looking left", "select B"),
        ("B", "good, a house", "select C"),
    )
    assert lessons([game], verdicts(-1, 1, 1), "sup", BASE) == [(2, "select B", 1.0)]
    found = lessons([game], verdicts(-1, 1, 1), "sup", BASE, Hindsight(correction=True))
    assert found == [(0, "select B", 1.0), (1, "deselect A select B", 1.0), (2, "select B", 1.0)]


def test_only_a_won_game_tells_what_it_was_about():
    (game,) = build_examples([GAME], verdicts(1, 1), "sup", BASE, Hindsight(win=True))
    assert game.possible == ("figure-1", "figure-2")
    (game,) = build_examples([GAME], verdicts(1, 1), "sup", BASE)
    assert game.possible == ()
    (game,) = build_examples([replace(GAME, won=False)], verdicts(1, 1), "sup", BASE, Hindsight(win=True))
    assert game.possible == ()


def test_what_was_rejected_is_no_target_and_its_utterance_was_about_something_else():
    game = interaction(
        ("", "the bird", "select A"),
        ("A", "no", "deselect A"),
        ("", "it has a long beak", "select B"),
        ("B", "no, undo that", "deselect B"),
        ("", "a house", "select C"),
        ("C", "yes. a boat", "select D"),
    )
    read = verdicts(-1, -1, -1, 1, 1)
    (plain,) = build_examples([game], read, "sup", BASE)
    assert (plain.rejected, plain.possible, len(plain.steps)) == ((), (), 5)
    (found,) = build_examples([game], read, "sup", BASE, Hindsight(rejection=True))
    assert found.labels == plain.labels
    assert [(label.step, label.action, label.reward) for label in found.rejected] == [
        (0, "select A", 0.0),  # "no" and "undo that" describe nothing
        (2, "select B", 0.0),
    ]
    assert found.possible == CONTEXT[2:]
    rewards = {example.turn_id: example.reward for example in lineage([found])}
    assert rewards == {1: 0.0, 3: 0.0, 4: 1.0, 5: 1.0}
    (corrected,) = build_examples([game], read, "sup", BASE, Hindsight(correction=True, rejection=True))
    assert corrected.rejected == ()  # hindsight relabels both


def test_a_game_with_nothing_but_rejections_is_kept_for_them():
    game = interaction(("", "the bird", "select A"), ("A", "no, the bird", "deselect A select B"))
    assert build_examples([game], verdicts(-1), "sup", BASE) == []
    (found,) = build_examples([game], verdicts(-1), "sup", BASE, Hindsight(rejection=True))
    assert (found.labels, len(found.rejected), len(found.steps)) == ((), 1, 1)


def test_a_figure_that_was_accepted_elsewhere_stays_possible_and_a_won_game_knows_best():
    game = interaction(
        ("", "the bird", "select A"),
        ("A", "no, the other one", "deselect A select B"),
        ("B", "yes. a boat", "select A"),
        ("A B", "great. a house", "select C"),
    )
    rejection = Hindsight(win=True, rejection=True)
    (found,) = build_examples([game], verdicts(-1, 1, 1), "sup", BASE, rejection)
    assert found.possible == CONTEXT
    (won,) = build_examples([replace(game, won=True)], verdicts(-1, 1, 1), "sup", BASE, rejection)
    assert won.possible == CONTEXT[:3]


def test_an_objective_that_learns_from_rejections_has_one_line_a_turn():
    (found,) = build_examples([GAME], verdicts(-1, 1), "kto", BASE, Hindsight(rejection=True))
    assert [(label.step, label.reward) for label in found.labels] == [(0, -1.0), (1, 1.0)]
    assert [label.step for label in found.rejected] == [0]
    assert [(example.turn_id, example.reward) for example in lineage([found])] == [(1, -1.0), (2, 1.0)]


@pytest.mark.parametrize("objective", ["sup", "rl", "kto"])
def test_a_turn_after_which_nothing_was_recognised_is_not_learnt_from(objective: str):
    unknown = {1: Read(-1, 0.0), 2: Read(1)}
    assert [step for step, *_ in lessons([GAME], unknown, objective, BASE)] == [1]

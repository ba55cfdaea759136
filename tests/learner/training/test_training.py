"""Training of the embedded policy on played games."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bot.language import speaking
from games.language import Sentence
from learner.examples.build import build_examples
from learner.examples.labels import ObjectiveName, TrainingGame
from learner.policy import Policy
from learner.policy.batch import to_example
from learner.training.evaluation import Comparison, action_logps, chance_of_right, gate
from learner.training.objectives import KTO_BETA, MIN_PROPENSITY
from learner.training.train import TrainingConfig, TrainingDiverged, TrainingProgress, train
from store.database import Database
from store.training import Interaction, usable_interactions
from tests.postgres import database_url

QUICK = TrainingConfig(
    epochs=2,
    learning_rate=2e-3,
    warmup_steps=2,
    batch_turns=16,
    micro_batch_turns=16,
    least_steps=0,
    grounding_epochs=0,
)


class AlwaysRight:
    label, confidence = 1, 1.0


@pytest.fixture(scope="session")
def interactions(played: Path) -> list[Interaction]:
    database = Database(database_url(played))
    with database.session() as session:
        found = usable_interactions(session, None)
    database.close()
    return found


def games_of(
    policy: Policy, interactions: list[Interaction], objective: ObjectiveName = "sup"
) -> list[TrainingGame]:
    right = {turn: AlwaysRight() for interaction in interactions for turn in interaction.turn_ids}
    return build_examples(interactions[:6], right, objective, policy.fingerprint)


def tensors(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in policy.backend.model.named_parameters()}


def test_every_adapter_tensor_moves_and_no_base_tensor_does(policy: Policy, interactions):
    policy.new_adapter("new", rank=QUICK.rank, alpha=QUICK.alpha, dropout=0.0, seed=QUICK.seed)
    before = tensors(policy)
    policy.unload_adapter("new")
    train(policy, "new", games_of(policy, interactions), "sup", QUICK)
    after = tensors(policy)
    assert before.keys() == after.keys()
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved == {name for name in after if ".new." in f"{name}."}
    assert len(moved) > 20


def test_the_loss_falls_as_actions_become_likelier_and_progress_is_told(policy: Policy, interactions):
    told: list[TrainingProgress] = []
    games = games_of(policy, interactions)
    result = train(policy, "new", games, "sup", replace(QUICK, epochs=4), told.append)
    assert action_logps(policy, games, "new").mean() > action_logps(policy, games, "base").mean()
    assert result.losses[-1] < result.losses[0]
    assert result.skipped == 0
    assert [at.step for at in told] == list(range(1, result.steps + 1))
    assert told[-1].total == result.steps
    assert told[-1].seconds_left == 0


def test_micro_batches_add_up_to_the_batch(policy: Policy, interactions):
    games = games_of(policy, interactions)
    whole = train(policy, "whole", games, "sup", replace(QUICK, epochs=1))
    parts = train(policy, "parts", games, "sup", replace(QUICK, epochs=1, micro_batch_turns=2))
    assert parts.steps == whole.steps
    assert parts.losses[0] == pytest.approx(whole.losses[0], rel=5e-3)
    assert action_logps(policy, games, "parts") == pytest.approx(
        action_logps(policy, games, "whole"), abs=0.05
    )


def test_training_is_the_same_for_the_same_seed(policy: Policy, interactions):
    games = games_of(policy, interactions)[:3]
    config = replace(QUICK, epochs=1, dropout=0.1)
    losses = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        result = train(policy, name, games, "sup", replace(config, seed=seed))
        losses.append((result.losses, action_logps(policy, games, name).tolist()))
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_training_stops_where_it_no_longer_gains_and_goes_back_to_its_best(policy: Policy, interactions):
    games = games_of(policy, interactions)
    seen: list[list[torch.Tensor]] = []
    values = iter([0.4, 0.6, 0.5, 0.55])

    def quality() -> float:
        seen.append([parameter.detach().clone() for parameter in policy.trainable()])
        return next(values)

    result = train(policy, "new", games, "sup", replace(QUICK, epochs=8, patience=2), quality=quality)
    assert (len(result.losses), result.held_out, result.restored) == (4, (0.4, 0.6, 0.5, 0.55), True)
    assert all(map(torch.equal, policy.trainable(), seen[1]))
    assert not any(map(torch.equal, policy.trainable(), seen[3]))


def test_training_that_only_loses_goes_back_to_what_grounding_made(policy: Policy, interactions):
    seen: list[list[torch.Tensor]] = []
    values = iter([0.6, 0.5, 0.4])

    def quality() -> float:
        seen.append([parameter.detach().clone() for parameter in policy.trainable()])
        return next(values)

    games = games_of(policy, interactions)
    result = train(policy, "new", games, "sup", replace(QUICK, grounding_epochs=1), quality=quality)
    assert (result.held_out, result.restored) == ((0.6, 0.5, 0.4), True)
    assert all(map(torch.equal, policy.trainable(), seen[0]))


def test_training_goes_on_from_another_adapter(policy: Policy, interactions):
    games = games_of(policy, interactions)
    train(policy, "first", games, "sup", QUICK)
    first = action_logps(policy, games, "first")
    stopped = replace(QUICK, replay_epochs=1, learning_rate=0.0, weight_decay=0.0)
    result = train(policy, "second", games, "sup", stopped, like="first")
    assert len(result.losses) == 1
    assert action_logps(policy, games, "second") == pytest.approx(first, abs=1e-6)
    policy.unload_adapter("first")
    assert action_logps(policy, games, "second") == pytest.approx(first, abs=1e-6)


def test_seed_games_are_trained_on_too(policy: Policy, interactions):
    games = games_of(policy, interactions)
    config = replace(QUICK, epochs=1, grounding_epochs=2)
    alone = train(policy, "alone", games[1:], "sup", config)
    seeded = train(policy, "seeded", games[1:], "sup", config, seeds=games[:1])
    assert seeded.turns == alone.turns + len(games[0].labels)
    assert seeded.grounding == alone.grounding  # which rehearses what the policy was pretrained on


def test_what_is_rehearsed_changes_no_other_draw(
    policy: Policy, interactions, monkeypatch: pytest.MonkeyPatch
):
    """All ranks draw alike, also one that cannot rehearse."""
    games = games_of(policy, interactions)
    still = replace(
        QUICK, epochs=1, grounding_epochs=2, grounding_rate=0.0, learning_rate=0.0, weight_decay=0.0
    )
    found = [train(policy, "rehearsed", games, "sup", still)]
    monkeypatch.setattr(policy.backend, "_known_references", ())
    found.append(train(policy, "not", games, "sup", still))
    assert found[0].grounding != found[1].grounding
    assert found[0].losses == pytest.approx(found[1].losses, rel=1e-5)


def test_training_ends_with_the_best_weights(policy: Policy, interactions):
    games = games_of(policy, interactions)
    held_out = games[:3]
    result = train(
        policy, "new", games, "sup", QUICK, quality=lambda: chance_of_right(policy, held_out, "new")
    )
    assert len(result.held_out) == QUICK.epochs
    assert result.restored == (result.held_out[-1] < max(result.held_out))
    assert 0 < result.held_out[0] < 1
    assert chance_of_right(policy, held_out, "new") == pytest.approx(max(result.held_out))


def test_a_step_without_a_finite_loss_is_skipped(policy: Policy, interactions):
    first, *rest = games_of(policy, interactions)
    broken = replace(first, labels=tuple(replace(label, weight=math.nan) for label in first.labels))
    result = train(policy, "new", [broken, *rest], "sup", replace(QUICK, batch_turns=8, micro_batch_turns=8))
    assert 0 < result.skipped < result.steps
    assert all(math.isfinite(loss) for loss in result.losses)
    assert all(torch.isfinite(value).all() for value in tensors(policy).values())


def test_training_that_never_has_a_finite_loss_gives_up(policy: Policy, interactions):
    games = [
        replace(game, labels=tuple(replace(label, weight=math.inf) for label in game.labels))
        for game in games_of(policy, interactions)
    ]
    with pytest.raises(TrainingDiverged, match="lower the learning rate"):
        train(policy, "new", games, "sup", replace(QUICK, bad_steps=2))


def test_logged_propensities_are_those_of_the_played_board(policy: Policy, interactions):
    games = games_of(policy, interactions, "kto")
    logged = [label.behaviour_logp for game in games for label in game.labels]
    assert action_logps(policy, games, "base").tolist() == pytest.approx(logged, abs=1e-3)


def test_sup_trains_at_temperature_1_and_kto_at_the_sampling_temperature(policy: Policy, interactions):
    """sup's loss is that of a policy at temperature 1; kto's starts where π is what was logged: at ρ = 0, z = 0."""
    before, policy.temperature = policy.temperature, 0.3
    try:
        still = replace(
            QUICK, epochs=1, least_steps=0, learning_rate=0.0, smoothing=0.0, reorder=False, swap=0.0
        )
        imitated = train(policy, "sup", games_of(policy, interactions), "sup", still).losses
        games = games_of(policy, interactions, "kto")
        logps = action_logps(policy, games, "base")
        logged = iter(logps.tolist())
        as_sampled = [
            replace(game, labels=tuple(replace(label, behaviour_logp=next(logged)) for label in game.labels))
            for game in games
        ]
        compared = train(policy, "kto", as_sampled, "kto", still).losses
        policy.temperature = 1.0
        flat = train(policy, "flat", games_of(policy, interactions), "sup", still).losses
    finally:
        policy.temperature = before
    assert imitated == pytest.approx(flat, abs=1e-4)
    rho = np.minimum(0.0, logps - math.log(MIN_PROPENSITY))  # 0 but where the propensity is clamped
    expected = 1 / (1 + np.exp(KTO_BETA * rho))
    assert compared == pytest.approx((float(expected.mean()),), abs=2e-3)


@pytest.mark.parametrize("objective", ["rl", "kto"])
def test_the_other_objectives_train_too(policy: Policy, interactions, objective: ObjectiveName):
    class Alternating:
        confidence = 1.0

        def __init__(self, turn: int) -> None:
            self.label = 1 if turn % 2 else -1

    mixed = {turn: Alternating(turn) for interaction in interactions for turn in interaction.turn_ids}
    games = build_examples(interactions[:6], mixed, objective, policy.fingerprint)
    train(policy, "new", games, objective, replace(QUICK, epochs=4))
    change = action_logps(policy, games, "new") - action_logps(policy, games, "base")
    good = [label.reward > 0 for game in games for label in game.labels]
    assert change[good].mean() > change[[not each for each in good]].mean()


def test_a_shuffled_board_is_the_same_game(policy: Policy, interactions):
    game = games_of(policy, interactions)[0]
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    plain, shuffled = to_example(game, game.labels), to_example(game, game.labels, order)
    assert shuffled.context == tuple(game.context[old] for old in order)
    assert [step.utterance for step in shuffled.steps] == [step.utterance for step in plain.steps]
    letters = {old: new for new, old in zip("ABCDEFGHIJ", ("ABCDEFGHIJ"[i] for i in order), strict=True)}
    first = next(step for step in plain.steps)
    clicked = {letters[word] for word in first.action.split() if len(word) == 1}
    assert clicked == {word for word in shuffled.steps[0].action.split() if len(word) == 1}


def contexts_seen(policy: Policy, monkeypatch, games: list[TrainingGame], config: TrainingConfig, objective):
    """The boards that training gives to the policy, in order."""
    seen: list[tuple[str, ...]] = []
    batch = policy.batch

    def watch(examples):
        seen.extend(example.context for example in examples)
        return batch(examples)

    monkeypatch.setattr(policy, "batch", watch)
    train(policy, "new", games, objective, config)
    return seen


def test_figures_nobody_clicked_are_swapped(policy: Policy, interactions, monkeypatch):
    games = games_of(policy, interactions)[:1]
    (game,) = games
    clicked = {
        game.context["ABCDEFGHIJ".index(word)]
        for step in game.steps
        for word in step.action.split()
        if len(word) == 1
    }
    others = games_of(policy, interactions)[1:2]
    seen = contexts_seen(policy, monkeypatch, games + others, replace(QUICK, epochs=6), "sup")
    boards = [board for board in seen if clicked <= set(board)]
    assert all(len(set(board)) == 10 for board in boards)
    assert any(set(board) != set(game.context) for board in boards)
    assert set().union(*boards) <= {*game.context, *others[0].context}


def test_a_board_with_a_logged_propensity_stays_as_it_was(policy: Policy, interactions, monkeypatch):
    games = games_of(policy, interactions, "kto")[:2]
    seen = contexts_seen(policy, monkeypatch, games, replace(QUICK, epochs=1), "kto")
    assert set(seen) == {game.context for game in games}


def test_a_small_training_set_gets_more_epochs(policy: Policy, interactions):
    games = games_of(policy, interactions)[:2]
    assert len(train(policy, "new", games, "sup", replace(QUICK, epochs=1, least_steps=2)).losses) == 2
    policy.unload_adapter("new")
    assert len(train(policy, "new", games, "sup", replace(QUICK, epochs=1, least_steps=99)).losses) == 3


def test_training_without_labels_is_an_error(policy: Policy):
    with pytest.raises(ValueError, match="no turn has a usable label"):
        train(policy, "new", [], "sup", QUICK)


def comparison(right: int, difference: float, spread: float = 0.02) -> Comparison:
    interval = (difference - spread, difference + spread)
    return Comparison(right, right, 0.5 + difference, 0.5, interval, 0.5, 0.5, 10.0, games=20)


@pytest.mark.parametrize("played", [comparison(80, 0.2), comparison(20, 0.2)])
def test_the_gate_refuses_what_forgot_the_seed_games(played: Comparison):
    refused = gate(played, [1.0], comparison(60, -0.1))
    assert not refused.passed
    assert "forgot" in str(refused.reason) and "40.0% of 60 right actions of held-out seed games" in str(
        refused.reason
    )
    assert not gate(played, [1.0], comparison(60, math.nan)).passed
    for kept in (comparison(60, -0.06), comparison(40, -0.3), None):
        assert gate(played, [1.0], kept) == gate(played, [1.0])


@pytest.mark.parametrize(
    ("found", "losses", "passed", "reason"),
    [
        (comparison(80, 0.1), [1.0], True, "60.0% of 80 held-out right actions, the adapter in use 50.0%"),
        (comparison(80, 0.1), [1.0], True, "difference of +10.0 points, 95% interval +8.0 to +12.0"),
        (comparison(80, -0.05), [1.0], True, "45.0%"),
        (comparison(80, -0.1), [1.0], False, "40.0%"),
        (
            replace(comparison(80, -0.1), reward_candidate=0.6, effective_turns=120.0),
            [1.0],
            True,
            "60.0% of its turns would get positive feedback",
        ),
        (replace(comparison(80, -0.1), reward_candidate=0.6), [1.0], False, "40.0%"),
        (comparison(80, math.nan), [1.0], False, "not finite"),
        (comparison(80, 0.1), [math.nan], False, "loss is not finite"),
        (comparison(80, 0.1), [1.0, None], False, "loss is not finite"),
        (
            comparison(30, -0.4),
            [1.0],
            True,
            "not enough to judge yet: 30 of 50 held-out right actions; so far",
        ),
        (
            Comparison(0, 0, None, None, None, None, None, None),
            [1.0],
            True,
            "not enough to judge yet: 0 of 50",
        ),
    ],
)
def test_the_gate(found: Comparison, losses: list[float | None], passed: bool, reason: str):
    decision = gate(found, losses)
    assert decision.passed is passed
    assert reason in str(decision.reason)
    assert decision.judged is ("not enough" not in reason)
    stored = json.loads(json.dumps(decision.reason.stored()))
    assert Sentence.of(stored) == decision.reason
    with speaking("de"):
        said = Sentence.of(stored).translated()
    assert not {"the", "it", "of", "to", "not"} & set(re.findall(r"\w+", said)), said


def test_the_gate_gives_no_interval_of_a_few_games():
    decision = gate(replace(comparison(4, -0.23), games=1), [1.0])
    assert str(decision.reason) == (
        "not enough to judge yet: 4 of 50 held-out right actions; so far a difference of -23.0 points "
        "(held-out games: 1, too few for an interval)"
    )

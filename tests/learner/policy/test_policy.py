"""The policy is exact: sampled actions are legal, and reported probabilities are the true ones."""

import copy
import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from games import GAMES
from games.core import Step
from games.figures import open_images
from learner.policy import Policy
from learner.policy.batch import Example
from learner.policy.hf import HfBackend
from learner.policy.prompt import PromptBuilder
from learner.protocol import BASE_ADAPTER, PastStep, TurnRequest

TOLERANCE = 1e-4
rules = GAMES["multiref"]
images = open_images("classic")


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.load("tiny", "cpu")


def request(seed: int, turns: int = 0, adapter: str = BASE_ADAPTER, again: str = "") -> TurnRequest:
    """A request for the turn after a number of random turns."""
    rng = random.Random(seed)
    deal = rules.deal(images.ids, rng)
    state, history = rules.initial_state(deal.listener), []
    for _ in range(turns):
        action = rng.choice(rules.legal_actions(state))
        words = rng.choice(images[rng.choice(deal.speaker)].words)
        history.append(PastStep(state=state, utterance=words, action=action))
        state = rules.apply(state, action)
    return TurnRequest(
        request_id=f"{seed}:{turns}{again}",
        game_id=f"{seed}{again}",
        images="classic",
        context=deal.listener,
        history=tuple(history),
        state=state,
        utterance=f"no, {rng.choice(images[deal.speaker[0]].words)}",
        adapter=adapter,
    )


def recomputed(policy: Policy, asked: TurnRequest, action: str, temperature: float | None = None) -> float:
    """Teacher-forced log-probability of an action."""
    steps = [Step(past.state, past.utterance, past.action) for past in asked.history]
    steps.append(Step(asked.state, asked.utterance, action))
    wanted = ((),) * len(asked.history) + ((action,),)
    batch = policy.batch([Example("classic", asked.context, tuple(steps), wanted)])
    with torch.no_grad():
        return float(policy.forward_logps(batch, asked.adapter, temperature).sum)


@pytest.fixture(scope="module")
def adapted(policy: Policy) -> str:
    """An adapter that changes the policy."""
    policy.new_adapter("other", rank=4, alpha=8, dropout=0.0, seed=1)
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.normal_(0, 0.2, generator=torch.Generator().manual_seed(2))
    policy.eval()
    return "other"


@pytest.mark.parametrize("turns", [0, 1, 4])
def test_every_sampled_action_is_legal_and_its_propensity_is_exact(policy: Policy, turns: int):
    asked = [request(seed, turns) for seed in range(8)]
    for one, (action, logp) in zip(asked, policy.act(asked), strict=True):
        assert action in rules.legal_actions(one.state)
        assert logp == pytest.approx(recomputed(policy, one, action), abs=TOLERANCE)


@pytest.mark.parametrize("turns", [0, 3])
def test_the_probabilities_of_all_legal_actions_sum_to_one(policy: Policy, turns: int):
    asked = request(5, turns)
    logps = policy.all_action_logps(asked)
    assert set(logps) == set(rules.legal_actions(asked.state))
    assert math.fsum(math.exp(logp) for logp in logps.values()) == pytest.approx(1.0, abs=TOLERANCE)
    ((action, logp),) = policy.act([asked])
    assert logps[action] == pytest.approx(logp, abs=TOLERANCE)


def test_a_batch_answers_as_one_by_one(policy: Policy):
    asked = [request(seed, turns) for seed, turns in [(1, 0), (2, 3), (3, 1)]]
    together = policy.act([request(seed, turns, again="b") for seed, turns in [(1, 0), (2, 3), (3, 1)]])
    for one, (action, logp) in zip(asked, together, strict=True):
        assert policy.all_action_logps(one)[action] == pytest.approx(logp, abs=TOLERANCE)


def test_a_cached_prefix_changes_nothing(policy: Policy):
    first = request(7)
    ((action, _),) = policy.act([first])
    second = first.model_copy(
        update={
            "request_id": "7:next",
            "history": (PastStep(state="", utterance=first.utterance, action=action),),
            "state": rules.apply("", action),
            "utterance": "yes, now the boat",
        }
    )
    ((cached_action, cached),) = policy.act([second])
    assert cached == pytest.approx(recomputed(policy, second, cached_action), abs=TOLERANCE)


def test_words_that_begin_like_those_of_an_earlier_request_are_read_anew(policy: Policy):
    """A message that was edited: its first words are cached, but may mean something else now."""
    first = request(8, 1)
    for words in ("no, the tall man", "no, the tall bird and the boat", "no, the tall", "no, the"):
        asked = first.model_copy(update={"request_id": f"8:{words}", "utterance": words})
        ((action, logp),) = policy.act([asked])
        assert logp == pytest.approx(recomputed(policy, asked, action), abs=TOLERANCE)


def test_the_same_request_is_answered_the_same(policy: Policy):
    ((action, logp),), ((again, logp_again),) = (policy.act([request(11, 2)], seed=3) for _ in range(2))
    assert action == again
    assert logp_again == pytest.approx(logp, abs=TOLERANCE)  # the second one reads the first one's cache


def test_actions_are_drawn_from_the_distribution_they_claim(policy: Policy):
    asked = request(13)
    draws = policy.act([asked.model_copy(update={"request_id": f"draw {i}"}) for i in range(400)])
    counts = Counter(action for action, _ in draws)
    for action, logp in policy.all_action_logps(asked).items():
        p = math.exp(logp)
        assert abs(counts[action] / 400 - p) < 5 * math.sqrt(p * (1 - p) / 400) + 0.005


def test_propensities_are_those_of_the_temperature_that_is_sampled_at(policy: Policy):
    sharp = Policy(policy.backend, temperature=0.4)
    asked = [request(seed, turns) for seed, turns in [(1, 0), (2, 3), (3, 1)]]
    for one, (action, logp) in zip(asked, sharp.act(asked), strict=True):
        logps, flat = sharp.all_action_logps(one), policy.all_action_logps(one)
        assert math.fsum(map(math.exp, logps.values())) == pytest.approx(1.0, abs=TOLERANCE)
        assert logps[action] == pytest.approx(logp, abs=TOLERANCE)
        assert recomputed(sharp, one, action) == pytest.approx(logp, abs=TOLERANCE)
        assert max(logps.values()) > max(flat.values())
        assert recomputed(sharp, one, action, temperature=1.0) == pytest.approx(flat[action], abs=TOLERANCE)
    drawn = sharp.act([asked[2].model_copy(update={"request_id": f"draw {i}"}) for i in range(200)])
    counts, probable = Counter(action for action, _ in drawn), sharp.all_action_logps(asked[2])
    for action, logp in probable.items():
        p = math.exp(logp)
        assert abs(counts[action] / 200 - p) < 5 * math.sqrt(p * (1 - p) / 200) + 0.005


def test_games_on_different_adapters_share_a_batch(policy: Policy, adapted: str):
    mixed = [
        request(21, 1),
        request(21, 1, adapted, again="a"),
        request(22),
        request(22, 0, adapted, again="a"),
    ]
    for one, (action, logp) in zip(mixed, policy.act(mixed), strict=True):
        assert logp == pytest.approx(recomputed(policy, one, action), abs=TOLERANCE)
    base, other = policy.all_action_logps(mixed[0]), policy.all_action_logps(mixed[1])
    assert max(abs(base[action] - other[action]) for action in base) > 0.01


def test_one_game_asked_for_twice_in_a_batch_is_answered_exactly_both_times(policy: Policy):
    policy.act([request(31)])  # so that the cache is not empty
    twice = [request(31, again="once"), request(31, again="twice")]
    for one, (action, logp) in zip(twice, policy.act(twice), strict=True):
        assert logp == pytest.approx(recomputed(policy, one, action), abs=TOLERANCE)


def test_a_very_long_conversation_is_answered_exactly(policy: Policy):
    for words in (10, 1200):  # more tokens than the model was ever shown
        asked = request(32, 2).model_copy(update={"utterance": "bird " * words, "game_id": f"long {words}"})
        ((action, logp),) = policy.act([asked])
        assert logp == pytest.approx(recomputed(policy, asked, action), abs=TOLERANCE)


def test_the_embedded_model_runs_as_any_other_would(policy: Policy, adapted: str):
    own = Policy.load("tiny", "cpu").backend

    class Padded(HfBackend):
        def spell(self, utterance: str) -> str:
            return own.spell(utterance)

        def reusable(self, ids: Sequence[int]) -> int:
            return own.reusable(ids)

    plain = Policy(Padded(own.model, own.processor, own.fingerprint, own.raster))
    asked = [request(seed, turns) for seed, turns in [(41, 0), (42, 3), (43, 1)]]
    expected = [(action, pytest.approx(logp, abs=TOLERANCE)) for action, logp in plain.act(asked)]
    assert policy.act(asked) == expected
    mixed = [asked[0], asked[1].model_copy(update={"adapter": adapted}), asked[2]]
    assert [policy.act(mixed)[i] for i in (0, 2)] == [expected[0], expected[2]]


def test_one_pass_over_a_game_gives_the_propensities_of_all_its_turns(policy: Policy):
    last = request(31, 4)
    steps = tuple(Step(past.state, past.utterance, past.action) for past in last.history)
    example = Example("classic", last.context, steps, tuple((step.action,) for step in steps))
    with torch.no_grad():
        logps = policy.action_logps([example], BASE_ADAPTER)
    for t in range(len(steps)):
        earlier = last.model_copy(
            update={
                "request_id": f"31:{t}",
                "history": last.history[:t],
                "state": steps[t].state,
                "utterance": steps[t].utterance,
            }
        )
        assert float(logps[t]) == pytest.approx(
            policy.all_action_logps(earlier)[steps[t].action], abs=TOLERANCE
        )


def test_an_adapter_that_was_forgotten_acts_when_it_is_loaded_again(tmp_path: Path):
    policy = Policy.load("tiny", "cpu")
    policy.new_adapter("again", rank=2, alpha=4, dropout=0.0)
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.add_(0.1)
    policy.eval()
    asked = request(31, 1, "again")
    before = policy.all_action_logps(asked)
    policy.save_adapter("again", tmp_path)
    policy.unload_adapter("again")
    policy.load_adapter("again", tmp_path)
    assert policy.all_action_logps(asked) == pytest.approx(before, abs=1e-5)
    plain = policy.all_action_logps(asked.model_copy(update={"adapter": BASE_ADAPTER}))
    assert max(abs(plain[action] - logp) for action, logp in before.items()) > 0.1


def test_a_tokenizer_whose_file_pads_and_truncates_does_neither_in_a_prompt(policy: Policy):
    actions = ["select A", "deselect A B C select D E F"]
    processor = copy.deepcopy(policy.backend.processor)
    processor.tokenizer.backend_tokenizer.enable_padding(length=5)
    processor.tokenizer.backend_tokenizer.enable_truncation(5)
    prompts = PromptBuilder(processor)
    wanted = [policy.prompts.action_ids(action) for action in actions]
    assert prompts.all_action_ids(actions) == [prompts.action_ids(action) for action in actions] == wanted


def test_an_unknown_adapter_is_refused(policy: Policy):
    with pytest.raises(Exception, match="nowhere"):
        policy.act([request(1, adapter="nowhere")])


def test_the_embedded_policy_is_better_than_chance(policy: Policy):
    rng, right = random.Random(0), 0
    for i in range(60):
        deal = rules.deal(images.ids, rng)
        target = rng.choice(sorted(deal.targets))
        asked = TurnRequest(
            request_id=f"probe {i}",
            game_id=f"probe {i}",
            images="classic",
            context=deal.listener,
            state="",
            utterance=images[target].names[0],
            adapter=BASE_ADAPTER,
        )
        ((action, _),) = policy.act([asked], greedy=True)
        right += action == rules.action_to(deal.listener, "", frozenset([target]))
    assert right / 60 > 0.25  # chance is below 0.1

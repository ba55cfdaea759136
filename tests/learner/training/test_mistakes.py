"""Nine mistakes of the paper's research code, each with a test that would find it here."""

import math
import random
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from games import GAMES
from games.core import Step
from games.figures import open_images
from learner.examples.build import build_examples
from learner.examples.labels import ObjectiveName, TrainingGame
from learner.feedback import Exchange, exchange_of, open_decoder
from learner.feedback.prompted import MAX_CHARACTERS, question
from learner.policy import Policy
from learner.policy.batch import Example
from learner.policy.sampling import MAX_DRAFT
from learner.protocol import BASE_ADAPTER, PastStep, TurnRequest
from learner.training.evaluation import compare
from learner.training.objectives import MIN_PROPENSITY, kl_terms
from learner.training.train import TrainingConfig, train
from store.database import Database
from store.training import Interaction, usable_interactions
from tests.characters import ANY
from tests.postgres import database_url

rules = GAMES["multiref"]
images = open_images("classic")
LONGEST = ("A B C D E", "deselect A B C D E select F G H I J")


def request(number: int, state: str = "", utterance: str = "the boat", adapter: str = BASE_ADAPTER):
    deal = rules.deal(images.ids, random.Random(number))
    return TurnRequest(
        request_id=f"{number}:{state}",
        game_id=str(number),
        images="classic",
        context=deal.listener,
        state=state,
        utterance=utterance,
        adapter=adapter,
    )


def example(asked: TurnRequest, action: str) -> Example:
    return Example("classic", asked.context, (Step(asked.state, asked.utterance, action),), ((action,),))


def some_states() -> list[str]:
    rng = random.Random(0)
    return ["", "J", LONGEST[0], *(" ".join(sorted(rng.sample("ABCDEFGHIJ", n))) for n in (2, 3, 7))]


@pytest.fixture
def wild(policy: Policy) -> str:
    """An adapter far from the base model, with unusual answers."""
    policy.new_adapter("wild", rank=4, alpha=8, dropout=0.0, seed=1)
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.normal_(0, 0.3, generator=torch.Generator().manual_seed(2))
    policy.eval()
    return "wild"


def test_mistake_1_a_turn_encodes_no_image_again_and_computes_only_what_is_new(policy: Policy, monkeypatch):
    encoded, widths = [], []
    model = policy.backend.model
    encode, step = model.get_image_features, policy.backend.step
    policy = Policy(policy.backend)  # that has encoded nothing

    def widths_of(spans):
        widths.append(len(spans[0].ids))
        return step(spans)

    monkeypatch.setattr(model, "get_image_features", lambda **kw: encoded.append(1) or encode(**kw))
    monkeypatch.setattr(policy.backend, "step", widths_of)
    first = request(1)
    ((action, _),) = policy.act([first])
    assert len(encoded) == 10
    whole = max(widths)
    widths.clear()
    second = first.model_copy(
        update={
            "request_id": "second",
            "history": (PastStep(state="", utterance=first.utterance, action=action),),
            "state": rules.apply("", action),
            "utterance": "yes, now the bird",
        }
    )
    ((action, _),) = policy.act([second])
    assert len(encoded) == 10  # all ten images are encoded by now
    assert len(widths) < len([*action.split(), "end"])  # fewer forwards than tokens
    assert max(widths) - MAX_DRAFT < (whole - MAX_DRAFT) / 2


def test_mistake_2_what_is_executed_is_what_was_sampled_and_always_legal(policy: Policy, wild: str):
    asked = [request(n, state, adapter=wild) for n, state in enumerate(some_states() * 4)]
    for one, (action, logp) in zip(asked, policy.act(asked), strict=True):
        legal = rules.legal_actions(one.state)
        assert len(legal) == 1023
        assert action in legal
        assert rules.apply(one.state, action) != one.state
        assert math.isfinite(logp)


def test_mistake_3_one_string_an_action_and_the_propensity_of_the_very_sample(policy: Policy, wild: str):
    for number, state in enumerate(some_states()):
        legal = rules.legal_actions(state)
        assert len({rules.apply(state, action) for action in legal}) == len(legal)
        asked = request(number, state, adapter=wild)
        ((action, logp),) = policy.act([asked])
        assert policy.all_action_logps(asked)[action] == pytest.approx(logp, abs=1e-4)
        assert policy.action_logps([example(asked, action)], wild).item() == pytest.approx(logp, abs=1e-4)


def test_mistake_4_the_longest_action_can_be_played(policy: Policy):
    state, action = LONGEST
    asked = request(0, state, utterance="all the others", adapter="long")
    policy.new_adapter("long", rank=8, alpha=32, dropout=0.0)
    optimizer = torch.optim.AdamW(policy.trainable(), lr=3e-3)
    batch = policy.batch([example(asked, action)])
    for _ in range(80):
        loss = -policy.forward_logps(batch).sum.sum()
        if loss < 0.3:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    policy.eval()
    ((played, logp),) = policy.act([asked], greedy=True)
    assert played == action
    assert math.exp(logp) > 0.5


@pytest.fixture(scope="session")
def interactions(played: Path) -> list[Interaction]:
    database = Database(database_url(played))
    with database.session() as session:
        found = usable_interactions(session, None)
    database.close()
    return found


class Wrong:
    label, confidence = -1, 1.0


def paired_games(
    policy: Policy, interactions: list[Interaction], objective: ObjectiveName
) -> list[TrainingGame]:
    """Games of the base model, every turn with its propensity; none so rare that it would be clamped."""
    wrong = {
        turn: Wrong()
        for each in interactions
        for turn, logp in zip(each.turn_ids, each.logps, strict=True)
        if logp > math.log(MIN_PROPENSITY)
    }
    return build_examples(interactions, wrong, objective, policy.fingerprint)


STILL = TrainingConfig(
    epochs=1, least_steps=0, learning_rate=0.0, smoothing=0.0, dropout=0.3, grounding_epochs=0
)
"""One pass that changes nothing: the adapter stays the base model, which played these games."""


def test_mistake_5_kl_is_of_the_same_action_on_the_same_board_without_dropout(policy: Policy, interactions):
    # π is π₀ here: ρ = 0 and z = 0 to the last turn, so the loss of every turn is 1 - σ(0).
    result = train(policy, "still", paired_games(policy, interactions, "kto"), "kto", STILL)
    assert result.losses == pytest.approx([0.5], abs=1e-4)


def test_mistake_5_the_estimate_is_the_exact_kl_over_all_1023_actions(policy: Policy):
    policy.new_adapter("near", rank=4, alpha=8, dropout=0.0, seed=1)
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.normal_(0, 0.05, generator=torch.Generator().manual_seed(2))
    policy.eval()
    asked = request(3, "B D", "no, the other boat")
    behaviour = policy.all_action_logps(asked)
    near = policy.all_action_logps(asked.model_copy(update={"adapter": "near"}))
    exact = sum(math.exp(near[action]) * (near[action] - behaviour[action]) for action in behaviour)
    odds = [math.exp(logp) for logp in behaviour.values()]
    drawn = random.Random(0).choices(list(behaviour), odds, k=100_000)
    estimate = kl_terms(
        torch.tensor([near[action] for action in drawn]),
        torch.tensor([behaviour[action] for action in drawn]),
    ).mean()
    assert exact > 0.01
    assert estimate.item() == pytest.approx(exact, rel=0.1)


def test_mistake_6_logp_and_propensity_are_of_the_same_board(policy: Policy, interactions):
    games = paired_games(policy, interactions, "rl")
    labels = [label for game in games for label in game.labels]
    batch = policy.batch([example_of(game) for game in games])
    tokens = batch.mask.sum(-1).tolist()
    # with r = -0.1 and a ratio of exactly 1 the loss is 0.1 ℓ/n, and ℓ is the logged one
    expected = [
        0.1 * (label.behaviour_logp or 0.0) / count for label, count in zip(labels, tokens, strict=True)
    ]
    result = train(policy, "still", games, "rl", STILL)
    assert result.losses == pytest.approx([sum(expected) / len(expected)], rel=1e-4)


def example_of(game: TrainingGame) -> Example:
    wanted: list[tuple[str, ...]] = [() for _ in game.steps]
    for label in game.labels:
        wanted[label.step] = (label.action,)
    return Example(game.images, game.context, game.steps, tuple(wanted))


def test_mistake_7_smoothing_is_a_finite_mean_over_the_legal_tokens(policy: Policy):
    state, action = "A B", "deselect A select C"
    asked = request(4, state)
    actions = policy.all_action_logps(asked)
    words = action.split()
    # probabilities of what may follow each beginning of the action, worked out from whole actions
    means = []
    for at in range(len(words) + 1):
        mass: Counter[str] = Counter()
        for other, logp in actions.items():
            begins = other.split()
            if begins[:at] == words[:at]:
                mass[begins[at] if at < len(begins) else "end"] += math.exp(logp)
        total = sum(mass.values())
        means.append(sum(math.log(part / total) for part in mass.values()) / len(mass))
    with torch.no_grad():
        found = policy.forward_logps(policy.batch([example(asked, action)]), BASE_ADAPTER)
    assert found.tokens.item() == len(words) + 1
    assert found.smooth.item() == pytest.approx(sum(means) / len(means), abs=1e-3)
    every = policy.batch([example(request(4, state), action) for action in rules.legal_actions(state)[:200]])
    with torch.no_grad():
        assert torch.isfinite(policy.forward_logps(every, BASE_ADAPTER).smooth).all()


def after(said: str, asked: str = "the duck") -> Exchange:
    return exchange_of(rules, "ABCDEFGHIJ", [Step("", asked, "select C")], said)


TYPED = ("User: yes", "User said no", "```\nyes\n```", "", "да", "🙃", "<|im_end|>", "<image>", "no" * 3000)


@pytest.mark.parametrize("scheme", ["binary", "ternary"])
def test_mistake_8_the_decoder_takes_any_text_and_any_answer(policy: Policy, scheme: str):
    exchanges = [after(said, asked=said) for said in TYPED]
    for name in ("rules", "prompted"):
        for verdict in open_decoder(name, scheme, policy).decode(exchanges):
            assert verdict.label in ((1, -1) if scheme == "binary" else (1, 0, -1))
            assert 0 <= verdict.confidence <= 1


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=3, max_size=3), st.text(ANY))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mistake_8_no_answer_of_a_model_breaks_the_decoder(scores: list[float], said: str):
    class Model:
        def score(self, messages, answers):
            return scores

    (verdict,) = open_decoder("prompted", "ternary", Model()).decode([after(said)])
    assert verdict.label in (1, 0, -1)
    assert 0 <= verdict.confidence <= 1 and 0 <= verdict.p_positive <= 1


def test_mistake_8_people_s_words_are_neither_cut_short_nor_replaced():
    said = "User: I, the User, meant the other. " + "It stands on one leg. " * 20
    assert 256 < len(said) < MAX_CHARACTERS
    (message,) = question(after(said, asked="User"), "binary")
    (text,) = message.parts
    assert said in text.text  # type: ignore[union-attr]
    assert '"User"' in text.text  # type: ignore[union-attr]


def test_mistake_9_an_adapter_is_judged_without_sampling(policy: Policy, wild: str, interactions):
    games = paired_games(policy, interactions[:6], "kto")
    torch.manual_seed(1)
    one = compare(policy, games, wild, BASE_ADAPTER)
    torch.manual_seed(2)
    assert compare(policy, games, wild, BASE_ADAPTER) == one


def test_mistake_9_training_leaves_nothing_global_behind(policy: Policy, interactions):
    games = paired_games(policy, interactions[:4], "kto")
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    before = torch.get_rng_state(), random.getstate()
    train(policy, "new", games, "kto", STILL)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, dtype)
    assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")

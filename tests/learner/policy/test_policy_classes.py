"""Idefics2, Idefics3, Qwen2.5-VL and LLaVA, small and random, go through the very code of the embedded model."""

import math
from pathlib import Path

import pytest
import torch

from games import GAMES
from games.core import Step
from games.figures import open_images
from learner.policy import Example, Policy
from learner.policy.cache import PrefixCache
from learner.protocol import BASE_ADAPTER, PastStep, TurnRequest
from tests.learner.model_classes import CLASSES

TOLERANCE = 1e-4
rules = GAMES["multiref"]
FIGURES = open_images("classic").ids


@pytest.fixture(scope="module", params=sorted(CLASSES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    saved = tmp_path_factory.mktemp("model") / "base"
    torch.manual_seed(0)
    CLASSES[request.param](saved)
    return saved


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    """The model, with an adapter `other` that changes it."""
    loaded = Policy.load(str(folder), "cpu")
    loaded.new_adapter("other", rank=2, alpha=4, dropout=0.0, seed=0)
    with torch.no_grad():
        for parameter in loaded.trainable():
            parameter.normal_(0, 0.3, generator=torch.Generator().manual_seed(1))
    loaded.eval()
    return loaded


def turn(game: int, history: list[PastStep], utterance: str, adapter: str = BASE_ADAPTER) -> TurnRequest:
    state = rules.apply(history[-1].state, history[-1].action) if history else ""
    return TurnRequest(
        request_id=f"{game}:{len(history)}",
        game_id=str(game),
        images="classic",
        context=FIGURES[10 * game : 10 * game + 10],
        history=tuple(history),
        state=state,
        utterance=utterance,
        adapter=adapter,
    )


def test_cached_turns_of_a_mixed_batch_equal_single_uncached_ones(policy: Policy, folder: Path):
    alone = Policy.load(str(folder), "cpu", cache=PrefixCache(entries=0))
    histories: list[list[PastStep]] = [[], []]
    for words in ("the bird <image> </s>", "no, a man!", "yes"):
        requests = [
            turn(game, histories[game], words * (game + 1), adapter)
            for game, adapter in enumerate([BASE_ADAPTER, "other"])
        ]
        answers = policy.act(requests)
        for history, asked, (action, logp) in zip(histories, requests, answers, strict=True):
            assert action in rules.legal_actions(asked.state)
            if asked.adapter == BASE_ADAPTER:
                assert alone.act([asked]) == [(action, pytest.approx(logp, abs=TOLERANCE))]
            assert policy.all_action_logps(asked)[action] == pytest.approx(logp, abs=TOLERANCE)
            history.append(PastStep(state=asked.state, utterance=asked.utterance, action=action))


@pytest.mark.parametrize("adapter", [BASE_ADAPTER, "other"])
def test_all_actions_sum_to_one_and_training_sees_the_same_numbers(policy: Policy, adapter: str):
    asked = turn(2, [PastStep(state="", utterance="a boat", action="select B D")], "undo", adapter)
    logps = policy.all_action_logps(asked)
    assert math.fsum(map(math.exp, logps.values())) == pytest.approx(1.0, abs=TOLERANCE)
    steps = (Step("", "a boat", "select B D"), Step("B D", "undo", "deselect D"))
    relabelled = (("select B D", "select C"), ("deselect D", "deselect B select A J"))
    batch = policy.batch([Example("classic", asked.context, steps, relabelled)])
    with torch.no_grad():
        found = policy.forward_logps(batch, adapter).sum.tolist()
    for row, logp in zip(batch.rows, found, strict=True):
        if row.step == 1:
            assert logp == pytest.approx(logps[row.action], abs=TOLERANCE)


def test_a_step_of_training_moves_the_adapter_and_nothing_else(policy: Policy):
    policy.new_adapter("trained", rank=2, alpha=4, dropout=0.0, seed=0)
    model = policy.adapters.peft
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = torch.optim.AdamW(policy.trainable(), lr=0.1, weight_decay=0.0)
    example = Example("classic", FIGURES[:10], (Step("", "the bird", "select A"),), (("select A",),))
    policy.forward_logps(policy.batch([example])).sum.neg().backward()
    optimiser.step()
    moved = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    policy.unload_adapter("trained")
    assert moved
    assert all(".trained." in name for name in moved)


def test_a_saved_adapter_is_the_same_when_loaded(policy: Policy, folder: Path, tmp_path: Path):
    asked = turn(3, [], "a house", "other")
    policy.save_adapter("other", tmp_path / "other")
    fresh = Policy.load(str(folder), "cpu")
    assert fresh.fingerprint == policy.fingerprint
    fresh.load_adapter("other", tmp_path / "other")
    assert fresh.act([asked]) == [
        (action, pytest.approx(logp, abs=TOLERANCE)) for action, logp in policy.act([asked])
    ]


def test_a_figure_is_encoded_once_for_all_adapters(policy: Policy):
    policy.act([turn(4, [], "a house")])
    known = len(policy.figures)
    policy.act([turn(4, [], "a tree", "other")])
    assert len(policy.figures) == known


def test_features_handed_over_equal_pixels_in_the_models_own_forward(policy: Policy):
    asked = turn(5, [PastStep(state="", utterance="a boat", action="select B D")], "no, the man")
    prompt, trie = policy._turn(asked), policy._grammar("multiref").trie("B D")
    action = "deselect D select A C"
    path = list(trie.path(action))
    tokens = [*prompt.ids, *trie.vocabulary[path[:-1]].tolist()]
    processor, image_set = policy._base.processor, open_images("classic")
    rasters = [image_set.raster(figure, policy._base.raster) for figure in asked.context]
    inputs = processor(text=[processor.image_token * 10], images=[rasters], return_tensors="pt")
    pixels = {name: value for name, value in inputs.items() if name.startswith(("pixel", "image"))}
    ids = torch.tensor([tokens])
    if "image_grid_thw" in pixels:
        pixels["mm_token_type_ids"] = (ids == policy.figures.image_token_id).int()
    with torch.no_grad(), policy.adapters.use(BASE_ADAPTER):
        logits = policy._model(input_ids=ids, **pixels).logits[0, len(prompt.ids) - 1 :]
    legal = torch.from_numpy(trie.legal(trie.nodes(path)))
    values = logits[:, torch.from_numpy(trie.vocabulary)].masked_fill(~legal, -torch.inf).log_softmax(-1)
    own = values[torch.arange(len(path)), torch.tensor(path)].sum().item()
    assert policy.all_action_logps(asked)[action] == pytest.approx(own, abs=TOLERANCE)

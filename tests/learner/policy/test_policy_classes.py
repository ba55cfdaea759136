"""Classes of transformers, small and random: played and trained exactly, or refused when loaded with the reason.

`docs/models.md` has the table of what this file checks.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from games import GAMES
from games.core import Message, Step, Text
from games.figures import open_images
from games.words import plain
from learner.policy import Example, Policy, PolicyLoadError
from learner.policy.backend import Backend, LoraTargets
from learner.policy.cache import KVCacheStore
from learner.policy.features import ImageFeatures
from learner.policy.hf import HfBackend
from learner.policy.loading import load_base
from learner.policy.verify import plain_logits, verify
from learner.protocol import BASE_ADAPTER, PastStep, TurnRequest
from tests.learner.model_classes import EXACT, save_gemma3, save_idefics2

TOLERANCE = 1e-4
rules = GAMES["multiref"]
FIGURES = open_images("classic").ids


@pytest.fixture(scope="module", params=sorted(EXACT))
def folder(request: pytest.FixtureRequest, model_folder: Callable[[str], Path]) -> Path:
    return model_folder(request.param)


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


@pytest.fixture(scope="module")
def fresh(folder: Path) -> Policy:
    """The model loaded again, without a KV cache."""
    return Policy(base_of(folder), cache=KVCacheStore(entries=0))


def base_of(folder: Path) -> Backend:
    """The model without the comparison of its logits that `Policy.load` makes."""
    return load_base(str(folder), torch.device("cpu"))


def turn(game: int, history: list[PastStep], utterance: str, adapter: str = BASE_ADAPTER) -> TurnRequest:
    """Games have one of two boards, since it takes long to encode figures."""
    board = game % 2
    state = rules.apply(history[-1].state, history[-1].action) if history else ""
    return TurnRequest(
        request_id=f"{game}:{len(history)}",
        game_id=str(game),
        images="classic",
        context=FIGURES[10 * board : 10 * board + 10],
        history=tuple(history),
        state=state,
        utterance=utterance,
        adapter=adapter,
    )


def test_cached_turns_of_a_mixed_batch_equal_single_uncached_ones(policy: Policy, fresh: Policy):
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
                assert fresh.act([asked]) == [(action, pytest.approx(logp, abs=TOLERANCE))]
            else:
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


@given(st.text(st.one_of(st.sampled_from("AaBc. '|<>\n{}"), st.characters()), max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_later_message_is_written_as_the_template_writes_it(policy: Policy, text: str):
    prompts, message = policy.prompts, Message("user", (Text(f"A C currently selected. {plain(text)}"),))
    slow = prompts._after_end(prompts._pieces(prompts._render_after(message), message))
    assert prompts._render_later(message) == slow


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


def test_a_saved_adapter_is_the_same_when_loaded(policy: Policy, fresh: Policy, tmp_path: Path):
    asked = turn(3, [], "a house", "other")
    policy.save_adapter("other", tmp_path / "other")
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


def test_what_is_trained_on_equals_the_models_own_forward_of_pixels(policy: Policy):
    asked = turn(5, [PastStep(state="", utterance="a boat", action="select B D")], "no, the man")
    inputs, action = policy.inputs(asked), "deselect D select A C"
    path = list(inputs.trie.path(action))
    logits = plain_logits(policy, inputs, inputs.trie.vocabulary[path[:-1]].tolist())
    legal = torch.from_numpy(inputs.trie.legal(inputs.trie.nodes(path)))
    values = torch.from_numpy(logits).masked_fill(~legal, -torch.inf).log_softmax(-1)
    own = values[torch.arange(len(path)), torch.tensor(path)].sum().item()
    assert policy.all_action_logps(asked)[action] == pytest.approx(own, abs=TOLERANCE)
    example = Example("classic", asked.context, (Step("B D", asked.utterance, action),), ((action,),))
    again = turn(5, [], asked.utterance).model_copy(update={"state": "B D"})
    trained = policy.action_logps([example], BASE_ADAPTER).item()
    assert trained == pytest.approx(policy.all_action_logps(again)[action], abs=TOLERANCE)


@pytest.mark.parametrize(("name", "reason"), [("paligemma", "attends to itself in both directions")])
def test_a_class_that_cannot_be_exact_is_refused(model_folder: Callable[[str], Path], name: str, reason: str):
    with pytest.raises(PolicyLoadError, match=reason):
        Policy.load(str(model_folder(name)), "cpu")


def test_layers_without_adapters_or_a_kv_cache_are_refused(model_folder: Callable[[str], Path]):
    backend = base_of(model_folder("llava"))
    parts = (backend.model, backend.processor, backend.fingerprint, backend.raster)
    with pytest.raises(PolicyLoadError, match="adapters are made for"):
        HfBackend(*parts, LoraTargets(r"model\.language_model\..*\.qkv_proj"))
    backend.model.config.text_config.layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(PolicyLoadError, match="linear_attention"):
        HfBackend(*parts)


class DropsDeeperFeatures(HfBackend):
    """Passes image features only at the image tokens, like a replacement of embeddings."""

    def _forward(self, ids: torch.Tensor, features: ImageFeatures | None, *rest: Any, **options: Any):
        if features is not None:
            features = ImageFeatures(features.kind, dict(features.fields))
            deeper = features.fields["deepstack_features"]
            features.fields["deepstack_features"] = [[part * 0 for part in layer] for layer in deeper]
        return super()._forward(ids, features, *rest, **options)


class MovesDraftTokens(HfBackend):
    """Wrong only if there is a KV cache."""

    def _joined(self, caches: Sequence[Any], width: int):
        cache: Any = super()._joined(caches, width)
        for layer in cache.layers:
            layer.keys = layer.keys.roll(1, dims=2)
        return cache


class IgnoresImageBlocks(HfBackend):
    """Uses causal attention for the tokens of an image too."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._blockwise = False


class IgnoresTheWindow(HfBackend):
    """Uses full attention in all layers."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._window = 10**6


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("qwen3-vl", DropsDeeperFeatures, "image features"),
        ("gemma3", IgnoresImageBlocks, "attention masks"),
        ("gemma3", IgnoresTheWindow, "attention masks"),
        ("idefics3", MovesDraftTokens, "KV cache"),
    ],
)
def test_a_model_that_is_not_computed_exactly_is_refused(
    model_folder: Callable[[str], Path], name: str, kind: type[HfBackend], what: str
):
    good = base_of(model_folder(name))
    with pytest.raises(PolicyLoadError, match=f"{what}.* gives other logits"):
        verify(Policy(kind(good.model, good.processor, good.fingerprint, good.raster)))


@pytest.mark.parametrize("window", [8, 40])
def test_a_sliding_window_is_kept_to_wherever_it_ends(tmp_path: Path, window: int):
    """In every other layer (Gemma3) and in all of them (Mistral, the language part of Idefics2)."""
    torch.manual_seed(0)
    save_gemma3(tmp_path / "some", window)
    save_idefics2(tmp_path / "all", window)
    for folder in (tmp_path / "some", tmp_path / "all"):
        policy = Policy.load(str(folder), "cpu")  # is compared with the plain forward
        asked = turn(6, [PastStep(state="", utterance="a boat", action="select B D")], "no, the man")
        ((action, logp),) = policy.act([asked])
        assert policy.all_action_logps(asked)[action] == pytest.approx(logp, abs=TOLERANCE)

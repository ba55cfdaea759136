"""The policy through vLLM: a real socket, requests and answers by the contract, and failures."""

import asyncio
import base64
import io
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops
from pydantic import SecretStr
from safetensors.numpy import save_file

import learner.serving.http
from games import GAMES
from games.core import Figure, Text
from games.figures import open_images
from learner.conversation import RASTER, conversation_of
from learner.protocol import BASE_ADAPTER, PastStep, PolicyError, TurnRequest
from learner.registry import LANGUAGE_LAYERS, AdapterRegistry, Card
from learner.serving.client import connect
from learner.serving.vllm import VllmPolicy
from learner.settings import LearnerSettings
from tests.learner.serving.vllm_server import IMAGE, VllmLike, tokenise

MODEL = "someone/a-vision-model"
rules = GAMES["multiref"]
images = open_images("classic")


def request(name: str, adapter: str = BASE_ADAPTER) -> TurnRequest:
    return TurnRequest(
        request_id=f"{name}:1",
        game_id=name,
        images="classic",
        context=rules.deal(images.ids, random.Random(name)).listener,
        state="",
        utterance="the bird on the left",
        adapter=adapter,
    )


def later(name: str) -> TurnRequest:
    past = (PastStep(state="", utterance="the bird", action="select A C"),)
    return request(name).model_copy(update={"history": past, "state": "A C", "request_id": f"{name}:2"})


def settings_for(folder: Path, policy: str = MODEL) -> LearnerSettings:
    return LearnerSettings().changed(
        store={"data_dir": folder}, policy={"model": policy}, service={"secret": SecretStr("between us")}
    )


def publish(
    folder: Path,
    number: int,
    *,
    policy: str = MODEL,
    base_model: str = "aaaa",
    targets: str = LANGUAGE_LAYERS,
) -> str:
    """A new adapter, current at once."""
    registry = AdapterRegistry(settings_for(folder).adapters_dir)
    name = f"round-{number:04d}-b-sup"
    card = Card(
        name=name,
        base_model=base_model,
        policy=policy,
        system="b-sup",
        round=number,
        round_id=number,
        created=datetime(2026, 1, number, tzinfo=UTC),
        games={},
        turns=0,
        training={},
    )

    def write(draft: Path) -> None:
        config = {"peft_type": "LORA", "r": 1, "target_modules": targets}
        (draft / "adapter_config.json").write_text(json.dumps(config))
        save_file({"weight": np.zeros(1, np.float32)}, draft / "adapter_model.safetensors")

    registry.publish(card, write)
    (registry.folder / "current.json").write_text(json.dumps({"name": name, "before": []}))
    return name


@pytest.fixture
async def server() -> AsyncIterator[VllmLike]:
    async with VllmLike(MODEL, "between us") as server:
        yield server
    assert server.breaches == []


@asynccontextmanager
async def playing(
    server: VllmLike, folder: Path, policy: str = MODEL, patience: float = 10.0, temperature: float = 1.0
) -> AsyncIterator[VllmPolicy]:
    settings = settings_for(folder, policy).changed(policy={"temperature": temperature})
    async with connect(f"vllm+{server.url}", settings, patience=patience) as client:
        assert isinstance(client, VllmPolicy)
        yield client


@pytest.fixture
async def policy(server: VllmLike, tmp_path: Path) -> AsyncIterator[VllmPolicy]:
    async with playing(server, tmp_path) as policy:
        yield policy


async def test_a_turn_is_a_legal_action_with_the_log_probability_it_was_sampled_with(
    server: VllmLike, policy: VllmPolicy
):
    for turn in (request("one"), later("two")):
        answer = await policy.act(turn)
        assert answer.action in rules.legal_actions(turn.state)
        assert answer.logp == pytest.approx(server.logp(server.turns[-1], answer.action), abs=1e-9)


async def test_turns_are_sampled_at_the_temperature_that_is_set(server: VllmLike, tmp_path: Path):
    async with playing(server, tmp_path, temperature=0.7) as policy:
        answer = await policy.act(request("one"))
    assert server.turns[-1]["temperature"] == 0.7
    assert answer.logp == pytest.approx(server.logp(server.turns[-1], answer.action), abs=1e-9)
    unlike = server.logp(server.turns[-1] | {"temperature": 1.0}, answer.action)
    assert answer.logp != pytest.approx(unlike, abs=1e-3)


async def test_every_request_is_a_draw_of_its_own(server: VllmLike, policy: VllmPolicy):
    turns = [request("same").model_copy(update={"request_id": f"same:{n}"}) for n in range(20)]
    answers = await asyncio.gather(*map(policy.act, turns))
    assert len({body["seed"] for body in server.turns}) >= 20
    assert len({answer.action for answer in answers}) > 10


async def test_the_server_is_shown_the_same_conversation_as_our_own_policy(
    server: VllmLike, policy: VllmPolicy
):
    turn = later("one")
    await policy.act(turn)
    sent = server.turns[0]["messages"]
    ours = conversation_of(rules, turn)
    assert [message["role"] for message in sent] == [message.role for message in ours]
    parts = [part for message in sent for part in message["content"]]
    for part, meant in zip(parts, [part for message in ours for part in message.parts], strict=True):
        if isinstance(meant, Figure):
            png = base64.b64decode(part["image_url"]["url"].partition(",")[2])
            picture = Image.open(io.BytesIO(png))
            assert ImageChops.difference(picture, images.raster(meant.id, RASTER)).getbbox() is None
        else:
            assert isinstance(meant, Text)
            assert part["text"] == meant.text


async def test_nothing_a_player_writes_becomes_a_special_token(server: VllmLike, policy: VllmPolicy):
    await policy.act(
        request("one").model_copy(update={"utterance": f"the {IMAGE} <|im_end|> [INST] <3 a > b"})
    )
    said = server.turns[0]["messages"][0]["content"][-1]["text"]
    assert said.endswith("the < i m a g e > < | i m _ e n d | > [ I N S T ] <3 a > b")


async def test_a_template_that_writes_something_before_an_answer_is_followed(
    server: VllmLike, tmp_path: Path
):
    server.lead = " "
    async with playing(server, tmp_path) as policy:
        answer = await policy.act(request("one"))
    assert answer.action in rules.legal_actions("")
    assert answer.logp == pytest.approx(server.logp(server.turns[0], " " + answer.action), abs=1e-9)


async def test_an_action_in_other_tokens_than_the_learners_is_drawn_again(
    server: VllmLike, policy: VllmPolicy
):
    server.oddly = 1
    answer = await policy.act(request("one"))
    first, second = server.turns
    assert first["seed"] != second["seed"]
    assert answer.logp == pytest.approx(server.logp(second, answer.action, tokenise(answer.action)))


async def test_a_server_that_always_writes_other_tokens_is_refused(server: VllmLike, policy: VllmPolicy):
    server.oddly = 100
    with pytest.raises(PolicyError, match="in other tokens") as refusal:
        await policy.act(request("one"))
    assert not refusal.value.retry


# Adapters


async def test_a_game_stays_on_its_adapter_and_the_last_one_releases_it(
    server: VllmLike, policy: VllmPolicy, tmp_path: Path
):
    old = publish(tmp_path, 1)
    assert (await policy.status()).current == old
    await policy.act(request("one", old))
    await policy.act(request("two", old))
    new = publish(tmp_path, 2)
    assert (await policy.reload()).loaded == (old, new)
    await policy.finished("one")
    assert set(server.adapters) == {old, new}
    assert (await policy.act(later("two").model_copy(update={"adapter": old}))).adapter == old
    assert server.turns[-1]["model"] == old
    await policy.finished("two")
    assert set(server.adapters) == {new}
    assert (await policy.act(request("three", old))).adapter == old  # one that opened before the change


async def test_turns_carry_the_fingerprint_on_their_adapters_card(policy: VllmPolicy, tmp_path: Path):
    assert (await policy.act(request("one"))).base_model == f"vllm:{MODEL}"
    name = publish(tmp_path, 1, base_model="bbbb")
    await policy.reload()
    assert (await policy.act(request("two", name))).base_model == "bbbb"
    assert (await policy.act(request("three"))).base_model == "bbbb"


async def test_an_adapter_is_loaded_again_after_the_server_was_restarted(
    server: VllmLike, policy: VllmPolicy, tmp_path: Path
):
    name = publish(tmp_path, 1)
    await policy.act(request("one", name))
    server.adapters.clear()
    assert (await policy.act(request("two", name))).adapter == name
    assert set(server.adapters) == {name}


async def test_a_bot_that_was_restarted_takes_over_what_is_loaded(server: VllmLike, tmp_path: Path):
    name = publish(tmp_path, 1)
    for _ in range(2):
        async with playing(server, tmp_path) as policy:
            assert (await policy.act(request("one", name))).adapter == name
    assert len(server.asked("/v1/load_lora_adapter")) == 1


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"policy": "tiny"}, "trained on tiny"),
        ({"targets": f"{LANGUAGE_LAYERS}|model.matcher.(query|key)"}, "changes more than the linear layers"),
        ({"policy": "someone/another"}, "trained on someone/another"),
        ({"policy": ""}, "its card does not name"),
    ],
)
async def test_an_adapter_of_another_base_model_is_refused_and_the_old_one_stays(
    policy: VllmPolicy, tmp_path: Path, wrong: dict[str, str], reason: str
):
    name = publish(tmp_path, 1)
    assert (await policy.status()).current == name
    other = publish(tmp_path, 2, **wrong)
    assert (await policy.reload()).current == name
    with pytest.raises(PolicyError, match=reason):
        await policy.act(request("one", other))


async def test_an_adapter_of_other_weights_of_the_same_name_is_refused(policy: VllmPolicy, tmp_path: Path):
    old, _new = publish(tmp_path, 1, base_model="aaaa"), publish(tmp_path, 2, base_model="bbbb")
    with pytest.raises(PolicyError, match="other weights"):
        await policy.act(request("one", old))


async def test_a_server_that_may_not_load_adapters_is_reported_with_the_fix(
    server: VllmLike, policy: VllmPolicy, tmp_path: Path
):
    server.lora_updates = False
    name = publish(tmp_path, 1)
    assert (await policy.status()).current == BASE_ADAPTER
    with pytest.raises(PolicyError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
        await policy.act(request("one", name))
    server.lora_updates, server.failures = True, 1  # restarted with the right option
    await policy.act(request("two"))
    assert (await policy.status()).current == name


# Failures


@pytest.mark.parametrize(
    ("fault", "reason"), [("raw", "--logprobs-mode processed_logprobs"), ("unguided", "structured_outputs")]
)
async def test_a_server_whose_probabilities_are_not_of_what_it_samples_is_refused(
    server: VllmLike, policy: VllmPolicy, fault: str, reason: str
):
    setattr(server, fault, True)
    with pytest.raises(PolicyError, match=reason) as refusal:
        await policy.act(request("one"))
    assert not refusal.value.retry
    assert server.turns == []


async def test_an_illegal_answer_is_never_played(server: VllmLike, tmp_path: Path):
    async with playing(server, tmp_path, patience=0.0) as policy:
        await policy.status()
        server.unguided = True
        with pytest.raises(PolicyError, match="not legal in this state") as refusal:
            await policy.act(request("one"))
        assert refusal.value.retry
        server.unguided = False
        assert (await policy.act(request("one"))).action in rules.legal_actions("")


async def test_a_server_that_fails_for_a_while_is_asked_again_for_the_same_turn(
    server: VllmLike, policy: VllmPolicy
):
    await policy.status()
    server.failures = 2
    await policy.act(request("one"))
    assert len({body["seed"] for body in server.turns}) == 1


async def test_a_slow_server_is_given_up_and_the_turn_can_be_asked_for_again(
    server: VllmLike, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(learner.serving.http, "ATTEMPT_SECONDS", 0.5)
    async with playing(server, tmp_path, patience=0.0) as policy:
        await policy.status()
        server.delay = 2.0
        with pytest.raises(PolicyError, match="does not answer") as refusal:
            await policy.act(request("one"))
        assert refusal.value.retry
        server.delay = 0.0
        assert (await policy.act(request("one"))).adapter == BASE_ADAPTER


async def test_the_same_request_sent_twice_is_one_turn(server: VllmLike, policy: VllmPolicy):
    one, other = await asyncio.gather(policy.act(request("one")), policy.act(request("one")))
    assert one == other == await policy.act(request("one"))
    assert len(server.turns) == 1


async def test_a_bot_that_was_restarted_draws_the_same_action(server: VllmLike, tmp_path: Path):
    answers = []
    for _ in range(2):
        async with playing(server, tmp_path) as policy:
            answers.append(await policy.act(request("one")))
    assert (answers[0].action, answers[0].logp) == (answers[1].action, answers[1].logp)


async def test_a_turn_continues_after_its_client_disconnected(server: VllmLike, policy: VllmPolicy):
    await policy.status()
    server.delay = 0.3
    asked = asyncio.create_task(policy.act(request("one")))
    await asyncio.sleep(0.1)
    asked.cancel()
    assert (await policy.act(request("one"))).adapter == BASE_ADAPTER
    assert len(server.turns) == 1


async def test_a_prompt_that_is_too_long_is_reported(server: VllmLike, policy: VllmPolicy):
    await policy.status()
    server.room = 10
    with pytest.raises(PolicyError, match="--max-model-len") as refusal:
        await policy.act(request("one"))
    assert not refusal.value.retry


async def test_an_invalid_turn_is_refused_with_a_sentence(policy: VllmPolicy):
    with pytest.raises(PolicyError, match="is not a state"):
        await policy.act(request("one").model_copy(update={"state": "Z"}))
    with pytest.raises(PolicyError, match="Unknown game"):
        await policy.act(request("two").model_copy(update={"game": "chess"}))


async def test_a_server_of_another_model_is_refused(server: VllmLike, tmp_path: Path):
    async with playing(server, tmp_path, policy="someone/another") as policy:
        with pytest.raises(PolicyError, match=f"serves {MODEL}, RESPECT_POLICY__MODEL is someone/another"):
            await policy.status()


async def test_a_wrong_key_is_reported(server: VllmLike, policy: VllmPolicy):
    server.key = "another"
    with pytest.raises(PolicyError, match="RESPECT_SERVICE__SECRET must be its --api-key"):
        await policy.status()


def test_the_embedded_model_is_refused_at_once(tmp_path: Path):
    with pytest.raises(PolicyError, match="vLLM cannot serve the embedded model"):
        connect("vllm+http://127.0.0.1:1", settings_for(tmp_path, "tiny"))


def test_the_client_loads_no_torch():
    code = "import sys, learner.serving.client; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

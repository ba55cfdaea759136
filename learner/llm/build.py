"""Builds a policy of a language model: a standard image-text-to-text class of transformers, in a folder.

First a vision tower and a connector learn to put figures among words, without the language model. Then the language
model learns to play, by the same training as a round's: LoRA, which is merged into its weights at the end.
"""

import json
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from games.figures import open_images
from learner.conversation import RASTER
from learner.examples.labels import TrainingGame
from learner.examples.seed import SEED_FILE, SeedGame, training_game, write_seed_games
from learner.feedback.few_shot import SMOLLM2, LanguageModelError
from learner.feedback.language_model import load_language_model
from learner.llm.align import AlignSettings, OnProgress, align, snap
from learner.llm.assembly import IMAGE, TowerSettings, assemble
from learner.policy import Policy
from learner.policy.tiny.scripted_games import BOARD, naming_games, scripted_games
from learner.protocol import BASE_ADAPTER
from learner.settings import TINY_WEIGHTS, TrainingConfig
from learner.training.train import train
from store.folder import new_folder

CARD = "build.json"
"""Name of the file with all parameters, in the folder of a build."""
LORA = TrainingConfig(
    rank=32, alpha=64, learning_rate=1.5e-3, epochs=1, least_steps=0, replay_epochs=1, batch_turns=16
)
"""Training of the language part: one epoch, because dialogues can be made without end."""


@dataclass(frozen=True)
class BuildSettings:
    """Parameters of a policy of a language model."""

    language_model: str = SMOLLM2
    """See `learner.feedback.language_model.load_language_model`."""
    start: str = ""
    """Folder of an earlier build, from which the dialogues go on: `language_model`, `tower` and `aligning` are its."""
    images: str = "classic"
    seed: int = 0
    naming: int = 600
    """Dialogues in which one figure after another is named: few tokens for much to learn."""
    dialogues: int = 400
    """Scripted dialogues like those of the embedded policy's pretraining."""
    turns: int = 9
    """Maximum number of turns of a dialogue."""
    seed_games: int = 60
    """Scripted dialogues that rounds train on too. Each costs time in each round."""
    tower: TowerSettings = field(default_factory=TowerSettings)
    aligning: AlignSettings = field(default_factory=AlignSettings)
    training: TrainingConfig = LORA


def build(settings: BuildSettings, out: Path, progress: OnProgress = lambda *_: None) -> dict[str, object]:
    """Build a policy and save it to the new folder `out`. Returns a summary.

    Raises `LanguageModelError`, ValueError if there are too few figures, `FolderError`, and `PolicyLoadError` for a
    language model that cannot be computed exactly.
    """
    began = time.monotonic()
    images = open_images(settings.images)
    if len(images.ids) < BOARD:
        raise ValueError(f"{settings.images} has {len(images.ids)} figures, {BOARD} are needed")
    known = {figure: list(images[figure].words) for figure in images.ids}
    with new_folder(out) as partial:
        if settings.start:
            name = _copied(Path(settings.start), partial)
        else:
            name = _with_eyes(settings, known, partial, progress)
        policy = Policy.load(str(partial), "cpu")
        options = (settings.images, settings.turns, settings.seed)
        stages = {
            "naming": _games(naming_games(known, settings.images, settings.naming, *options[1:])),
            "dialogues": _games(scripted_games(known, settings.images, settings.dialogues, *options[1:])),
        }
        learnt = BASE_ADAPTER
        for stage, games in stages.items():
            if games:
                _learn(policy, stage, games, settings.training, learnt, progress)
                learnt = stage
        merged = policy.backend.model if learnt == BASE_ADAPTER else policy.adapters.merge(learnt)
        merged.half().save_pretrained(partial)
        seeds = scripted_games(known, settings.images, settings.seed_games, settings.turns, settings.seed + 1)
        write_seed_games(seeds, partial / SEED_FILE)
        summary = {
            "language_model": name,
            "images": settings.images,
            "figures": len(known),
            "turns": sum(len(game.labels) for games in stages.values() for game in games),
            "parameters": sum(parameter.numel() for parameter in merged.parameters()),
            "seconds": round(time.monotonic() - began, 1),
        }
        card = {**asdict(settings), "language_model": name, "summary": summary, "torch": torch.__version__}
        (partial / CARD).write_text(json.dumps(card, indent=2) + "\n")
        _write_card(partial, settings, name)
    return summary


def _copied(start: Path, folder: Path) -> str:
    """Copies an earlier build. Returns the name of its language model. Raises ValueError if it is none."""
    try:
        name = json.loads((start / CARD).read_text())["language_model"]
        shutil.copytree(start, folder, dirs_exist_ok=True)
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(f"{start} is no folder that `respect llm build` made: {error}") from error
    return name


def _with_eyes(
    settings: BuildSettings, known: dict[str, list[str]], folder: Path, progress: OnProgress
) -> str:
    """Saves the language model with a trained vision tower and connector. Returns its name."""
    images = open_images(settings.images)
    language, tokenizer, name = load_language_model(settings.language_model)
    torch.manual_seed(settings.seed)
    try:
        model, processor = assemble(language, tokenizer, settings.tower)
    except (ValueError, AttributeError, RuntimeError) as error:
        raise LanguageModelError(
            f"A policy cannot be built of the language model {settings.language_model!r}: {error}"
        ) from error
    rasters = [images.raster(figure, RASTER) for figure in known]
    shown = processor(text=[IMAGE * len(rasters)], images=[rasters], return_tensors="pt")
    pixels, descriptions = shown["pixel_values"], list(known.values())
    for learn in (align, snap):
        learn(model, tokenizer, pixels, descriptions, settings.aligning, settings.seed, progress)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return name


def _games(seeds: list[SeedGame]) -> list[TrainingGame]:
    games = [training_game(game, number) for number, game in enumerate(seeds, 1)]
    return [game for game in games if game.labels]


def _learn(
    policy: Policy,
    stage: str,
    games: list[TrainingGame],
    config: TrainingConfig,
    like: str,
    progress: OnProgress,
) -> None:
    train(
        policy,
        stage,
        games,
        "sup",
        config,
        progress=lambda at: progress(stage, at.step, at.total, at.loss),
        like=like,
    )


README = """---
pipeline_tag: image-text-to-text
library_name: transformers
{licence}---
# A listener for reference games

`LlavaForConditionalGeneration` of transformers: the language model {name}, with a vision tower and a connector that
were trained from scratch on the figures of the image set `{images}` and their descriptions. The language part was then
trained with LoRA on scripted dialogues, and the adapter was merged into its weights. `build.json` has all parameters.

Use it with `RESPECT_POLICY__MODEL=FOLDER` or `--policy FOLDER`. It understands English descriptions of figures, and
nothing else can be expected of it.
{origin}"""
SMOLLM2_ORIGIN = """
The language model is a changed copy of SmolLM2-135M-Instruct by HuggingFaceTB (Apache License 2.0, see `LICENSE`).
"""


def _write_card(folder: Path, settings: BuildSettings, name: str) -> None:
    smollm2 = "SmolLM2" in name
    text = README.format(
        licence="license: apache-2.0\n" if smollm2 else "",
        name=name,
        images=settings.images,
        origin=SMOLLM2_ORIGIN if smollm2 else "\nThe licence of the language model applies to it.\n",
    )
    (folder / "README.md").write_text(text)
    if smollm2:
        shutil.copy(TINY_WEIGHTS / "LICENSE", folder / "LICENSE")

"""Builds the embedded policy from scratch: tokenizer, model, pretraining, and a folder that transformers can
load."""

import json
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig

from games import DEFAULT_GAME
from games.figures import ImageSet, held_out, open_images
from games.letters import LETTERS
from learner.examples.seed import SEED_FILE, SeedGame, SeedStep, write_seed_games
from learner.policy.tiny.dialogues import ScriptedSpeaker
from learner.policy.tiny.modeling import (
    TinyVlmConfig,
    TinyVlmForConditionalGeneration,
    start_by_likeness,
)
from learner.policy.tiny.phrases import every_word
from learner.policy.tiny.pretrain import BOARD, OnProgress, PretrainSettings, align, pictures, train_language
from learner.policy.tiny.tokenizer import (
    ACT,
    ACTION_WORDS,
    END,
    IMAGE,
    PAD,
    SUMMARY,
    build_processor,
    build_tokenizer,
)

SELECTED_BIAS, RETURNED_BIAS = -1.0, -2.0
"""See `TinyVlmConfig`. Set after pretraining: the listener of the pretraining dialogues errs at random, so there
the wrong picks do not resemble the description."""


@dataclass(frozen=True)
class BuildSettings:
    """Parameters of the model to build."""

    images: str = "classic"
    holdout: int = 0
    """Number of figures left out with all their descriptions (`games.figures.held_out`), independent of the
    seed."""
    seed: int = 0
    known_descriptions: float = 1.0
    """Share of each figure's descriptions that the model is pretrained on, 0 to 1."""
    vocabulary: int = 2500
    width: int = 192
    layers: int = 4
    heads: int = 6
    image_size: int = 64
    seed_games: int = 400
    """Number of scripted dialogues to write as seed games, which rounds train on too."""
    pretraining: PretrainSettings = field(default_factory=PretrainSettings)


def build(settings: BuildSettings, out: Path, progress: OnProgress = lambda *_: None) -> dict[str, object]:
    """Build and pretrain a model and save it to `out`. Returns a summary. Raises ValueError if there are too few
    figures."""
    began = time.monotonic()
    images = open_images(settings.images)
    left_out = set(held_out(images.ids, settings.holdout))
    ids = [figure for figure in images.ids if figure not in left_out]
    if len(ids) < BOARD:
        raise ValueError(f"{len(ids)} figures are left to learn from, {BOARD} are needed: lower --holdout")
    known = _known(images, ids, settings)
    torch.manual_seed(settings.seed)
    texts = [words for figure in ids for words in images[figure].words] + every_word()
    tokenizer = build_tokenizer(texts, settings.vocabulary)
    ids_of: Any = tokenizer.convert_tokens_to_ids
    config = TinyVlmConfig(
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.width,
            intermediate_size=3 * settings.width,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            max_position_embeddings=2048,
            pad_token_id=ids_of(PAD),
            eos_token_id=ids_of(END),
            bos_token_id=None,
        ),
        image_token_id=ids_of(IMAGE),
        summary_token_id=ids_of(SUMMARY),
        act_token_id=ids_of(ACT),
        end_token_id=ids_of(END),
        silent_token_ids=ids_of([PAD, SUMMARY, ACT, END, *ACTION_WORDS]),
        image_size=settings.image_size,
    )
    model = TinyVlmForConditionalGeneration(config)
    start_by_likeness(model, torch.Generator().manual_seed(settings.seed))
    pixels = pictures(images, ids, settings.image_size)
    align(model, tokenizer, pixels, list(known.values()), settings.pretraining, settings.seed, progress)
    train_language(model, tokenizer, pixels, known, settings.pretraining, settings.seed, progress)
    config.selected_bias, config.returned_bias = SELECTED_BIAS, RETURNED_BIAS
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    build_processor(tokenizer, settings.image_size).save_pretrained(out)
    write_seed_games(_seed_games(known, settings), out / SEED_FILE)
    summary: dict[str, object] = {
        "images": settings.images,
        "figures": len(ids),
        "held_out": len(left_out),
        "descriptions": sum(len(of) for of in known.values()),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seconds": round(time.monotonic() - began, 1),
    }
    card = {**asdict(settings), "summary": summary, "torch": torch.__version__}
    (out / "build.json").write_text(json.dumps(card, indent=2) + "\n")
    return summary


def _seed_games(known: dict[str, list[str]], settings: BuildSettings) -> list[SeedGame]:
    """Scripted dialogues like those of the pretraining, without pictures, as seed games."""
    speaker = ScriptedSpeaker(known, random.Random(f"seed games {settings.seed}"))
    games = []
    for _ in range(settings.seed_games):
        dialogue = speaker.play(LETTERS[:BOARD], settings.pretraining.turns, pictures=0.0)
        steps = tuple(
            SeedStep(
                state=turn.state,
                utterance=turn.utterance,
                action=turn.action,
                right=turn.learn if turn.learn == turn.action else None,
            )
            for turn in dialogue.turns
        )
        games.append(
            SeedGame(game=DEFAULT_GAME, images=settings.images, context=dialogue.figures, steps=steps)
        )
    return games


def _known(images: ImageSet, ids: list[str], settings: BuildSettings) -> dict[str, list[str]]:
    """figure id -> the descriptions to pretrain on, at least one each."""
    rng = random.Random(settings.seed)
    known = {}
    for figure in ids:
        words = list(images[figure].words)
        known[figure] = rng.sample(words, max(1, round(len(words) * settings.known_descriptions)))
    return known

"""Builds the embedded policy in two steps.

The language part is made once, from a sentence encoder's words and scripted dialogues. From it, policies that know the
figures of an image set are made in minutes.
"""

import json
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer, LlamaConfig

from games.figures import ImageSet, held_out, open_images
from learner.examples.seed import SEED_FILE, write_seed_games
from learner.policy.tiny.align import AlignSettings, align, figures_to_learn
from learner.policy.tiny.configuration import TinyVlmConfig
from learner.policy.tiny.known import KnownDescriptions, write_known
from learner.policy.tiny.modeling import TinyVlmForConditionalGeneration, register
from learner.policy.tiny.pretrain import BOARD, LanguageSettings, OnProgress, train_language
from learner.policy.tiny.scripted_games import scripted_games
from learner.policy.tiny.tagger_training import train_tagger
from learner.policy.tiny.tokenizer import (
    ACT,
    ACTION_WORDS,
    AGAIN,
    CLOSES,
    END,
    IMAGE,
    OPENS,
    PAD,
    SUMMARY,
    WORD,
    build_processor,
    build_tokenizer,
)
from learner.policy.tiny.vocabulary import read_vocabulary
from learner.settings import TINY_WEIGHTS

SELECTED_BIAS, RETURNED_BIAS, NEWEST_BIAS = -3.0, -3.0, 3.0
"""See `TinyVlmConfig`."""
WORD_SCALE = 0.25
"""Standard deviation of words' embeddings; that of labels is 1, so that the language part tells them apart first."""


@dataclass(frozen=True)
class LanguageBuild:
    """Parameters of the language part."""

    seed: int = 0
    vocabulary: int = 10_000
    """Number of words and pieces of words that have vectors."""
    width: int = 192
    layers: int = 4
    heads: int = 6
    image_size: int = 64
    images: str = "classic"
    """Image set whose descriptions the tagger learns to find in utterances."""
    training: LanguageSettings = field(default_factory=LanguageSettings)


@dataclass(frozen=True)
class BuildSettings:
    """Parameters of a policy that knows the figures of an image set."""

    images: str = "classic"
    holdout: int = 0
    """Number of figures left out with all their descriptions (`games.figures.held_out`), independent of the
    seed."""
    seed: int = 0
    known_descriptions: float = 1.0
    """Share of each figure's descriptions that the model is pretrained on, 0 to 1."""
    language: str = str(TINY_WEIGHTS)
    """Folder with the language part: of `build_language`, or any embedded policy."""
    seed_games: int = 400
    """Number of scripted dialogues to write as seed games, which rounds train on too."""
    turns: int = 9
    """Maximum number of turns of a seed game."""
    training: AlignSettings = field(default_factory=AlignSettings)


def build_language(
    settings: LanguageBuild, sentence_encoder: str | Path, out: Path, progress: OnProgress = lambda *_: None
) -> dict[str, object]:
    """Build the language part from a sentence encoder saved for transformers, and save it to `out`. Returns a summary.

    The policy that it saves knows no figure yet. Raises OSError if the sentence encoder cannot be read.
    """
    began = time.monotonic()
    torch.manual_seed(settings.seed)
    vocabulary = read_vocabulary(sentence_encoder, settings.vocabulary, settings.width)
    tokenizer = build_tokenizer(vocabulary.words)
    of: Any = tokenizer.convert_tokens_to_ids
    config = TinyVlmConfig(
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.width,
            intermediate_size=2 * settings.width,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            max_position_embeddings=2048,
            pad_token_id=of(PAD),
            eos_token_id=of(END),
            bos_token_id=None,
        ),
        image_token_id=of(IMAGE),
        summary_token_id=of(SUMMARY),
        act_token_id=of(ACT),
        end_token_id=of(END),
        word_token_id=of(WORD),
        opens_token_id=of(OPENS),
        closes_token_id=of(CLOSES),
        again_token_id=of(AGAIN),
        silent_token_ids=of([PAD, SUMMARY, ACT, END, WORD, OPENS, CLOSES, AGAIN, *ACTION_WORDS]),
        image_size=settings.image_size,
        selected_bias=SELECTED_BIAS,
        returned_bias=RETURNED_BIAS,
        newest_bias=NEWEST_BIAS,
    )
    model = TinyVlmForConditionalGeneration(config)
    generator = torch.Generator().manual_seed(settings.seed)
    _start_by_likeness(model, generator)
    learnt = _start_embeddings(model, of, vocabulary.words, vocabulary.vectors, generator)
    images = open_images(settings.images)
    descriptions = {figure: images[figure].words for figure in images.ids}
    train_tagger(model, tokenizer, descriptions, settings.training, settings.seed, progress)
    train_language(model, tokenizer, learnt, settings.training, settings.seed, progress)
    _save(model, tokenizer, out)
    summary = _summary(model, began)
    card = {**asdict(settings), "summary": summary, "torch": torch.__version__}
    (out / "language.json").write_text(json.dumps(card, indent=2) + "\n")
    return summary


def build(settings: BuildSettings, out: Path, progress: OnProgress = lambda *_: None) -> dict[str, object]:
    """Pretrain a policy on the figures of an image set and save it to `out`. Returns a summary. Raises ValueError if
    there are too few figures."""
    began = time.monotonic()
    images = open_images(settings.images)
    left_out = set(held_out(images.ids, settings.holdout))
    ids = [figure for figure in images.ids if figure not in left_out]
    if len(ids) < BOARD:
        raise ValueError(f"{len(ids)} figures are left to learn from, {BOARD} are needed: lower --holdout")
    known = _known(images, ids, settings)
    torch.manual_seed(settings.seed)
    register()
    model: Any = AutoModelForImageTextToText.from_pretrained(settings.language, dtype=torch.float32)
    # nothing that the folder's policy knows of figures stays
    fresh = TinyVlmForConditionalGeneration(model.config)
    model.model.vision_model, model.model.matcher = fresh.model.vision_model, fresh.model.matcher
    tokenizer = AutoTokenizer.from_pretrained(settings.language)
    figures = figures_to_learn([images[figure] for figure in ids], list(known.values()), settings.seed)
    align(model, tokenizer, figures, settings.training, settings.seed, progress)
    _save(model, tokenizer, out)
    figures_known = {figure: tuple(said) for figure, said in known.items()}
    write_known(KnownDescriptions(images=settings.images, figures=figures_known), out)
    write_seed_games(
        scripted_games(known, settings.images, settings.seed_games, settings.turns, settings.seed),
        out / SEED_FILE,
    )
    summary = {
        "images": settings.images,
        "figures": len(ids),
        "held_out": len(left_out),
        "descriptions": sum(len(of) for of in known.values()),
        **_summary(model, began),
    }
    card = {
        **asdict(settings),
        "language": Path(settings.language).name,
        "summary": summary,
        "torch": torch.__version__,
    }
    (out / "build.json").write_text(json.dumps(card, indent=2) + "\n")
    return summary


def _start_by_likeness(
    model: TinyVlmForConditionalGeneration,
    generator: torch.Generator,
    likeness: float = 0.6,
    copying: float = 0.5,
    mlp_scale: float = 0.3,
) -> None:
    """Initialise the language part so that positions attend to similar positions and copy their values.

    In each layer the keys' projection equals the queries' and the output's is the values' transposed
    ("mimetic initialisation", Trockman and Kolter 2023, arXiv 2305.09828). The action then copies the letters of
    matched figures from the first steps on.
    """
    width = model.config.text_config.hidden_size
    layers: Any = model.model.language_model.layers
    with torch.no_grad():
        for layer in layers:
            attention, mlp = layer.self_attn, layer.mlp
            attention.q_proj.weight.normal_(0, likeness * width**-0.5, generator=generator)
            attention.v_proj.weight.normal_(0, width**-0.5, generator=generator)
            attention.k_proj.weight.copy_(attention.q_proj.weight)
            attention.o_proj.weight.copy_(attention.v_proj.weight.T * copying)
            for weight in (mlp.gate_proj.weight, mlp.up_proj.weight):
                weight.normal_(0, width**-0.5, generator=generator)
            mlp.down_proj.weight.normal_(0, mlp_scale * weight.shape[0] ** -0.5, generator=generator)


def _start_embeddings(
    model: TinyVlmForConditionalGeneration,
    of: Any,
    words: tuple[str, ...],
    vectors: torch.Tensor,
    generator: torch.Generator,
) -> list[int]:
    """Set the embeddings before training: words have their vectors. Returns the ids of all other tokens."""
    embed = model.get_input_embeddings().weight
    with torch.no_grad():
        embed.normal_(0, 1, generator=generator)
        learnt = sorted({*range(len(embed))}.difference(of(list(words))))
        embed[of(list(words))] = vectors * WORD_SCALE
        act = of(ACT)
        embed[act] *= 0.5
        for alike in (SUMMARY, OPENS, CLOSES):  # so that the action looks at them
            embed[of(alike)] = embed[act]
        model.model.language_model.norm.weight.fill_(
            0.1
        )  # the output layer has the embeddings, which are large
    return learnt


def _save(model: TinyVlmForConditionalGeneration, tokenizer: Any, out: Path) -> None:
    """Save in half precision: what is loaded is what was saved, in single precision."""
    out.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(out)
    build_processor(tokenizer, model.config.image_size).save_pretrained(out)


def _summary(model: TinyVlmForConditionalGeneration, began: float) -> dict[str, object]:
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seconds": round(time.monotonic() - began, 1),
    }


def _known(images: ImageSet, ids: list[str], settings: BuildSettings) -> dict[str, list[str]]:
    """figure id -> the descriptions to pretrain on, at least one each."""
    rng = random.Random(settings.seed)
    known = {}
    for figure in ids:
        words = list(images[figure].words)
        known[figure] = rng.sample(words, max(1, round(len(words) * settings.known_descriptions)))
    return known

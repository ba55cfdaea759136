"""Pretrains the encoder and the matcher's words of the embedded model on pictures with descriptions."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from games.figures.images import FigureData, Polygon, draw_figure
from learner.policy.tiny.drawings import drawings
from learner.policy.tiny.modeling import TinyVlmForConditionalGeneration
from learner.policy.tiny.places import placed_descriptions
from learner.policy.tiny.pretrain import OnProgress, set_rate
from learner.policy.tiny.tokenizer import token_bags

PLACED = 40
"""Placed descriptions of each figure."""
NAMED = 0.3
"""Least share of a figure's names among what is said of it: people say them more often than any one description."""


@dataclass(frozen=True)
class AlignSettings:
    """Hyper-parameters of `align`. The defaults take some five minutes on one core."""

    steps: int = 900
    batch: int = 192
    """Figures."""
    rate: float = 2e-3
    said: int = 8
    """Descriptions of each picture in a batch. Words are many and cost little, pictures are few and cost much."""
    temperature: float = 0.2
    """Temperature of the contrastive alignment. Descriptions fit several figures, so a lower one overfits to the
    training figures."""
    dropout: float = 0.4
    """Share of the words of a description that are left out."""
    views: int = 8
    """Number of slightly rotated and shifted pictures of each figure."""
    placed: float = 0.3
    """Share of descriptions that say where something is in the figure (`learner.policy.tiny.places`)."""
    drawings: int = 1500
    """Number of letters and plain shapes beside the figures (`learner.policy.tiny.drawings`)."""
    drawn: float = 0.25
    """Drawings for each figure of a batch."""


@dataclass(frozen=True)
class Described:
    """A picture and what is said of it."""

    polygons: tuple[Polygon, ...]
    words: Sequence[str]
    """Descriptions, at least one."""
    placed: Sequence[str] = ()
    """Further descriptions, which say where something is."""
    kind: str = ""
    """Drawings of one kind have the same descriptions."""


def figures_to_learn(
    figures: Sequence[FigureData], known: Sequence[Sequence[str]], seed: int
) -> list[Described]:
    """Figures with those of their descriptions that are known. Those whose pieces nobody named have no placed ones,
    which brought nothing for `classic`: its names say places already."""
    rng = random.Random(f"places {seed}")
    return [
        Described(
            figure.polygons,
            _with_names(words, figure.names),
            placed_descriptions(figure, words, PLACED, rng) if figure.annotations else (),
        )
        for figure, words in zip(figures, known, strict=True)
    ]


def _with_names(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """The words, with the names among them as often as it takes for a share of `NAMED`."""
    named = [text for text in words if text in names]
    times = math.ceil(NAMED / (1 - NAMED) * (len(words) - len(named)) / len(named)) if named else 1
    return [*words, *named * (times - 1)]


def pictures(shapes: Sequence[tuple[Polygon, ...]], size: int) -> torch.Tensor:
    """[n, 3, size, size] rasters in 0..1, as the processor returns them."""
    rasters = [np.asarray(draw_figure(polygons, size), dtype=np.float32) / 255 for polygons in shapes]
    return torch.from_numpy(np.stack(rasters)).permute(0, 3, 1, 2).contiguous()


def jitter(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The pictures rotated by up to 7 degrees, scaled by up to 10% and shifted by up to 5%."""
    n = len(pixels)
    angle, scale, x, y = (torch.rand(4, n, generator=generator) * 2 - 1) * torch.tensor(
        [[math.radians(7)], [0.1], [0.1], [0.1]]
    )
    cos, sin = torch.cos(angle) * (1 + scale), torch.sin(angle) * (1 + scale)
    matrix = torch.stack([torch.stack([cos, -sin, x], 1), torch.stack([sin, cos, y], 1)], 1)
    grid = functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
    return 1 - functional.grid_sample(1 - pixels, grid, align_corners=False)


def align(
    model: TinyVlmForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    figures: Sequence[Described],
    settings: AlignSettings,
    seed: int,
    progress: OnProgress,
) -> None:
    """Align encoder and the matcher's words on (picture, description) pairs with a symmetric InfoNCE loss. Drawings of
    letters and plain shapes are learnt beside the figures.

    A word's vector is a learnt linear map of its embedding, plus a learnt difference for words that occur in
    descriptions. Afterwards the matched features are standardised over all figures.
    """
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    encoder, vectors = model.model.vision_model, model.get_input_embeddings().weight.detach()
    drawn = [
        Described(drawing.polygons, drawing.words, kind=drawing.kind)
        for drawing in drawings(settings.drawings, seed)
    ]
    shown_all = [*figures, *drawn]
    known = [token_bags(tokenizer, picture.words) for picture in shown_all]
    placed = [token_bags(tokenizer, picture.placed) for picture in shown_all]
    pixels = pictures([picture.polygons for picture in shown_all], model.config.image_size)
    with torch.no_grad():
        views = [encoder.patches(pixels)]
        views += [encoder.patches(jitter(pixels, generator)) for _ in range(settings.views - 1)]
        seen = torch.stack(views, 1)
    width = vectors.shape[1]
    key = torch.nn.Linear(model.config.feature_size, width, bias=False)
    mapped = torch.nn.Linear(width, width, bias=False)
    own = torch.nn.Embedding(len(vectors), width)
    torch.nn.init.zeros_(own.weight)
    optimiser = torch.optim.AdamW(
        [p for part in (encoder, key, mapped, own) for p in part.parameters()], weight_decay=0.02, fused=True
    )
    size = min(settings.batch, len(figures))

    def said_of(picture: int) -> Sequence[int]:
        more = placed[picture] if rng.random() < settings.placed else []
        return _thinned(rng.choice(more or known[picture]), settings.dropout, rng)

    for step in range(settings.steps):
        set_rate(optimiser, settings.rate, step, settings.steps)
        chosen = rng.sample(range(len(figures)), size)
        chosen += [len(figures) + i for i in _of_different_kinds(drawn, round(size * settings.drawn), rng)]
        batch = len(chosen)
        same = torch.arange(batch).repeat(settings.said)
        said = [said_of(picture) for _ in range(settings.said) for picture in chosen]
        offsets = torch.tensor([0, *map(len, said[:-1])]).cumsum(0)
        ids = torch.tensor([token for words in said for token in words])
        words = mapped(functional.embedding_bag(ids, vectors, offsets, mode="mean"))
        words = words + functional.embedding_bag(ids, own.weight, offsets, mode="mean")
        shown = key(encoder.raw(seen[chosen, torch.randint(settings.views, (batch,), generator=generator)]))
        # standardised over the figures, because drawings are on no board
        shown = (shown - shown[:size].mean(0)) / (shown[:size].std(0) + 1e-4)
        likeness = (
            functional.normalize(words, dim=1) @ functional.normalize(shown, dim=1).T / settings.temperature
        )
        others = likeness.view(settings.said, batch, batch).transpose(1, 2).flatten(0, 1)
        loss = (functional.cross_entropy(likeness, same) + functional.cross_entropy(others, same)) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        progress("align", step + 1, settings.steps, loss.item())
    with torch.no_grad():
        features = encoder.raw(seen[: len(figures), 0])
        encoder.mean.copy_(features.mean(0))
        encoder.deviation.copy_(features.std())
        matcher = model.model.matcher
        matcher.words.weight.copy_(mapped(vectors) + own.weight)
        matcher.words.weight.div_(
            matcher.words.weight[[token for of in known[: len(figures)] for ids in of for token in ids]].std()
        )
        matcher.query.weight.copy_(torch.eye(width))
        matcher.key.weight.copy_(key.weight * encoder.deviation / (key(features).std(0)[:, None] + 1e-6))


def _thinned(words: Sequence[int], dropout: float, rng: random.Random) -> Sequence[int]:
    """Words without a random share of them, at least one."""
    return [word for word in words if rng.random() >= dropout] or [rng.choice(words)]


def _of_different_kinds(drawn: Sequence[Described], count: int, rng: random.Random) -> list[int]:
    """Random places in `drawn`, up to `count`, of which no two are of one kind: what is said of one would fit the
    other too."""
    found: dict[str, int] = {}
    for place in rng.sample(range(len(drawn)), min(len(drawn), 4 * count)):
        if len(found) < count:
            found.setdefault(drawn[place].kind, place)
    return list(found.values())

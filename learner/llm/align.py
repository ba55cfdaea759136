"""Trains vision tower and connector so that a figure's tokens lie among the words that describe it.

The language model is not run: its word embeddings are enough. They stay as they are.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from learner.policy.tiny.align import jitter
from learner.policy.tiny.pretrain import set_rate

OnProgress = Callable[[str, int, int, float], None]
"""Called with (stage, steps done, steps in all, loss)."""


@dataclass(frozen=True)
class AlignSettings:
    """Hyper-parameters of `align`. The defaults take a few minutes on one core."""

    steps: int = 600
    batch: int = 96
    """Figures."""
    said: int = 4
    """Descriptions of each figure in a batch."""
    rate: float = 1e-3
    temperature: float = 0.07
    sharpness: float = 20.0
    """Of the soft maximum over a figure's tokens: how much a word asks for one token rather than for all."""
    dropout: float = 0.3
    """Share of the words of a description that are left out."""
    views: int = 8
    """Number of slightly rotated and shifted pictures of each figure."""
    norm: float = 1.0
    """Weight of the distance of the tokens' length from that of words."""
    snap_steps: int = 300
    """Steps of `snap`."""


def align(
    model: Any,
    tokenizer: Any,
    pixels: torch.Tensor,
    descriptions: Sequence[Sequence[str]],
    settings: AlignSettings,
    seed: int,
    progress: OnProgress,
) -> None:
    """Train on figures' pixels [F, 3, S, S], white being 1, and their descriptions, with a symmetric InfoNCE loss.

    The likeness of a description and a figure is the mean over its words of the largest cosine with one of the figure's
    tokens (late interaction: Khattab and Zaharia, 2020, arXiv 2004.12832). Both are taken relative to the mean word.
    """
    vectors = model.get_input_embeddings().weight.detach()
    bags = [[tokenizer.encode(f" {words}", add_special_tokens=False) for words in of] for of in descriptions]
    common = vectors[sorted({token for of in bags for ids in of for token in ids})]
    middle, length = common.mean(0), (common - common.mean(0)).norm(dim=1).mean()
    unit = functional.normalize(vectors - middle, dim=1)
    with torch.no_grad():
        model.model.multi_modal_projector.linear_2.bias.copy_(middle)

    def loss_of(
        chosen: list[int], tokens: torch.Tensor, rng: random.Random
    ) -> tuple[torch.Tensor, torch.Tensor]:
        said = [
            [token for token in ids if rng.random() >= settings.dropout] or ids
            for _ in range(settings.said)
            for ids in (rng.choice(bags[figure]) for figure in chosen)
        ]
        tokens, batch = tokens - middle, len(chosen)
        words = unit[torch.tensor([token for ids in said for token in ids])]
        cosines = words @ functional.normalize(tokens, dim=-1).flatten(0, 1).T
        closest = _soft_maximum(cosines.view(len(words), batch, -1), settings.sharpness)
        owner = torch.tensor([number for number, ids in enumerate(said) for _ in ids])
        likeness = closest.new_zeros(len(said), batch).index_add(0, owner, closest)
        likeness = likeness / torch.bincount(owner)[:, None] / settings.temperature
        others = likeness.view(settings.said, batch, batch).transpose(1, 2).flatten(0, 1)
        same = torch.arange(batch).repeat(settings.said)
        loss = (functional.cross_entropy(likeness, same) + functional.cross_entropy(others, same)) / 2
        stretch = (tokens.norm(dim=-1) / length - 1).square().mean()
        return loss, loss + settings.norm * stretch

    _descend(model, pixels, settings, "figures", settings.steps, 0.02, seed, loss_of, progress)


def snap(
    model: Any,
    tokenizer: Any,
    pixels: torch.Tensor,
    descriptions: Sequence[Sequence[str]],
    settings: AlignSettings,
    seed: int,
    progress: OnProgress,
) -> None:
    """Train on until each of a figure's tokens is the word of its descriptions that it is nearest to after `align`.

    A language model finds again what it has read by the exact word (induction heads: Olsson et al., 2022, arXiv
    2209.11895), and does not see that a blend of several words is one of them.
    """
    vectors = model.get_input_embeddings().weight.detach()
    bags = [
        sorted({token for words in of for token in tokenizer.encode(f" {words}", add_special_tokens=False)})
        for of in descriptions
    ]
    middle = vectors[sorted({token for ids in bags for token in ids})].mean(0)
    with torch.no_grad():
        found = shown(model, pixels) - middle
    wanted = torch.stack(
        [
            vectors[_nearest(tokens, ids, vectors[ids] - middle)]
            for tokens, ids in zip(found, bags, strict=True)
        ]
    )
    scale = (wanted - middle).square().sum(-1).mean()

    def loss_of(chosen: list[int], tokens: torch.Tensor, _: object) -> tuple[torch.Tensor, torch.Tensor]:
        loss = (tokens - wanted[chosen]).square().sum(-1).mean() / scale
        return loss, loss

    _descend(model, pixels, settings, "words", settings.snap_steps, 0.0, seed, loss_of, progress)


def _descend(
    model: Any,
    pixels: torch.Tensor,
    settings: AlignSettings,
    stage: str,
    steps: int,
    weight_decay: float,
    seed: int,
    loss_of: Callable[[list[int], torch.Tensor, random.Random], tuple[torch.Tensor, torch.Tensor]],
    progress: OnProgress,
) -> None:
    """Train vision tower and connector on figures' pixels [F, 3, S, S], slightly moved. `loss_of`: numbers of the
    figures of a batch, their tokens [B, tokens, D] and a source of chance -> (the loss that is shown, the loss that is
    minimised)."""
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    seen = torch.stack([pixels, *(jitter(pixels, generator) for _ in range(settings.views - 1))], 1)
    learnt = [*model.model.vision_tower.parameters(), *model.model.multi_modal_projector.parameters()]
    optimiser = torch.optim.AdamW(learnt, weight_decay=weight_decay, fused=True)
    batch = min(settings.batch, len(pixels))
    model.train()
    for step in range(steps):
        set_rate(optimiser, settings.rate, step, steps)
        chosen = rng.sample(range(len(pixels)), batch)
        views = seen[chosen, torch.randint(settings.views, (batch,), generator=generator)]
        loss, minimised = loss_of(chosen, shown(model, views), rng)
        optimiser.zero_grad()
        minimised.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        progress(stage, step + 1, steps, loss.item())
    model.eval()


def _nearest(tokens: torch.Tensor, ids: Sequence[int], words: torch.Tensor) -> list[int]:
    """For each of some tokens [K, D] another one of the words [W, D] with these ids, by cosine."""
    cosines = functional.normalize(tokens, dim=-1) @ functional.normalize(words, dim=-1).T
    taken: list[int] = []
    for row in cosines:
        order = row.argsort(descending=True).tolist()
        taken.append(next((place for place in order if place not in taken), order[0]))
    return [ids[place] for place in taken]


def shown(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """[F, tokens, D] the tokens of figures, from their pixels [F, 3, S, S]."""
    return torch.stack(list(model.model.get_image_features(pixels).pooler_output))


def _soft_maximum(values: torch.Tensor, sharpness: float) -> torch.Tensor:
    """A smooth maximum over the last dimension, between its mean and its maximum."""
    return (values * (values.detach() * sharpness).softmax(-1)).sum(-1)

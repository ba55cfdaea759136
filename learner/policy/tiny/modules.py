"""The parts of the embedded model around its language part: encoder, matcher and tagger."""

import math

import torch
from torch import nn
from torch.nn import functional

from learner.policy.tiny.configuration import PATCH, TinyVlmConfig

DIRECTIONS = 8
"""Directions of edges that are told apart."""
TAGS = 3
"""Tags of a token: outside of descriptions, the first of one, inside of one."""


class TinyVisionEncoder(nn.Module):
    """[n, 3, S, S] pictures, black on white in 0..1, to [n, `config.feature_size`] centred features.

    The first stage is fixed: the ink of patches of 4 x 4 pixels, and the edges in them by direction. Its last layer is
    the matcher's `key`, so that adapters can change it while features are the same for all of them.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, config: TinyVlmConfig) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        before = PATCH**2 + DIRECTIONS
        for number, channels in enumerate(config.channels):
            stages += [
                nn.Conv2d(before, channels, 3, stride=2 if number else 1, padding=1),
                nn.GroupNorm(8, channels),
                nn.GELU(),
            ]
            before = channels
        self.stages = nn.Sequential(*stages)
        self.register_buffer("mean", torch.zeros(config.feature_size))
        self.register_buffer("deviation", torch.ones(()))

    def patches(self, pixels: torch.Tensor) -> torch.Tensor:
        """[n, C, S, S] pictures to [n, PATCH² + DIRECTIONS, S / PATCH, S / PATCH]."""
        ink = 1.0 - pixels[:, :1]
        sobel = ink.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 4
        x, y = functional.conv2d(ink, torch.stack([sobel, sobel.T])[:, None], padding=1).split(1, dim=1)
        strength, angle = (x**2 + y**2).sqrt(), torch.atan2(y, x)
        directions = torch.arange(DIRECTIONS, device=ink.device) * (2 * math.pi / DIRECTIONS)
        edges = (angle - directions[:, None, None]).cos().clamp(min=0) ** 4 * strength
        return torch.cat(
            [functional.pixel_unshuffle(ink, PATCH), functional.avg_pool2d(edges, PATCH) * PATCH], dim=1
        )

    def raw(self, patches: torch.Tensor) -> torch.Tensor:
        """Features of patches before they are centred."""
        return self.stages(patches).flatten(1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return (self.raw(self.patches(pixels)) - self.mean) / self.deviation


class Matcher(nn.Module):
    """Scores figures of a board by their features and the mean vector of the words of a description."""

    def __init__(self, config: TinyVlmConfig) -> None:
        super().__init__()
        width = config.text_config.hidden_size
        self.words = nn.Embedding(config.text_config.vocab_size, width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(config.feature_size, width, bias=False)
        self.sharpness = nn.Parameter(torch.tensor(1 / config.match_temperature))

    def likeness(self, said: torch.Tensor, figures: torch.Tensor) -> torch.Tensor:
        """[B, M, D] descriptions and [B, N, feature_size] figures to [B, M, N] logits."""
        with torch.autocast(said.device.type, enabled=False):
            query = functional.normalize(self.query(said), dim=-1)
            key = functional.normalize(self.key(figures), dim=-1)
            return self.sharpness * query @ key.transpose(1, 2)


class Tagger(nn.Module):
    """Finds the descriptions in an utterance: a bidirectional GRU over the frozen vectors of its tokens."""

    def __init__(self, config: TinyVlmConfig) -> None:
        super().__init__()
        self.reads = nn.GRU(
            config.text_config.hidden_size, config.tagger_width, batch_first=True, bidirectional=True
        )
        self.tags = nn.Linear(2 * config.tagger_width, TAGS)

    def forward(self, vectors: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """[B, L, D] vectors of utterances with `lengths` [B] tokens to [B, L, TAGS] logits."""
        packed = nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        read, _ = nn.utils.rnn.pad_packed_sequence(self.reads(packed)[0], batch_first=True)
        return self.tags(read)

"""The interface between a policy and its base model: `Backend` hides what differs between model classes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from learner.examples.labels import TrainingGame
from learner.policy.batch import Example
from learner.policy.cache import KVCache
from learner.policy.features import ImageFeatures
from learner.policy.prompt import Prompt
from learner.registry import LANGUAGE_LAYERS


class PolicyLoadError(Exception):
    """A base model or an adapter cannot be used; the message says why and how to fix it."""


@dataclass(frozen=True)
class LoraTargets:
    """The modules that an adapter changes. The vision part is not among them, so figures are encoded once for all
    adapters."""

    modules: str = LANGUAGE_LAYERS
    """Regular expression for names of modules, as peft's `target_modules` takes it."""
    rank_pattern: dict[str, int] = field(default_factory=dict)
    """Regular expression -> factor on the adapter's rank and alpha for the modules that it matches."""


@dataclass(frozen=True)
class FigureTokens:
    """The tokens and features of one or several figures in a prompt."""

    ids: tuple[int, ...]
    """Their token ids, with those that the processor writes around an image."""
    features: ImageFeatures
    grid: torch.Tensor | None
    """[images, 3] number of patches in time, height and width, for models with three-dimensional positions."""


@dataclass(frozen=True)
class Span:
    """The tokens of one turn in one forward pass: the rest of its prompt, then draft tokens.

    t tokens of the prompt are not in the KV cache yet, W draft tokens follow, n = t + W.
    """

    adapter: str
    prompt: tuple[int, ...]
    """Token ids of the whole prompt."""
    features: ImageFeatures
    """Features of all images of the prompt."""
    unseen: int
    """t."""
    draft: tuple[int, ...]
    """[W] token ids of the draft tree; `attends` and `positions` describe its shape."""
    positions: torch.Tensor
    """[n], or [axes, n] where positions have several."""
    attends: torch.Tensor
    """[n, cached + n] bool: which cached and new tokens each new token attends to."""
    cache: KVCache
    outputs: int
    """Number of last tokens whose output is returned."""

    @property
    def ids(self) -> tuple[int, ...]:
        """[n] ids of the new tokens."""
        return (*self.prompt[len(self.prompt) - self.unseen :], *self.draft)


@dataclass(frozen=True)
class WarmStartSettings:
    """Hyper-parameters of `Backend.warm_start`."""

    epochs: int
    learning_rate: float
    dropout: float
    """Share of the words that are left out, 0 to 1."""


@dataclass(frozen=True)
class WarmStart:
    """The result of a warm start."""

    losses: tuple[float, ...]
    """Mean loss of each epoch, in nats; empty if nothing was trained."""
    games: list[TrainingGame]
    """The games to train on afterwards: the same ones, possibly with lower label weights."""


class Figures(Protocol):
    """Encodes figures and caches the features (`learner.policy.figures.FigureEncoder`)."""

    def encode(self, images: str, figures: Sequence[str]) -> ImageFeatures:
        """Features of several figures of an image set, in order."""
        ...


class Trainee(Protocol):
    """The part of a policy (`learner.policy.Policy`) that a warm start uses."""

    @property
    def figures(self) -> Figures: ...

    def prompt_of(self, example: Example) -> Prompt: ...

    def trainable(self) -> list[torch.nn.Parameter]: ...


class Backend(Protocol):
    """A loaded base model, frozen and in evaluation mode, with the ways to run it.

    Created by `learner.policy.loading.load_base`, the only place that chooses between backends.
    """

    model: Any
    """A transformers `...ForConditionalGeneration`."""
    processor: Any
    """Its processor, with `tokenizer` and a chat template."""
    fingerprint: str
    """See `learner.policy.loading.fingerprint`."""
    raster: int
    """Width and height, in pixels, of the pictures given to the processor."""
    lora: LoraTargets
    pads: bool
    """Whether spans are padded to the longest one, so that very different lengths waste time."""
    image_token: str
    """The text that the processor replaces by an image."""
    image_token_id: int
    """Id of the token whose embeddings are replaced by image features."""
    pad_id: int
    context_length: int
    """Positions that the model was made for."""
    learns_from_rejections: bool = False
    """Whether it learns from turns of which it is only known that their pick was wrong
    (`TrainingGame.rejected`)."""

    def encode(self, pictures: Sequence[Any]) -> FigureTokens:
        """Tokens and features of PIL pictures, in one pass of the vision part; the same for all adapters.

        Raises ValueError if processor and model disagree on the number of image tokens.
        """
        ...

    def positions(self, ids: Sequence[int], grids: Sequence[torch.Tensor | None]) -> torch.Tensor:
        """[n], or [axes, n]: position ids of a prompt's tokens. `grids` are those of its figures."""
        ...

    def hidden(
        self,
        ids: torch.Tensor,
        features: ImageFeatures | None,
        positions: torch.Tensor,
        attends: torch.Tensor | None,
    ) -> torch.Tensor:
        """[B, L, D] last hidden states of the language part for whole sequences, differentiable.

        `ids` [B, L], padded at the right; `features` of all images, in order; `positions` [B, L] or [axes, B, L];
        `attends` [B, L, L] bool, None for causal.
        """
        ...

    def step(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        """The last hidden states [outputs, D] of each span. Its keys and values are written to its KV cache;
        `KVCache.keep` must be called to keep them.

        Must be called inside `Adapters.rows` with the spans' adapters, in order.
        """
        ...

    def forget(self, adapter: str | None = None) -> None:
        """Drop what was cached of an adapter's weights, by default of all adapters', because they were changed or
        unloaded."""

    def reusable(self, ids: Sequence[int]) -> int:
        """How many of the first tokens of a prompt have the same keys and values whatever comes after `ids`. By default
        all of them."""
        return len(ids)

    def spell(self, utterance: str) -> str:
        """What a person said in the characters that the tokenizer knows. May be left out: most know all of Unicode."""
        return utterance

    def rehearsed(self) -> str:
        """A digest of what a warm start learns from besides games; by default nothing. Raises `SeedError`."""
        return ""

    def warm_start(
        self,
        trainee: Trainee,
        games: Sequence[TrainingGame],
        settings: WarmStartSettings,
        rng: random.Random,
        share: Callable[[], None],
    ) -> WarmStart:
        """Optional training that is specific to the backend, before whole actions are trained. Does nothing by
        default.

        `share` is called once, after the last change of weights; it broadcasts them to all ranks.
        """
        share()
        return WarmStart((), list(games))

"""The seam between a policy and its base model: all that differs between kinds of models is behind `Backend`."""

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
    """A base model or an adapter that cannot be used, with what to do about it."""


@dataclass(frozen=True)
class LoraTargets:
    """What an adapter changes. The vision part is never among it: figures are encoded once for all adapters."""

    modules: str = LANGUAGE_LAYERS
    """Regular expression for names of modules, as peft's `target_modules` takes it."""
    rank_pattern: dict[str, int] = field(default_factory=dict)
    """Regular expression -> how many times the adapter's rank (and alpha) such modules have."""


@dataclass(frozen=True)
class FigureTokens:
    """How one or several figures stand in a prompt."""

    ids: tuple[int, ...]
    """Their tokens, with whatever the processor writes around an image."""
    features: ImageFeatures
    grid: torch.Tensor | None
    """[images, 3] patches in time, height and width, for models with three-dimensional positions."""


@dataclass(frozen=True)
class Span:
    """What a forward computes of one turn: the rest of its prompt, then draft tokens.

    t of the prompt's tokens are not in the KV cache yet, W draft tokens follow, n = t + W.
    """

    adapter: str
    prompt: tuple[int, ...]
    """Token ids of the whole prompt."""
    features: ImageFeatures
    """Of all of the prompt's images."""
    unseen: int
    """t."""
    draft: tuple[int, ...]
    """[W] token ids; a tree, whose shape is in `attends` and `positions`."""
    positions: torch.Tensor
    """[n], or [axes, n] where positions have several."""
    attends: torch.Tensor
    """[n, cached + n] bool: what each new token attends to, of what is cached and of what is new."""
    cache: KVCache
    outputs: int
    """How many of its last tokens the output is wanted for."""

    @property
    def ids(self) -> tuple[int, ...]:
        """[n] token ids of what is new."""
        return (*self.prompt[len(self.prompt) - self.unseen :], *self.draft)


@dataclass(frozen=True)
class WarmStartSettings:
    """Hyper-parameters of `Backend.warm_start`."""

    epochs: int
    learning_rate: float
    dropout: float
    """Share of the words that are left out."""


@dataclass(frozen=True)
class WarmStart:
    """How a warm start went."""

    losses: tuple[float, ...]
    """Mean loss of each epoch, in nats; none where nothing was trained."""
    games: list[TrainingGame]
    """What training goes on with: the same games, whose labels may weigh less."""


class Figures(Protocol):
    """Features of figures, encoded once (`learner.policy.figures.FigureEncoder`)."""

    def encode(self, images: str, figures: Sequence[str]) -> ImageFeatures:
        """Of several figures of an image set, in order."""
        ...


class Trainee(Protocol):
    """What a warm start uses of a policy (`learner.policy.Policy`)."""

    @property
    def figures(self) -> Figures: ...

    def prompt_of(self, example: Example) -> Prompt: ...

    def trainable(self) -> list[torch.nn.Parameter]: ...


class Backend(Protocol):
    """A loaded base model, frozen and in evaluation mode, and how it is run.

    Made by `learner.policy.loading.load_base`, which alone knows what kinds there are.
    """

    model: Any
    """A transformers `...ForConditionalGeneration`."""
    processor: Any
    """Its processor, with `tokenizer` and a chat template."""
    fingerprint: str
    """See `learner.policy.loading.fingerprint`."""
    raster: int
    """Pixels of the square pictures given to the processor."""
    lora: LoraTargets
    pads: bool
    """Whether spans of very different lengths slow each other down."""
    image_token: str
    """What the processor takes in a text as the place of an image."""
    image_token_id: int
    """The token at whose positions image features stand."""
    pad_id: int
    learns_from_rejections: bool = False
    """Whether it learns from turns of which is only known that their action was wrong (`TrainingGame.rejected`)."""

    def encode(self, pictures: Sequence[Any]) -> FigureTokens:
        """Tokens and features of pictures (PIL), in one pass of the vision part, the same under all adapters.

        Raises ValueError where processor and model disagree on the number of image tokens.
        """
        ...

    def positions(self, ids: Sequence[int], grids: Sequence[torch.Tensor | None]) -> torch.Tensor:
        """[n], or [axes, n]: positions of a prompt's tokens. `grids` are those of its figures."""
        ...

    def hidden(
        self,
        ids: torch.Tensor,
        features: ImageFeatures | None,
        positions: torch.Tensor,
        attends: torch.Tensor | None,
    ) -> torch.Tensor:
        """[B, L, D] the language part's last output for whole sequences, differentiable.

        `ids` [B, L], padded at the right; `features` of all images, in order; `positions` [B, L] or [axes, B, L];
        `attends` [B, L, L] bool, None for causal.
        """
        ...

    def step(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        """The output [outputs, D] of each span. Its keys and values are written to its KV cache, but not kept yet.

        Called where the adapters of the spans are in force, in their order (`Adapters.rows`).
        """
        ...

    def forget(self, adapter: str | None = None) -> None:
        """Drop what was computed from an adapter's weights, or from any's: they have changed or are gone."""

    def spell(self, utterance: str) -> str:
        """What a person said in the characters that the tokenizer knows. May be left out: most know all of Unicode."""
        return utterance

    def warm_start(
        self,
        trainee: Trainee,
        games: Sequence[TrainingGame],
        seeds: Sequence[TrainingGame],
        settings: WarmStartSettings,
        rng: random.Random,
        share: Callable[[], None],
    ) -> WarmStart:
        """What a backend trains in its own way before whole actions are trained. May be left out.

        `share` is called once, after the last change of weights: it makes them the same in all processes that train
        together.
        """
        share()
        return WarmStart((), list(games))

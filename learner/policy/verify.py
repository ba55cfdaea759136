"""Checks, when a base model is loaded, that its turns have the same logits as transformers' own forward pass."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from games.core import Game
from learner.conversation import probe_request
from learner.policy.backend import Backend, PolicyLoadError
from learner.policy.cache import KVCacheStore
from learner.policy.figures import FigureEncoder
from learner.policy.grammar import ActionTrie, Draw
from learner.policy.lora import Adapters
from learner.policy.sampling import TurnInputs
from learner.protocol import BASE_ADAPTER, PastStep, TurnRequest

TOLERANCE = {torch.float32: 3e-4, torch.float16: 0.03, torch.bfloat16: 0.1}
"""Largest difference of logits that is attributed to rounding, relative to the logits' standard deviation.

Summing in another order gives relative differences of about 1e-5 in float32, and of 0.01 to 0.03 in bfloat16 (8
significant bits) after tens of layers. A wrong mask, position or image feature gives differences of about 1.
"""
COARSEST_TOLERANCE = max(TOLERANCE.values())
UTTERANCES = (("the bird", "no, the other one"), ("a man who carries something", "yes"))
"""Two turns of each of two games, with prompts of different lengths, so that batches are padded."""


class Playing(Protocol):
    """The part of `learner.policy.policy.Policy` that is used; importing it here would be an import cycle."""

    backend: Backend
    figures: FigureEncoder
    cache: KVCacheStore
    adapters: Adapters
    device: torch.device
    temperature: float

    def act(
        self, requests: Sequence[TurnRequest], seed: int = 0, greedy: bool = False
    ) -> list[tuple[str, float]]: ...

    def inputs(self, request: TurnRequest) -> TurnInputs: ...

    def draw(self, turns: Sequence[TurnInputs], draws: Sequence[Draw]) -> list[tuple[str, float]]: ...

    def game(self, name: str) -> Game: ...

    def logits(self, hidden: torch.Tensor, vocabulary: torch.Tensor | None) -> torch.Tensor: ...


class RecordedDraw(Draw):
    """Greedy decoding that records the logits."""

    def __init__(self, trie: ActionTrie) -> None:
        super().__init__(trie, None)
        self.columns: list[int] = []
        """Columns of the tokens taken, end token included."""
        self.logits: list[np.ndarray] = []
        """Logits [V] for each of them, over the trie's vocabulary."""

    def take(self, values: np.ndarray) -> int:
        """See `Draw.take`."""
        column = super().take(values)
        self.columns.append(column)
        self.logits.append(values.copy())
        return column

    @property
    def tokens(self) -> list[int]:
        """The ids of the action's tokens, without the end token."""
        return self.trie.vocabulary[self.columns[:-1]].tolist()


@dataclass(frozen=True)
class LogitDifferences:
    """Differences between the logits of action tokens when computed in three ways."""

    played: float
    """Largest absolute difference between playing (KV cache, batch, draft tree) and the model's own forward
    pass."""
    trained: float
    """The same for training: whole sequences with precomputed image features."""
    spread: float
    """Standard deviation of the logits of the model's own forward pass."""


def verify(policy: Playing) -> None:
    """Raise `PolicyLoadError`, which says what differs, if the turns of a base model are not computed exactly."""
    model = policy.backend.model
    name = type(model).__name__
    try:
        found = logit_differences(policy)
    except (ValueError, RuntimeError, TypeError, LookupError, AttributeError) as error:
        raise PolicyLoadError(
            f"A {name} cannot be used: a turn that it is tried with fails: {error}"
        ) from error
    allowed = TOLERANCE.get(model.dtype, COARSEST_TOLERANCE) * found.spread
    if found.played <= allowed and found.trained <= allowed:
        return
    if found.trained <= allowed:
        what, difference = "continued from a KV cache with draft tokens", found.played
    else:
        what, difference = "given image features, positions and attention masks", found.trained
    raise PolicyLoadError(
        f"A {name} cannot be used: {what}, it gives other logits than transformers' own forward of pixels. They differ"
        f" by {difference:.2g}, and {allowed:.2g} would be rounding. `docs/models.md` lists models that are exact."
    )


@torch.inference_mode()
def logit_differences(policy: Playing) -> LogitDifferences:
    """Play two turns of two games, the second from the KV cache, and compare its logits with the model's own
    forward."""
    first = [_request(number, said[0]) for number, said in enumerate(UTTERANCES)]
    action, _ = policy.act(first, greedy=True)[0]
    second = [
        request.model_copy(
            update={
                "history": (PastStep(state=request.state, utterance=request.utterance, action=action),),
                "state": policy.game(request.game).apply(request.state, action),
                "utterance": said[1],
            }
        )
        for request, said in zip(first, UTTERANCES, strict=True)
    ]
    turns = [policy.inputs(request) for request in second]
    draws = [RecordedDraw(turn.trie) for turn in turns]
    policy.draw(turns, draws)
    played, trained, spread = [], [], []
    for turn, draw in zip(turns, draws, strict=True):
        plain = plain_logits(policy, turn, draw.tokens)
        played.append(np.abs(np.stack(draw.logits) * policy.temperature - plain).max())
        trained.append(np.abs(whole_logits(policy, turn, draw.tokens) - plain).max())
        spread.append(plain.std())
        policy.cache.end(turn.game_id)
    return LogitDifferences(float(np.max(played)), float(np.max(trained)), float(np.mean(spread)))


def plain_logits(policy: Playing, turn: TurnInputs, tokens: list[int]) -> np.ndarray:
    """[tokens + 1, V] logits by the model's own forward pass of token ids and pixels, from the end of the prompt
    on.

    V is the vocabulary of the turn's trie.
    """
    backend, model = policy.backend, policy.backend.model
    images, *figures = turn.board
    pictures = policy.figures.pictures(images, figures)
    inputs = backend.processor(
        text=[backend.image_token * len(pictures)], images=[pictures], return_tensors="pt"
    )
    ids = torch.tensor([[*turn.ids, *tokens]])
    accepted = inspect.signature(model.forward).parameters
    given: dict[str, Any] = {
        name: value for name, value in inputs.items() if name.startswith(("pixel", "image", "batch"))
    }
    for name in ("token_type_ids", "mm_token_type_ids"):
        if name in accepted:
            given[name] = (ids == backend.image_token_id).long()
    given = {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in given.items()
        if name in accepted
    }
    with policy.adapters.use(BASE_ADAPTER):
        logits = model(input_ids=ids.to(model.device), logits_to_keep=len(tokens) + 1, **given).logits[0]
    return logits[-len(tokens) - 1 :, torch.from_numpy(turn.trie.vocabulary)].double().cpu().numpy()


def whole_logits(policy: Playing, turn: TurnInputs, tokens: list[int]) -> np.ndarray:
    """The same logits from precomputed image features, as training computes them."""
    ids = torch.tensor([[*turn.ids, *tokens]], device=policy.device)
    after = turn.positions[..., -1:] + torch.arange(1, len(tokens) + 1)
    positions = torch.cat([turn.positions, after], dim=-1)[..., None, :].to(policy.device)
    with policy.adapters.use(BASE_ADAPTER):
        hidden = policy.backend.hidden(ids, turn.features, positions, None)[0, len(turn.ids) - 1 :]
        logits = policy.logits(hidden, torch.from_numpy(turn.trie.vocabulary).to(policy.device))
    return logits.double().cpu().numpy()


def _request(number: int, utterance: str) -> TurnRequest:
    name = f"verify:{number}"
    return probe_request(BASE_ADAPTER).model_copy(
        update={"request_id": name, "game_id": name, "utterance": utterance}
    )

"""The naive way to play a turn, as in the method's research code: same action and propensity, but slow.

The processor prepares the images once per turn. Each token of the action is a separate `generate` without a cache,
which encodes the images and the whole prompt again. Turns are not batched.
"""

import random
from typing import Any

import torch
from transformers import GenerationConfig

from games import GAMES
from games.core import Step
from games.figures import ImageSet
from learner.policy import Policy
from learner.policy.backend import Backend
from learner.policy.grammar import ConstrainedSampler, Grammar
from learner.protocol import TurnRequest


class NaivePolicy:
    """A base model without caches between tokens or turns, except for the tries of the grammar."""

    def __init__(self, base: Backend, images: ImageSet) -> None:
        self._base = base
        self._images = images
        self._prompts = Policy(base).prompts
        self._pad: int = base.processor.tokenizer.pad_token_id or 0
        self._one_token = GenerationConfig(
            do_sample=False, max_new_tokens=1, use_cache=False, pad_token_id=self._pad
        )
        self._grammars = {
            name: Grammar(game, self._prompts.all_action_ids, self._prompts.end_id)
            for name, game in GAMES.items()
        }

    @torch.inference_mode()
    def act(self, request: TurnRequest, source: random.Random) -> tuple[str, float]:
        """(action, log-propensity), drawn token by token."""
        model: Any = self._base.model
        ids, images = self._prepare(request)
        sampler = ConstrainedSampler([self._grammars[request.game].trie(request.state)], [source], self._pad)
        while sampler.actions[0] is None:
            ids = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                **images,
                generation_config=self._one_token,
                logits_processor=[sampler],
            )
        return sampler.results()[0]

    def _prepare(self, request: TurnRequest) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The prompt's token ids and the model's image inputs."""
        processor, device = self._base.processor, self._base.model.device
        pictures = [self._images.raster(figure, self._base.raster) for figure in request.context]
        seen = processor(text=[processor.image_token * len(pictures)], images=[pictures], return_tensors="pt")
        tokens = seen.pop("input_ids")[0]
        seen.pop("attention_mask")
        each = tuple(tokens[tokens == tokens.mode().values][: len(tokens) // len(pictures)].tolist())
        history = [Step(past.state, past.utterance, past.action) for past in request.history]
        messages = GAMES[request.game].prompt(request.context, history, request.state, request.utterance)
        ids = torch.tensor([self._prompts.build(messages, lambda figure: each).ids], device=device)
        return ids, {name: value.to(device) for name, value in seen.items()}

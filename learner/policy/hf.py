"""The general backend: any image-text-to-text model of transformers, run by its own forward pass.

Image features are computed once per figure and passed to the model's forward (`mm_encoder_outputs`), which inserts
them at the image tokens and, in some models, into deeper layers.
"""

import inspect
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from transformers import DynamicCache

from learner.policy.backend import Backend, FigureTokens, LoraTargets, PolicyLoadError, Span
from learner.policy.cache import KVCache
from learner.policy.features import ImageFeatures

CONTEXT_LENGTH = 4_096
"""Of a model that does not say."""
FULL, SLIDING = "full_attention", "sliding_attention"
BIDIRECTIONAL_IMAGE_MODELS = frozenset({"gemma3"})
"""Model types in which the tokens of one image attend to each other in both directions."""
PREFIX_LM_MODELS = frozenset({"paligemma"})
"""Model types with bidirectional attention over the prompt, where each turn would invalidate the KV cache."""


class HfBackend(Backend):
    """See `Backend`. Batches are padded at the left."""

    pads = True

    def __init__(
        self, model: Any, processor: Any, fingerprint: str, raster: int, lora: LoraTargets | None = None
    ) -> None:
        """Raises `PolicyLoadError` with the reason if the model cannot be run exactly."""
        self.model = model
        self.processor = processor
        self.fingerprint = fingerprint
        self.raster = raster
        self.lora = lora or LoraTargets()
        tokenizer = processor.tokenizer
        self.image_token: str = processor.image_token
        self.image_token_id: int = model.config.image_token_id
        self.pad_id: int = tokenizer.pad_token_id or 0
        self._accepted = set(inspect.signature(model.get_image_features).parameters)
        text = model.config.get_text_config()
        self.context_length = getattr(text, "max_position_embeddings", None) or CONTEXT_LENGTH
        self._blockwise = model.config.model_type in BIDIRECTIONAL_IMAGE_MODELS
        self._window: int = getattr(text, "sliding_window", None) or 0
        layers = set(getattr(text, "layer_types", None) or [SLIDING if self._window else FULL])
        if reason := _unfit(model, layers, self.lora):
            raise PolicyLoadError(f"A {type(model).__name__} cannot be used: {reason}")
        self._kinds = tuple(sorted(layers))

    def encode(self, pictures: Sequence[Any]) -> FigureTokens:
        """See `Backend`."""
        shown = list(pictures)
        alone = "batch_num_images" in self._accepted and len(shown) == 1
        if alone:  # such a model cuts a single image into parts, but not the ten of a board
            shown *= 2
        inputs = self.processor(text=[self.image_token * len(shown)], images=[shown], return_tensors="pt")
        ids = inputs["input_ids"][0].tolist()
        if ids and ids[0] == self.processor.tokenizer.bos_token_id:
            ids = ids[1:]
        given = {
            name: value.to(self.model.device)
            for name, value in inputs.items()
            if name in self._accepted and isinstance(value, torch.Tensor)
        }
        with torch.inference_mode():
            features = ImageFeatures.of(self.model.get_image_features(**given))
        grid = inputs.get("image_grid_thw")
        if alone:
            ids, features = ids[: len(ids) // 2], features.first(1)
        count = ids.count(self.image_token_id)
        if len(features) != count:
            raise ValueError(
                f"{len(features)} image features for {count} image tokens: processor and model differ"
            )
        return FigureTokens(tuple(ids), features.map(torch.Tensor.clone), grid)

    def positions(self, ids: Sequence[int], grids: Sequence[torch.Tensor | None]) -> torch.Tensor:
        """See `Backend`."""
        if not grids or grids[0] is None:
            return _counting(len(ids))
        row = torch.tensor([ids])
        positions, _ = self.model.model.get_rope_index(
            row,
            mm_token_type_ids=(row == self.image_token_id).int(),
            image_grid_thw=torch.cat(list(grids)),  # type: ignore[arg-type]
        )
        return positions[:, 0]

    def hidden(
        self,
        ids: torch.Tensor,
        features: ImageFeatures | None,
        positions: torch.Tensor,
        attends: torch.Tensor | None,
    ) -> torch.Tensor:
        """See `Backend`."""
        mask = None
        if attends is None and self._blockwise:
            attends = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=ids.device).tril()
            attends = attends.expand(len(ids), -1, -1)
        if attends is not None:
            index = attends.sum(-1) - 1
            mask = self._mask(attends, ids, index, index)
        return self._forward(ids, features, positions, mask, use_cache=False)

    def step(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        """See `Backend`."""
        device = self.model.device
        before = max(span.cache.length for span in spans)
        new = max(len(span.ids) for span in spans)
        ids = torch.full((len(spans), new), self.pad_id)
        positions = torch.zeros(*spans[0].positions.shape[:-1], len(spans), new, dtype=torch.long)
        attends = torch.zeros(len(spans), new, before + new, dtype=torch.bool)
        index = torch.zeros(len(spans), before + new, dtype=torch.long)
        shown: list[ImageFeatures] = []
        for row, span in enumerate(spans):
            size, cached = len(span.ids), span.cache.length
            ids[row, new - size :] = torch.tensor(span.ids)
            positions[..., row, new - size :] = span.positions
            attends[row, new - size :, before - cached : before] = span.attends[:, :cached]
            attends[row, new - size :, before + new - size :] = span.attends[:, cached:]
            index[row, before - cached : before] = torch.arange(cached)
            index[row, before + new - size :] = span.attends.sum(-1) - 1
            if self.image_token_id in span.ids:
                shown.append(span.features)
        cache = self._joined([span.cache for span in spans], before)
        mask = self._mask(attends, ids, index[:, before:], index)
        features = ImageFeatures.join(shown) if shown else None
        hidden = self._forward(
            ids.to(device), features, positions.to(device), mask, past_key_values=cache, use_cache=True
        )
        layers: list[Any] = list(cache.layers)
        for row, span in enumerate(spans):
            start = before + new - len(span.ids)
            for number, layer in enumerate(layers):
                span.cache.write(number, layer.keys[row, :, start:], layer.values[row, :, start:])
        return [hidden[row, new - span.outputs :] for row, span in enumerate(spans)]

    def _forward(
        self,
        ids: torch.Tensor,
        features: ImageFeatures | None,
        positions: torch.Tensor,
        mask: Any,
        **options: Any,
    ) -> torch.Tensor:
        if features is not None and len(features):
            options["mm_encoder_outputs"] = {"image": features.output()}
        return self.model.model(
            input_ids=ids, position_ids=positions, attention_mask=mask, **options
        ).last_hidden_state

    def _mask(
        self, attends: torch.Tensor, ids: torch.Tensor, queries: torch.Tensor, keys: torch.Tensor
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """Additive masks [B, 1, Q, K] from [B, Q, K] bool; a dict by layer type if the model has several types.

        `ids` [B, Q] are the last of the K tokens. `queries` [B, Q] and `keys` [B, K] are the number of tokens
        before each token on its path in the draft tree.
        """
        if self._blockwise:
            blocks = _same_image(ids == self.image_token_id).to(attends.device)
            attends = attends.clone()
            attends[:, :, -ids.shape[1] :] |= blocks
        masks = {}
        for kind in self._kinds:
            allowed = attends
            if kind == SLIDING:
                allowed = attends & (queries[:, :, None] - keys[:, None] < self._window)
            masks[kind] = additive(allowed.to(self.model.device), self.model.dtype)
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _joined(self, caches: Sequence[KVCache], width: int) -> DynamicCache:
        """One batched cache of several games' KV caches, padded at the left to `width` tokens."""
        if not width:
            return DynamicCache()
        data = []
        for number in range(self.model.config.get_text_config().num_hidden_layers):
            own = [each.layer(number) if each.length else None for each in caches]
            some = next(layer for layer in own if layer)[0]
            joined = some.new_zeros(2, len(caches), some.shape[0], width, some.shape[2])
            for row, layer in enumerate(own):
                if layer:
                    joined[0, row, :, width - caches[row].length :] = layer[0]
                    joined[1, row, :, width - caches[row].length :] = layer[1]
            data.append((joined[0], joined[1]))
        return DynamicCache(data)


def _unfit(model: Any, layers: set[str], lora: LoraTargets) -> str:
    """Why a model cannot be run exactly; empty if it can. `layers` are the types of its layers."""
    if "mm_encoder_outputs" not in inspect.signature(model.model.forward).parameters:
        return "its forward pass does not accept precomputed image features"
    if model.config.model_type in PREFIX_LM_MODELS:
        return (
            "its prompt attends to itself in both directions, so a KV cache cannot be kept from turn to turn"
        )
    if unknown := sorted(layers - {FULL, SLIDING}):
        return f"its language part has layers of the kind {', '.join(unknown)}, for which a KV cache is not enough"
    if not any(re.fullmatch(lora.modules, name) for name, _ in model.named_modules()):
        return f"none of its layers has a name that adapters are made for ({lora.modules})"
    return ""


def additive(attends: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """[B, Q, K] bool to [B, 1, Q, K] values that are added to attention scores."""
    mask = torch.zeros(attends.shape, dtype=dtype, device=attends.device)
    return mask.masked_fill_(~attends, torch.finfo(dtype).min)[:, None]


def _same_image(images: torch.Tensor) -> torch.Tensor:
    """[B, Q, Q] bool: whether two tokens are in one run of image tokens, from [B, Q] whether each is an image
    token."""
    before = torch.nn.functional.pad(images, (1, 0))[:, :-1]
    run = (images & ~before).cumsum(-1)
    return (run[:, :, None] == run[:, None]) & images[:, :, None] & images[:, None]


@lru_cache(maxsize=4096)
def _counting(count: int) -> torch.Tensor:
    return torch.arange(count)

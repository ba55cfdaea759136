"""Runs the embedded model's language part without padding: the tokens of all games are packed into one sequence.

The layers are computed as in transformers' `LlamaModel.forward`, with each adapter's LoRA matrices merged into the
base weights once. For a model this small, module calls and copies of keys and values would take longer than the
arithmetic.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch.nn import functional

from learner.policy.backend import Span
from learner.policy.hf import additive

USUAL_TOKENS = 32
"""Typical number of tokens of a turn, for which oneDNN's weight layout is chosen."""
FEW_TOKENS, FEW_STEP, STEP = 64, 8, 128
"""The number of tokens is padded to a multiple of `FEW_STEP` up to `FEW_TOKENS`, else of `STEP`: oneDNN caches more
than half a megabyte of code for every number of tokens that occurs."""


class _Linear:
    """A linear map without bias.

    On a CPU, the weights are reordered for oneDNN once; `torch.nn.functional.linear` would reorder them in each
    call.
    """

    def __init__(self, *weights: torch.Tensor) -> None:
        """From matrices [outputs, inputs], which are stacked."""
        self._weight = torch.cat(weights)
        self._reordered = self._weight.device.type == "cpu" and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        if self._reordered:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight, USUAL_TOKENS)

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """[T, inputs] to [T, outputs]."""
        if not self._reordered:
            return functional.linear(inputs, self._weight)
        missing = _missing(len(inputs))
        filled = functional.pad(inputs, (0, 0, 0, missing)) if missing else inputs
        outputs = torch.ops.mkldnn._linear_pointwise(filled, self._weight, None, "none", [], "")
        return outputs[: len(inputs)] if missing else outputs


@dataclass(frozen=True)
class _Layer:
    """The linear maps of one layer under one adapter."""

    inputs: _Linear
    """Stacked projections to queries, keys and values."""
    output: _Linear
    up: _Linear
    """Stacked gate and up projections."""
    down: _Linear


Pick = Callable[[_Layer], _Linear]


class PackedEngine:
    """Runs the language part of a `TinyVlmModel`; equal to its forward pass up to rounding."""

    def __init__(self, model: Any) -> None:
        """`model`: the whole model, with or without peft's layers."""
        self._llama: Any = model.model.language_model
        self._merged: dict[str, list[_Layer]] = {}
        config = self._llama.config
        self._size: int = config.head_dim
        self._heads = (config.num_attention_heads, config.num_key_value_heads)
        self._split = (sum(self._heads), self._heads[1])
        """Sizes of queries and keys together, which get rotary embeddings, and of values."""
        self._width: int = config.hidden_size
        self._epsilon: float = config.rms_norm_eps
        self._rotations: list[torch.Tensor] = []
        """Cosines and sines of the positions used so far, [positions, 1, head size]; see `_rotated`."""

    def forget(self, adapter: str | None = None) -> None:
        """See `Backend.forget`."""
        for name in [name for name in self._merged if adapter in (None, name)]:
            del self._merged[name]

    def run(self, spans: Sequence[Span], embeddings: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """See `Backend.step`. `embeddings` [n, D] are those of the new tokens of each span."""
        order = sorted(range(len(spans)), key=lambda i: spans[i].adapter)
        packed = [spans[i] for i in order]
        inputs = [embeddings[i] for i in order]
        lengths = [len(own) for own in inputs]
        fill = _missing(sum(lengths))
        hidden = torch.cat([*inputs, inputs[0].new_zeros(fill, self._width)])
        positions = torch.cat([*(span.positions for span in packed), torch.zeros(fill, dtype=torch.long)])
        positions = positions.to(hidden.device)
        cos, sin = self._rotation(positions, hidden)
        masks = [additive(span.attends.to(hidden.device)[None], hidden.dtype) for span in packed]
        counts, last = lengths, len(self._llama.layers) - 1
        tokens = _tokens(packed, counts, fill)
        for number, layer in enumerate(self._llama.layers):
            normed = self._norm(hidden, layer.input_layernorm)
            projected = self._linear(normed, tokens, number, lambda weights: weights.inputs)
            turning, values = projected.view(len(hidden), -1, self._size).split(self._split, dim=1)
            queries, keys = _rotated(turning, cos, sin).split(self._heads, dim=1)
            if number == last:  # only wanted outputs are computed from here on
                counts = [span.outputs for span in packed]
                fill = _missing(sum(counts))
                tokens = _tokens(packed, counts, fill)
                ends = zip(packed, accumulate(lengths), strict=True)
                wanted = [place for span, end in ends for place in range(end - span.outputs, end)]
                index = torch.tensor([*wanted, *[0] * fill], device=hidden.device)
                hidden, queries = hidden[index], queries[index]
            attended = []
            parts = zip(_parts(queries, counts), _parts(keys, lengths), _parts(values, lengths), strict=True)
            for span, mask, (query, key, value) in zip(packed, masks, parts, strict=True):
                cached = span.cache.write(number, key.transpose(0, 1), value.transpose(0, 1))
                seen = functional.scaled_dot_product_attention(
                    query.transpose(0, 1)[None],
                    cached[0][None],
                    cached[1][None],
                    mask[:, :, -len(query) :],
                    enable_gqa=self._heads[0] != self._heads[1],
                )
                attended.append(seen[0].transpose(0, 1))
            attended = torch.cat([*attended, queries[:fill]]).flatten(1)  # the padding's values do not matter
            hidden = hidden + self._linear(attended, tokens, number, lambda weights: weights.output)
            normed = self._norm(hidden, layer.post_attention_layernorm)
            gate, up = self._linear(normed, tokens, number, lambda weights: weights.up).chunk(2, dim=-1)
            through = functional.silu(gate) * up
            hidden = hidden + self._linear(through, tokens, number, lambda weights: weights.down)
        outputs: list[torch.Tensor] = [hidden] * len(spans)
        for i, output in zip(order, _parts(self._norm(hidden, self._llama.norm), counts), strict=True):
            outputs[i] = output
        return outputs

    def _linear(
        self, inputs: torch.Tensor, tokens: Mapping[str, int], number: int, pick: Pick
    ) -> torch.Tensor:
        """Apply each adapter's linear map of one layer to its tokens; `counts` has the number of tokens per
        adapter, in order."""
        maps = [pick(self._layers(adapter)[number]) for adapter in tokens]
        if len(maps) == 1:
            return maps[0](inputs)
        parts = inputs.split(list(tokens.values()))
        return torch.cat([linear(part) for linear, part in zip(maps, parts, strict=True)])

    def _rotation(self, positions: torch.Tensor, like: torch.Tensor) -> list[torch.Tensor]:
        most = int(positions.max())
        if not self._rotations or len(self._rotations[0]) <= most:
            places = torch.arange(2 * most + 2, device=like.device)[None]
            cos, sin = (part[0, :, None] for part in self._llama.rotary_emb(like, places))
            half = self._size // 2
            self._rotations = [cos, torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)]
        return [part[positions] for part in self._rotations]

    def _norm(self, hidden: torch.Tensor, norm: Any) -> torch.Tensor:
        return functional.rms_norm(hidden, (hidden.shape[-1],), norm.weight, self._epsilon)

    def _layers(self, adapter: str) -> list[_Layer]:
        if adapter not in self._merged:
            self._merged[adapter] = [
                _Layer(
                    _Linear(*(_weight(part, adapter) for part in (own.q_proj, own.k_proj, own.v_proj))),
                    _Linear(_weight(own.o_proj, adapter)),
                    _Linear(*(_weight(part, adapter) for part in (mlp.gate_proj, mlp.up_proj))),
                    _Linear(_weight(mlp.down_proj, adapter)),
                )
                for own, mlp in ((layer.self_attn, layer.mlp) for layer in self._llama.layers)
            ]
        return self._merged[adapter]


def _missing(tokens: int) -> int:
    """Number of padding tokens for a number of tokens."""
    return -tokens % (FEW_STEP if tokens <= FEW_TOKENS else STEP)


def _tokens(spans: Sequence[Span], counts: Sequence[int], fill: int) -> dict[str, int]:
    """Number of tokens of each adapter, in order, with the padding added to the last."""
    tokens: dict[str, int] = {}
    for span, count in zip(spans, counts, strict=True):
        tokens[span.adapter] = tokens.get(span.adapter, 0) + count
    tokens[spans[-1].adapter] += fill
    return tokens


def _parts(packed: torch.Tensor, counts: Sequence[int]) -> Sequence[torch.Tensor]:
    """The parts of each span, without padding."""
    if len(counts) == 1:
        return (packed[: counts[0]],)
    return packed[: sum(counts)].split(list(counts))


def _weight(linear: Any, adapter: str) -> torch.Tensor:
    """The weight of a linear layer; for peft's layers, with an adapter's update added."""
    if not hasattr(linear, "base_layer"):
        return linear.weight
    weight = linear.base_layer.weight
    return weight + linear.get_delta_weight(adapter) if adapter in linear.lora_A else weight


def _rotated(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """[T, heads, size] by the rotary position embedding [T, 1, size]; `sin` is negative in its first half."""
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, dims=-1), sin)

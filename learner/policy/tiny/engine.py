"""Running the embedded model's language part without padding: tokens of all games side by side in one sequence.

A Llama layer by layer, as transformers has it (`LlamaModel.forward`), with each adapter's matrices added to the base
model's once and not for every token. For a model this small, the calls of modules and the copying of keys and values
would take longer than the arithmetic.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from learner.policy.engine import Span


@dataclass(frozen=True)
class _Layer:
    """The matrices of one layer under one adapter."""

    inputs: torch.Tensor
    """Queries, keys and values below each other."""
    output: torch.Tensor
    up: torch.Tensor
    """The gate and the way up below each other."""
    down: torch.Tensor


Pick = Callable[[_Layer], torch.Tensor]


class PackedEngine:
    """Runs the language part of a `TinyVlmModel`; equal to its forward but for rounding."""

    pads = False

    def __init__(self, model: Any) -> None:
        """`model`: the whole model, with or without peft's layers in it."""
        self._llama: Any = model.model.language_model
        self._merged: dict[str, list[_Layer]] = {}
        config = self._llama.config
        self._size: int = config.head_dim
        self._heads = (config.num_attention_heads, config.num_key_value_heads, config.num_key_value_heads)
        self._epsilon: float = config.rms_norm_eps

    def forget(self, adapter: str | None = None) -> None:
        """See `Engine`."""
        for name in [name for name in self._merged if adapter in (None, name)]:
            del self._merged[name]

    def run(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        """See `Engine`."""
        order = sorted(range(len(spans)), key=lambda i: spans[i].adapter)
        packed = [spans[i] for i in order]
        lengths = [len(span.embeddings) for span in packed]
        of: dict[str, int] = {}
        for span, length in zip(packed, lengths, strict=True):
            of[span.adapter] = of.get(span.adapter, 0) + length
        stacks = [(self._layers(adapter), tokens) for adapter, tokens in of.items()]
        hidden = torch.cat([span.embeddings for span in packed])
        masks = [
            torch.zeros(span.sees.shape, device=hidden.device).masked_fill_(
                ~span.sees.to(hidden.device), torch.finfo(hidden.dtype).min
            )[None, None]
            for span in packed
        ]
        positions = torch.cat([span.positions for span in packed]).to(hidden.device)
        cos, sin = (part[0, :, None] for part in self._llama.rotary_emb(hidden, positions[None]))
        for number, layer in enumerate(self._llama.layers):
            normed = self._norm(hidden, layer.input_layernorm)
            queries, keys, values = (
                self._linear(normed, stacks, number, lambda weights: weights.inputs)
                .view(len(hidden), -1, self._size)
                .split(self._heads, dim=1)
            )
            queries, keys = _rotated(queries, cos, sin), _rotated(keys, cos, sin)
            attended = torch.empty_like(queries)
            start = 0
            for span, length, mask in zip(packed, lengths, masks, strict=True):
                own = slice(start, start + length)
                held = span.held.write(number, keys[own].transpose(0, 1), values[own].transpose(0, 1))
                attended[own] = functional.scaled_dot_product_attention(
                    queries[own].transpose(0, 1)[None],
                    held[0][None],
                    held[1][None],
                    mask,
                    enable_gqa=self._heads[0] != self._heads[1],
                )[0].transpose(0, 1)
                start += length
            hidden = hidden + self._linear(
                attended.flatten(1), stacks, number, lambda weights: weights.output
            )
            normed = self._norm(hidden, layer.post_attention_layernorm)
            gate, up = self._linear(normed, stacks, number, lambda weights: weights.up).chunk(2, dim=-1)
            hidden = hidden + self._linear(
                functional.silu(gate) * up, stacks, number, lambda weights: weights.down
            )
        outputs: list[torch.Tensor] = [hidden] * len(spans)
        for i, output in zip(order, self._norm(hidden, self._llama.norm).split(lengths), strict=True):
            outputs[i] = output
        return outputs

    def _linear(
        self, inputs: torch.Tensor, stacks: Sequence[tuple[list[_Layer], int]], number: int, pick: Pick
    ) -> torch.Tensor:
        """Each adapter's own matrix for its tokens."""
        if len(stacks) == 1:
            return functional.linear(inputs, pick(stacks[0][0][number]))
        parts = inputs.split([tokens for _, tokens in stacks])
        return torch.cat(
            [
                functional.linear(part, pick(layers[number]))
                for part, (layers, _) in zip(parts, stacks, strict=True)
            ]
        )

    def _norm(self, hidden: torch.Tensor, norm: Any) -> torch.Tensor:
        return functional.rms_norm(hidden, (hidden.shape[-1],), norm.weight, self._epsilon)

    def _layers(self, adapter: str) -> list[_Layer]:
        if adapter not in self._merged:
            self._merged[adapter] = [
                _Layer(
                    torch.cat([_weight(part, adapter) for part in (own.q_proj, own.k_proj, own.v_proj)]),
                    _weight(own.o_proj, adapter),
                    torch.cat([_weight(part, adapter) for part in (mlp.gate_proj, mlp.up_proj)]),
                    _weight(mlp.down_proj, adapter),
                )
                for own, mlp in ((layer.self_attn, layer.mlp) for layer in self._llama.layers)
            ]
        return self._merged[adapter]


def _weight(linear: Any, adapter: str) -> torch.Tensor:
    """The matrix of a linear layer, of peft's with what an adapter adds to it."""
    if not hasattr(linear, "base_layer"):
        return linear.weight
    weight = linear.base_layer.weight
    return weight + linear.get_delta_weight(adapter) if adapter in linear.lora_A else weight


def _rotated(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """[T, heads, size] by the rotary position embedding [T, 1, size]."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat([-second, first], dim=-1) * sin

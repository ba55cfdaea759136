"""What training asks of the policy, and what it gets: interactions in, log-probabilities of actions out."""

from dataclasses import dataclass, replace

import torch

from games.core import Step


@dataclass(frozen=True)
class Example:
    """One interaction, or the beginning of one: its prompt is computed once for all of its turns.

    `steps` is what was played, turn by turn; it is the history that later turns see. `wanted[t]` are the
    actions whose log-probability in turn t is wanted: `()` if none (the turn is only history), usually
    `(steps[t].action,)`, or another action for a turn that was relabelled. Every one must be legal in
    `steps[t].state`.
    """

    images: str
    """Image set spec (`games.figures.open_images`)."""
    context: tuple[str, ...]
    """Figure ids in the listener's order."""
    steps: tuple[Step, ...]
    wanted: tuple[tuple[str, ...], ...]
    game: str = "multiref"

    def __post_init__(self) -> None:
        if len(self.wanted) != len(self.steps):
            raise ValueError(
                f"{len(self.steps)} steps need as many tuples of actions, not {len(self.wanted)}"
            )

    @property
    def rows(self) -> int:
        """How many actions it asks about."""
        return sum(len(actions) for actions in self.wanted)


@dataclass(frozen=True)
class Row:
    """Which action of which turn a row of `ActionLogps` is about."""

    example: int
    """Index into the examples given to `Policy.batch`."""
    step: int
    action: str


@dataclass(frozen=True)
class Batch:
    """Padded tensors of several examples. B examples, L positions, R rows, T tokens, V action tokens."""

    input_ids: torch.Tensor
    """[B, L] token ids, padded at the right; branches of relabelled turns stand after the interaction."""
    features: torch.Tensor
    """[image tokens, D]: frozen image features in the order of the image positions."""
    image_positions: torch.Tensor
    """[B, L] bool."""
    position_ids: torch.Tensor
    """[B, L], or [3, B, L] for models with three-dimensional positions."""
    attention: torch.Tensor | None
    """None (causal) where every wanted action was played, else additive [B, 1, L, L]."""
    rows: tuple[Row, ...]
    """Example-major, then by step, then in the order of its wanted actions."""
    where: torch.Tensor
    """[R, T] index into the flattened [B * L] positions whose output predicts the token."""
    vocabulary: torch.Tensor
    """[V] the token ids that actions are made of."""
    tokens: torch.Tensor
    """[R, T] index into `vocabulary`."""
    legal: torch.Tensor
    """[R, T, V] bool: what the grammar allows there."""
    mask: torch.Tensor
    """[R, T] bool: false where a row is padding."""

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        moved = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **moved)


@dataclass(frozen=True)
class ActionLogps:
    """log π(a|x) under the grammar, the end token included; differentiable."""

    sum: torch.Tensor
    """[R] ℓ = log π(a|x)."""
    tokens: torch.Tensor
    """[R] n, tokens of the action with its end token (float)."""
    per_token: torch.Tensor
    """[R, T], 0 where padded. Its sum over T is `sum`."""
    smooth: torch.Tensor
    """[R] mean over the action's tokens of the mean log-probability over the tokens legal there (≤ 0).

    Label smoothing ε of −ℓ/n is (1 − ε)·(−ℓ/n) + ε·(−smooth).
    """
    smooth_per_token: torch.Tensor
    """[R, T], 0 where padded."""
    mask: torch.Tensor
    """[R, T] bool."""

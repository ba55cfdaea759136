"""The state that the stages of a round share, and reports of their progress."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmodel import Session

from learner.examples.hindsight import Hindsight
from learner.registry import AdapterRegistry, adapter_name
from learner.settings import LearnerSettings, TrainingConfig
from store import rounds as store_rounds
from store.database import Database

if TYPE_CHECKING:
    from learner.policy import Policy
    from learner.training.distributed import ProcessGroup

REPORT_EVERY_SECONDS = 1.0


class RoundError(RuntimeError):
    """A round cannot continue; the message is a sentence for moderators."""


@dataclass(frozen=True)
class RoundProgress:
    """The progress of a round, for callers that run it in their own process."""

    stage: str
    done: int = 0
    total: int = 0
    loss: float | None = None
    seconds_left: float | None = None


OnProgress = Callable[[RoundProgress], None]


@dataclass
class RoundWork:
    """The state that the stages of one round share."""

    database: Database
    settings: LearnerSettings
    round_id: int
    number: int
    system: str
    loaded: "Policy | None" = None
    config: TrainingConfig | None = None
    asked_hindsight: Hindsight | None = None
    """None uses the settings' value."""
    on_progress: OnProgress | None = None
    group: "ProcessGroup | None" = None
    """The process group of a distributed round, else None."""
    worker: str | None = None
    """The worker that holds the round (`store.rounds.take`); None for a process of the bot's machine."""
    stage: str = "start"
    reported_at: float = field(default=0.0, repr=False)

    @property
    def name(self) -> str:
        """Name of the adapter that this round makes."""
        return adapter_name(self.number, self.system)

    @property
    def registry(self) -> AdapterRegistry:
        return AdapterRegistry.of(self.settings)

    @property
    def policy(self) -> "Policy":
        """The policy, loaded when it is first needed: a round with nothing to train does not need it."""
        if self.loaded is None:
            from learner.policy import Policy  # imports torch

            self.loaded = Policy.of(self.settings)
        return self.loaded

    @property
    def hindsight(self) -> Hindsight:
        """The training signals besides the next utterance. Raises `RoundError` for an invalid setting."""
        try:
            return self.asked_hindsight or Hindsight.parse(self.settings.rounds.hindsight)
        except ValueError as error:
            raise RoundError(f"RESPECT_ROUNDS__HINDSIGHT: {error}") from None

    @property
    def usable_hindsight(self) -> Hindsight:
        """`hindsight` without the signals that the policy cannot learn from, so that lineage records only what is
        used."""
        return self.hindsight.usable(self.policy.learns_from_rejections)

    @property
    def training(self) -> TrainingConfig:
        """The hyper-parameters."""
        return self.config or self.settings.training

    @contextmanager
    def held(self) -> Iterator[Session]:
        """A transaction in which no other worker can take the round and nobody can cancel it.

        What others see of a round is changed only here. Raises `store.rounds.RoundEnded` or `RoundTaken`.
        """
        with self.database.session() as session:
            store_rounds.hold(session, self.round_id, self.worker)
            yield session

    def report(
        self,
        stage: str,
        done: int = 0,
        total: int = 0,
        loss: float | None = None,
        seconds_left: float | None = None,
    ) -> None:
        """Write the progress to the round's row (at most once a second within a stage) and call `on_progress`."""
        moment = time.monotonic()
        if stage != self.stage or moment - self.reported_at >= REPORT_EVERY_SECONDS:
            self.stage, self.reported_at = stage, moment
            progress = {"done": done, "total": total, "loss": loss, "seconds_left": seconds_left}
            with self.database.session() as session:
                store_rounds.report(session, self.round_id, stage, self.worker, **progress)
        if self.on_progress is not None:
            self.on_progress(RoundProgress(stage, done, total, loss, seconds_left))

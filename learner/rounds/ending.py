"""What every end of a round has in common: adapters that may not be used any more, and failures in words."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from learner.examples.seed import SeedError
from learner.feedback.few_shot import LanguageModelError
from learner.registry import AdapterError
from learner.rounds.work import RoundError, RoundWork
from store.logs import message_of
from store.rounds import RoundEnded

log = structlog.get_logger(__name__)


def leave_affected(
    work: RoundWork, writing: Callable[[], AbstractContextManager[Session]] | None = None
) -> dict[str, Any]:
    """Take the adapter in use out of service where it learnt from what may no longer be used and no new one took over.

    This is the deadline of an erasure and of a withdrawal: the end of the next round, however it ends. `writing` gives
    the transaction; None: one in which this process holds the round.
    """
    try:
        with (writing or work.held)() as session:
            left = work.registry.leave_affected(session)
    except RoundEnded:  # cancelled meanwhile: who did that has also done this
        return {}
    except (AdapterError, SQLAlchemyError, OSError) as error:
        log.error("an adapter could not be taken out of service", error=str(error))
        return {}
    return {"out_of_service": left} if left else {}


def known_failure(stage: str, error: Exception) -> str | None:
    """The message for moderators if the failure is not a bug of the program; None if it may be one."""
    if isinstance(error, RoundError | AdapterError | SeedError | LanguageModelError):
        return str(error)
    from learner.policy.loading import PolicyLoadError  # imports torch

    if isinstance(error, PolicyLoadError):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return f"The machine ran out of memory in the stage '{stage}': make the micro-batches smaller."
    if isinstance(error, SQLAlchemyError):
        said = str(error.__cause__ or error).partition("\n")[0]  # further lines of PostgreSQL quote rows
        return f"The database could not be written in the stage '{stage}': {said}"
    if isinstance(error, OSError):
        said = message_of(error).removeprefix(f"{type(error).__name__}: ")
        return f"The stage '{stage}' failed: {said}"
    return None

"""`python -m learner.rounds --round-id N`: runs one queued round, in one process or distributed."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from learner.rounds.pipeline import run_round
from learner.rounds.work import RoundError
from learner.settings import LearnerSettings
from store.database import Database
from store.models import RoundStatus
from store.settings import what_is_wrong

if TYPE_CHECKING:
    from learner.training.distributed import ProcessGroup

log = structlog.get_logger(__name__)


def _process_group(settings: LearnerSettings) -> "ProcessGroup | None":
    """The process group of a distributed round; None if this is the only process."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None
    from learner.policy.loading import choose_device  # torch is loaded only here
    from learner.training.distributed import ProcessGroup

    return ProcessGroup(cpu=choose_device(settings.policy.device).type == "cpu")


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m learner.rounds --round-id N`: returns 0 if the round is done, else 1."""
    parser = argparse.ArgumentParser(prog="python -m learner.rounds", description=__doc__)
    parser.add_argument("--round-id", type=int, required=True, help="Id of the round's row.")
    asked = parser.parse_args(arguments)
    try:
        settings = LearnerSettings()
    except ValidationError as error:
        log.error("settings not understood", wrong="; ".join(what_is_wrong(error)))
        return 1
    group = _process_group(settings)
    if group is not None and group.rank > 0:
        from learner.rounds.ranks import run_training_jobs

        run_training_jobs(group, settings)
        group.destroy()
        return 0
    database = Database(settings.store.url)
    try:
        row = run_round(database, settings, asked.round_id, group=group)
    except (RoundError, SQLAlchemyError) as error:
        log.error("round could not be run", round_id=asked.round_id, error=str(error))
        return 1
    finally:
        database.close()
        if group is not None:
            group.broadcast(None)
            group.destroy()
    return 0 if row.status == RoundStatus.DONE else 1


def configure_logging() -> None:
    """Log to standard error, level info and above, in a readable format."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(
                colors=False,
                exception_formatter=structlog.dev.plain_traceback,  # no local variables: they hold utterances
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    configure_logging()
    sys.exit(main())

"""`python -m learner.rounds --round-id N`: runs one queued round, in one process or distributed."""

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import psutil
import structlog
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from learner.rounds.pipeline import run_round
from learner.rounds.work import RoundError
from learner.settings import LearnerSettings
from store.database import Database
from store.environment import what_is_wrong
from store.logs import configure_logging, message_of
from store.migrations import refuse_newer
from store.models import Round, RoundStatus
from store.rounds import RoundTaken, finish
from store.settings import StoreSettings

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


def _fail(round_id: int, worker: str | None, wrong: str) -> None:
    """End a round whose settings are not understood, where the store's are."""
    log.error("settings not understood", wrong=wrong)
    try:
        database = Database.of(StoreSettings().store)
        with database.session() as session:
            if session.get(Round, round_id) is not None:
                finish(session, round_id, worker=worker, error=f"Settings are not understood: {wrong}")
        database.close()
    except (ValidationError, SQLAlchemyError, RoundTaken) as error:
        log.error("the round could not be ended", round_id=round_id, error=message_of(error))


def _end_with(parent: int) -> None:
    """End this process when another has ended: nobody would say any more that the round's worker lives."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(parent)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(1.0)
    os._exit(1)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m learner.rounds --round-id N`: returns 0 if the round is done, else 1."""
    parser = argparse.ArgumentParser(prog="python -m learner.rounds", description=__doc__)
    parser.add_argument("--round-id", type=int, required=True, help="Id of the round's row.")
    parser.add_argument("--worker", help="Name of the worker that holds the round.")
    parser.add_argument("--parent", type=int, help="Stop when the process with this id has ended.")
    asked = parser.parse_args(arguments)
    configure_logging()
    if asked.parent is not None:
        threading.Thread(target=_end_with, args=(asked.parent,), daemon=True).start()
    try:
        settings = LearnerSettings()
        configure_logging(settings.log.json)
    except ValidationError as error:
        _fail(asked.round_id, asked.worker, "; ".join(what_is_wrong(error)))
        return 1
    group = _process_group(settings)
    if group is not None and group.rank > 0:
        from learner.rounds.ranks import run_training_jobs

        run_training_jobs(group, settings)
        group.destroy()
        return 0
    database = Database.of(settings.store)
    try:
        refuse_newer(database)
        row = run_round(database, settings, asked.round_id, group=group, worker=asked.worker)
    except (RoundError, RoundTaken, SQLAlchemyError) as error:
        log.error("round could not be run", round_id=asked.round_id, error=str(error))
        return 1
    finally:
        database.close()
        if group is not None:
            group.broadcast(None)
            group.destroy()
    return 0 if row.status == RoundStatus.DONE else 1


if __name__ == "__main__":
    sys.exit(main())

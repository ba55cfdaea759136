"""Runs several deployments (systems and seeds), one after another or in parallel processes."""

import logging
import multiprocessing
import queue
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

from sim.deployment import DeploymentConfig, DeploymentError, DeploymentProgress, simulate
from store.logs import configure_logging

OnRunProgress = Callable[[int, DeploymentProgress], None]
"""Called with (number of the run, its progress)."""


def run_name(config: DeploymentConfig) -> str:
    """Name of a run among several, and of its folder."""
    attack = f"-{config.attack.name}" if config.attack.share else ""
    return f"{config.system}{attack}-seed-{config.seed}"


def simulate_all(
    configs: Sequence[DeploymentConfig],
    data_dir: Path,
    jobs: int = 1,
    on_progress: OnRunProgress = lambda _run, _at: None,
) -> list[dict[str, Any]]:
    """The results of `simulate` for each config, in order.

    A single run uses `data_dir` itself; several use one subfolder each. With `jobs` above 1, that many run at once,
    each in a process with one torch thread. The first run that fails ends the others.
    """
    several = len(configs) > 1
    folders = [data_dir / run_name(config) if several else data_dir for config in configs]
    if jobs == 1 or not several:
        return [
            simulate(config, folder, on_progress=lambda at, run=run: on_progress(run, at))
            for run, (config, folder) in enumerate(zip(configs, folders, strict=True))
        ]
    context = _context()
    told = context.Queue()
    with ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(told,)) as pool:
        futures = [
            pool.submit(_run, run, replace(config, threads=1), folder)
            for run, (config, folder) in enumerate(zip(configs, folders, strict=True))
        ]
        try:
            for _ in _until_done(futures):
                for run, at in _waiting(told):
                    on_progress(run, at)
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            if isinstance(error, BrokenProcessPool):
                raise DeploymentError(
                    "A process of a run was killed, perhaps for want of memory: try fewer jobs"
                ) from error
            raise
        return [future.result() for future in futures]


def _context() -> Any:
    """How processes start: torch does not support fork. Where it can be, it is imported once for all of them."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "learner.training.train"])
    return context


def _until_done(futures: Sequence[Future[dict[str, Any]]]) -> Iterator[None]:
    """Yields a few times a second until all are done; raises the exception of a run that failed."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=0.3, return_when=FIRST_COMPLETED)
        yield
        for future in done:
            future.result()


def _waiting(told: Any) -> Iterator[tuple[int, DeploymentProgress]]:
    while True:
        try:
            yield told.get_nowait()
        except queue.Empty:
            return


_told: Any = None
"""In a run's process: the queue to the process that shows progress."""


def _begin(told: Any) -> None:
    global _told
    _told = told
    configure_logging(level=logging.WARNING)


def _run(run: int, config: DeploymentConfig, folder: Path) -> dict[str, Any]:
    return simulate(config, folder, on_progress=lambda at: _told.put((run, at)))

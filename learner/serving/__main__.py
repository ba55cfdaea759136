"""`python -m learner.serving`: serves the policy until it gets a signal to stop or its parent process ends."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import structlog
from aiohttp import web
from pydantic import ValidationError

from learner.registry import AdapterRegistry
from learner.serving.service import PolicyService
from learner.serving.worker import Worker
from learner.settings import LearnerSettings, is_loopback, missing_model
from store.environment import what_is_wrong
from store.logs import configure_logging

log = structlog.get_logger(__name__)


async def serve(settings: LearnerSettings, port: int, url_file: Path | None, parent: int | None) -> None:
    """Serve until SIGTERM, SIGINT or the end of the parent process."""
    from learner.policy import Policy

    policy = Policy.of(settings)
    registry = AdapterRegistry.of(settings)
    worker = Worker(policy, registry, settings.training.seed)
    worker.start()
    service = PolicyService(worker, registry, policy.fingerprint, settings.service.secret)
    runner = web.AppRunner(service.app(), access_log=None)
    await runner.setup()
    server = None
    try:
        server, host, bound = await service.connections.listen(runner, settings.service.host, port)
        if url_file is not None:
            partial = url_file.with_suffix(".partial")
            partial.write_text(f"http://{host}:{bound}")
            partial.rename(url_file)
        log.info("serving", url=f"http://{host}:{bound}", policy=settings.policy.model)
        await _until_told(parent)
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()
        worker.stop()


async def _until_told(parent: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while parent is None or os.getppid() == parent:  # an orphan must not keep the model in memory
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)
            return


def main() -> None:
    """Read settings and arguments, and serve the policy."""
    configure_logging()
    try:
        settings = LearnerSettings()
    except ValidationError as error:
        log.error("settings not understood", wrong="; ".join(what_is_wrong(error)))
        sys.exit(1)
    configure_logging(settings.log.json)
    parser = argparse.ArgumentParser(description="Serve the policy over HTTP.")
    parser.add_argument("--port", type=int, default=settings.service.port)
    parser.add_argument("--url-file", type=Path, help="write the URL here once it listens")
    parser.add_argument("--parent", type=int, help="stop when this is no longer the parent process")
    options = parser.parse_args()
    if settings.service.secret is None and not is_loopback(settings.service.host):
        log.error(
            "a service for other machines needs a secret: set RESPECT_SERVICE__SECRET here and for the bot, or "
            "bind to 127.0.0.1",
            host=settings.service.host,
        )
        sys.exit(1)
    if wrong := missing_model(settings.policy.model):
        log.error("the policy cannot be served", error=wrong)
        sys.exit(1)
    from learner.policy.loading import PolicyLoadError  # torch is loaded only for settings that can be used

    try:
        asyncio.run(serve(settings, options.port, options.url_file, options.parent))
    except (PolicyLoadError, ValueError, OSError) as error:
        log.error("the policy cannot be served", error=str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()

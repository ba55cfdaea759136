"""`python -m bot` runs the bot. Settings are read from the environment and from .env."""

import argparse
import asyncio
import gc
import os
import sys

import structlog
from pydantic import ValidationError

from bot.app import serve
from bot.errors import StartupError
from bot.settings import BotSettings
from store.environment import what_is_wrong
from store.logs import configure_logging

log = structlog.get_logger(__name__)


PARENT_SECONDS = 1.0


async def serve_while(settings: BotSettings, parent: int | None) -> None:
    """Run the bot, and stop it in good order when `parent` is no longer its parent process."""
    serving = asyncio.create_task(serve(settings))
    while parent is None or os.getppid() == parent:
        if (await asyncio.wait({serving}, timeout=PARENT_SECONDS))[0]:
            return await serving
    log.warning("the process that started the bot has ended: the bot stops too")
    serving.cancel()
    await asyncio.wait({serving})


def main(parent: int | None = None) -> None:
    """Run until interrupted, or until `parent`, if given, is no longer the parent process.

    Exits with code 1 and the reason if the bot cannot run.
    """
    gc.freeze()  # the event loop would stand still for 0.1 s whenever all that was imported is looked through
    configure_logging()
    try:
        settings = BotSettings()
        configure_logging(settings.log.json)
        asyncio.run(serve_while(settings, parent))
    except ValidationError as error:
        wrong = "; ".join(what_is_wrong(error))
        log.error("settings not understood", wrong=wrong, fix="see .env.example for what each may be")
        sys.exit(1)
    except StartupError as error:
        log.error(str(error))
        sys.exit(1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bot", description="Run the bot.")
    parser.add_argument("--parent", type=int, help="stop when this is no longer the parent process")
    main(parser.parse_args().parent)

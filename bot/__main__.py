"""`python -m bot` runs the bot. Settings are read from the environment and from .env."""

import asyncio
import sys

import structlog
from pydantic import ValidationError

from bot.app import serve
from bot.errors import StartupError
from bot.settings import BotSettings
from store.logs import configure_logging
from store.settings import what_is_wrong

log = structlog.get_logger(__name__)


def main() -> None:
    """Run until interrupted. Exits with code 1 and the reason if the bot cannot run."""
    configure_logging()
    try:
        settings = BotSettings()
        configure_logging(settings.log.json)
        asyncio.run(serve(settings))
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
    main()

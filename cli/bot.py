"""`respect bot`: the bot against Discord."""

import asyncio

from bot.app import StartupError, serve
from pydantic import ValidationError

from bot.settings import BotSettings
from cli.console import fail


def bot() -> None:
    """Run the bot until it is interrupted. Settings are read from the environment and from .env."""
    try:
        asyncio.run(serve(BotSettings()))  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        fail(f"{error}\nSee .env.example for what each setting may be.")
    except StartupError as error:
        fail(str(error))
    except KeyboardInterrupt:
        return

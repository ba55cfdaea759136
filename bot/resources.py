"""What a bot needs besides Discord: the data folder for itself, the database, and the policy service."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import structlog
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import StartupError
from bot.images import ImageSets, listed
from bot.services import Policy
from bot.settings import BotSettings
from learner.protocol import PolicyError
from learner.registry import AdapterRegistry
from learner.serving.client import LocalPolicy, connect
from store.database import Database
from store.encryption import check_key
from store.folder import private_folder
from store.migrations import NewerDatabase, upgrade
from store.postgres import InUse

log = structlog.get_logger(__name__)

LOCK_FILE = "bot.lock"
"""In the data folder, held while a bot runs with it."""
POLICY_TIMEOUT = 4.0
"""Seconds for which a request to the policy is retried before the player is told that it is not available."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the data folder's lock, so that only one bot uses it. The system releases it if the process dies."""
    try:
        private_folder(folder)
        with FileLock(folder / LOCK_FILE, blocking=False):
            yield
    except Timeout:
        raise StartupError(
            f"Another bot is running with the data folder {folder}: stop it, or set RESPECT_STORE__DATA_DIR to "
            "another folder for this one."
        ) from None
    except OSError as error:
        raise StartupError(
            f"The data folder {folder} cannot be used ({error.strerror}): set RESPECT_STORE__DATA_DIR to one that "
            "can be written."
        ) from error


@asynccontextmanager
async def open_database(settings: BotSettings) -> AsyncIterator[Database]:
    try:
        database = Database.of(settings.store)
    except SQLAlchemyError as error:
        raise StartupError(f"The database cannot be opened: {error}.") from error
    try:
        if database.is_blank and AdapterRegistry.of(settings).names():
            log.warning(
                "there are adapters, but no games: the database is missing or has 0 bytes, and a new one begins. If "
                "that is not meant, stop the bot and restore the database from a backup",
                database=database.url.render_as_string(),
                adapters=str(settings.adapters_dir),
            )
        stack = ExitStack()
        try:
            await asyncio.to_thread(upgrade, database)
            await asyncio.to_thread(check_key, database.engine)
            await asyncio.to_thread(stack.enter_context, database.used_by_one_bot())
        except BaseException:
            await database.aclose()
            raise
    except InUse as error:
        raise StartupError(
            f"Another bot is using the database {database.url.render_as_string()}: stop it, or set "
            "RESPECT_STORE__DATABASE_URL to another database for this one."
        ) from error
    except NewerDatabase as error:
        raise StartupError(f"The database cannot be opened: {error}.") from error
    except (SQLAlchemyError, OSError) as error:
        cause = error.__cause__ or error
        raise StartupError(
            f"The database cannot be opened: {cause}. `respect doctor` says more; check RESPECT_STORE__DATA_DIR "
            "and RESPECT_STORE__DATABASE_URL."
        ) from error
    try:
        with stack:
            yield database
    finally:
        await database.aclose()


@asynccontextmanager
async def open_policy(settings: BotSettings) -> AsyncIterator[Policy]:
    """A client of the policy service in the settings, or of a service that is started on this machine."""
    async with AsyncExitStack() as stack:
        try:
            url = settings.service.url
            if url is None:
                url = (await stack.enter_async_context(LocalPolicy(settings))).client.url
            # The timeout is short because the games' workers retry themselves and tell their players.
            policy = await stack.enter_async_context(connect(url, settings, patience=POLICY_TIMEOUT))
        except PolicyError as error:
            raise StartupError(f"The policy cannot be started: {error}") from error
        yield policy


async def check_images(images: ImageSets, settings: BotSettings) -> None:
    """Raises StartupError if games cannot be played with an image set of the settings."""
    try:
        for spec in listed(settings.play.images):
            await images.open(spec)
    except (ValueError, OSError) as error:
        raise StartupError(
            f"{error}. Set RESPECT_PLAY__IMAGES to 'classic', to 'kilogram:' and a KiloGram folder, or to several with "
            "commas."
        ) from error

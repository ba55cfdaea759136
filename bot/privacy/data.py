"""What is kept of a player: its export and its erasure."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog

from bot.privacy import texts
from bot.services import Services
from learner.registry import AdapterError, AdapterRegistry
from store.database import Database
from store.games import unfinished_games_of
from store.models import EndReason, Player
from store.players import (
    adapters_that_learnt_from,
    erase_player,
    export_player,
    game_ids_of,
    known_player,
)

log = structlog.get_logger(__name__)


async def player_kept(bot: Services, user_id: int) -> Player | None:
    """The player with a Discord id, if anything is kept of one."""
    async with bot.database.async_session() as session:
        return await known_player(session, bot.settings.origin, str(user_id))


async def erase(bot: Services, player_id: int) -> tuple[int, int, bool]:
    """End a player's running games and erase everything.

    Gives the numbers of games and of adapters that had learnt from the player, and whether the adapter in use was left.
    """
    async with bot.database.async_session() as session:
        running = [game.id for game in await unfinished_games_of(session, player_id)]
        adapters = await adapters_that_learnt_from(session, player_id)
    for game_id in running:
        await bot.games.give_up(game_id, EndReason.ERASED)
    registry = AdapterRegistry.of(bot.settings)
    try:
        await asyncio.to_thread(_forget, registry, bot.database, player_id)
    except (AdapterError, OSError) as error:  # a broken folder must not keep anybody's words
        log.error("an adapter's card could not be rewritten", error=str(error))
    games = await bot.database.write_in_thread(partial(erase_player, player_id=player_id))
    if not await asyncio.to_thread(bot.database.scrub):
        log.warning("the database's log could not be emptied yet; it is when the last process closes it")
    log.info("player erased", games=games)
    return games, adapters, await bot.console.leave_affected()


def exported(
    database: Database, player_id: int, limit: int, running_study: str | None
) -> list[tuple[str, bytes]]:
    """(file name, content) of a player's data, in files of at most `limit` bytes unless one game has more."""
    with database.session() as session:
        found = export_player(session, player_id, running_study)
    data = json.dumps(found, ensure_ascii=False, indent=2).encode()
    if len(data) <= limit:
        return [(f"{texts.EXPORT_FILE}.json", data)]
    parts = _compressed(found, limit)
    return [(f"{texts.EXPORT_FILE}-{number}.json.gz", part) for number, part in enumerate(parts, 1)]


def _compressed(found: Mapping[str, Any], limit: int) -> list[bytes]:
    """The data in as many gzip files as the limit needs, with some of the games in each."""
    part = gzip.compress(json.dumps(found, ensure_ascii=False).encode())
    games = found["games"]
    if len(part) <= limit or len(games) < 2:
        return [part]
    half = len(games) // 2
    return _compressed({**found, "games": games[:half]}, limit) + _compressed({"games": games[half:]}, limit)


def _forget(registry: AdapterRegistry, database: Database, player_id: int) -> None:
    """Take a player and the player's games out of the cards of adapters."""
    with database.session() as session:
        played = game_ids_of(session, player_id)
    registry.forget(played, player_id)

"""`/export`, for the bot's owner: the games of those who agreed to research, as `respect export` writes them."""

import asyncio
import io
import tempfile
import zipfile
from pathlib import Path

import discord
import structlog
from discord import app_commands

from bot.cogs import Cog
from bot.errors import Refusal
from bot.respond import acknowledge, answer
from bot.services import BotInteraction, Services
from bot.study import texts
from store.database import Database
from store.export import SECRET, Format

log = structlog.get_logger(__name__)

FOLDER = "respect-export"


class Export(Cog):
    """The command `/export`. Its games are those of all servers, so it is not for moderators."""

    def __init__(self, bot: Services) -> None:
        self.bot = bot
        self._exporting = asyncio.Lock()

    @app_commands.command(
        description="For whoever runs me: the games of those who agreed to research, as a file"
    )
    @app_commands.describe(format="The format of its tables")
    @app_commands.choices(
        format=[app_commands.Choice(name=texts.FORMATS[kind.value], value=kind.value) for kind in Format]
    )
    @app_commands.default_permissions(manage_guild=True)
    async def export(self, interaction: BotInteraction, format: str = Format.PARQUET.value) -> None:
        await acknowledge(interaction, thinking=True)
        if not await self.bot.is_owner(interaction.user):
            raise Refusal(texts.OWNER_ONLY)
        async with self._exporting:
            data, games = await asyncio.to_thread(
                archive, self.bot.database, self.bot.settings.store.data_dir, Format(format)
            )
        if len(data) > interaction.filesize_limit:
            raise Refusal(texts.EXPORT_TOO_LARGE)
        log.info("exported", games=games, bytes=len(data))
        file = discord.File(io.BytesIO(data), f"{FOLDER}.zip")
        await answer(interaction, texts.exported(games), file=file)


def archive(database: Database, data_dir: Path, kind: Format) -> tuple[bytes, int]:
    """(a ZIP file with the folder that `respect export` writes, its number of games). Raises Refusal."""
    from store.export.export import (  # pyarrow takes memory: only if it is used
        ExportError,
        export,
        require_games,
    )
    from store.export.pseudonyms import Pseudonyms, SecretError

    packed = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="respect-export-") as folder:
        try:
            require_games(database)
        except ExportError as error:
            raise Refusal(texts.EXPORT_EMPTY) from error
        try:
            done = export(database, Path(folder) / FOLDER, Pseudonyms.from_file(data_dir / SECRET), kind)
        except (ExportError, SecretError) as error:
            raise Refusal(f"{error}.") from error
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(done.folder.rglob("*")):
                file.write(path, path.relative_to(folder))
    return packed.getvalue(), done.rows["interaction"]

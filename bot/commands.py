"""The command tree: errors become sentences, and commands are sent to Discord only when they changed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import discord
import structlog
from discord import app_commands

from bot.respond import answer_error

log = structlog.get_logger(__name__)


class Tree(app_commands.CommandTree[Any]):
    """Discord allows 200 command creations a day, so they are compared before they are sent."""

    async def on_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError, /
    ) -> None:
        command = interaction.command.qualified_name if interaction.command else None
        await answer_error(interaction, error, command=command)

    async def sync_if_changed(self, memory: Path) -> bool:
        """Send the commands if they differ from the last time, which `memory` keeps, or are not there."""
        payload = [command.to_dict(self) for command in self.get_commands()]
        told = json.dumps([self.client.application_id, payload], sort_keys=True, default=str)
        digest = hashlib.sha256(told.encode()).hexdigest()
        if _read(memory) == digest:
            there = {command.name for command in await self.fetch_commands()}
            if there == {command["name"] for command in payload}:
                return False
        await self.sync()
        _write(memory, digest)
        log.info("commands synced", commands=len(payload))
        return True


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None

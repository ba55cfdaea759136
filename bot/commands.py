"""The command tree: it answers errors with a sentence and sends commands to Discord only if they changed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import discord
import structlog
from discord import app_commands

from bot.cogs import Cog, GroupCog
from bot.language import CommandTranslator, english_name
from bot.respond import answer_error
from store.folder import private_file

log = structlog.get_logger(__name__)


class CommandTree(app_commands.CommandTree[Any]):
    """Compares commands before it sends them, because Discord allows only 200 command creations a day."""

    _known: Mapping[str, app_commands.AppCommand] = {}
    """Discord's record of each command, by name."""

    async def on_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError, /
    ) -> None:
        if isinstance(getattr(interaction.command, "binding", None), Cog | GroupCog):
            return  # the cog has answered
        command = interaction.command.qualified_name if interaction.command else None
        await answer_error(interaction, error, command=command)

    async def sync_if_changed(self, digest_file: Path) -> bool:
        """Send the commands unless Discord has them already. `digest_file` holds a digest of those sent last."""
        translator = CommandTranslator()
        await self.set_translator(translator)
        payload = [await command.get_translated_payload(self, translator) for command in self.get_commands()]
        text = json.dumps([self.client.application_id, payload], sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if _read(digest_file) == digest:
            self._known = {command.name: command for command in await self.fetch_commands()}
            if self._known.keys() == {command["name"] for command in payload}:
                return False
        self._known = {command.name: command for command in await self.sync()}
        _write(digest_file, digest)
        log.info("commands synced", commands=len(payload))
        return True

    def mention(self, typed: str) -> str | None:
        """The command that a text begins with, as a name to press in Discord; None if it begins with none.

        `typed`: without the slash, in any language, e.g. "round start". A group has no such name, so its commands are
        listed.
        """
        name, _, rest = typed.partition(" ")
        known = self._known.get(english_name(name.lower()))
        groups = (
            [each for each in known.options if isinstance(each, app_commands.AppCommandGroup)]
            if known
            else []
        )
        if known is None or not groups:
            return known.mention if known else None
        asked = english_name(rest.strip().lower().split(" ")[0])
        asked_for = [each.mention for each in groups if each.name == asked]
        return ", ".join(asked_for or [each.mention for each in groups])


def _write(path: Path, text: str) -> None:
    private_file(path).write_text(text)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None

"""What is kept about a player, in their hands: two opt-ins, export, erasure."""

from __future__ import annotations

import io
import json
import re
from typing import Any, Self

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot import texts
from bot.app import Asked, RespectBot
from bot.respond import acknowledge, answer, answer_error
from store.games import games_played, unfinished_games_of
from store.models import ConsentKind, Origin, Player
from store.players import consents, erase_player, export_player, give_consent, known_player, player_of

log = structlog.get_logger(__name__)

SOURCE = "/privacy"


class PrivacyButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"privacy:(?P<action>training|research|export|erase|erase-yes):(?P<user>\d+)",
):
    """A button of somebody's own panel."""

    def __init__(
        self,
        action: str,
        user: int,
        label: str = "",
        style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    ) -> None:
        super().__init__(
            discord.ui.Button(label=label or action, style=style, custom_id=f"privacy:{action}:{user}")
        )
        self.action = action
        self.user = user

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["action"], int(match["user"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        try:
            if interaction.user.id != self.user:
                await answer(interaction, texts.not_your_panel())
                return
            match self.action:
                case "training" | "research":
                    await _toggle(interaction, ConsentKind(self.action))
                case "export":
                    await _export(interaction)
                case "erase":
                    view = discord.ui.View(timeout=None)
                    view.add_item(
                        PrivacyButton("erase-yes", self.user, texts.ERASE_YES, discord.ButtonStyle.danger)
                    )
                    await answer(interaction, texts.ERASE_SURE, view=view)
                case _:
                    await _erase(interaction)
        except Exception as error:
            await answer_error(interaction, error, panel=self.action)


async def _player(bot: RespectBot, user: discord.abc.User) -> Player | None:
    async with bot.database.async_session() as session:
        return await known_player(session, bot.settings.origin, str(user.id))


async def _panel(bot: RespectBot, user: discord.abc.User) -> tuple[str, discord.ui.View]:
    player, games = await _player(bot, user), 0
    answers = dict.fromkeys(ConsentKind, False)
    if player is not None and player.id is not None:
        async with bot.database.async_session() as session:
            answers = await consents(session, player.id)
            games = await games_played(session, player.id)
    view = discord.ui.View(timeout=None)
    for kind, granted in answers.items():
        style = discord.ButtonStyle.secondary if granted else discord.ButtonStyle.success
        view.add_item(PrivacyButton(kind.value, user.id, texts.toggle(kind.value, granted), style))
    view.add_item(PrivacyButton("export", user.id, texts.EXPORT))
    view.add_item(PrivacyButton("erase", user.id, texts.ERASE, discord.ButtonStyle.danger))
    local = bot.settings.origin is not Origin.DISCORD
    text = texts.privacy(games, answers[ConsentKind.TRAINING], answers[ConsentKind.RESEARCH], local)
    return text, view


async def _toggle(interaction: Asked, kind: ConsentKind) -> None:
    await acknowledge(interaction)
    bot, user = interaction.client, interaction.user
    async with bot.database.async_writing() as session:
        player = await player_of(
            session, bot.settings.origin, str(user.id), user.display_name, str(interaction.locale)
        )
        assert player.id is not None
        granted = (await consents(session, player.id))[kind]
        await give_consent(session, player.id, kind, not granted, SOURCE)
    log.info("consent", player=player.id, kind=kind.value, granted=not granted)
    text, view = await _panel(bot, user)
    await interaction.edit_original_response(content=text, view=view)


async def _export(interaction: Asked) -> None:
    await acknowledge(interaction, thinking=True)
    player = await _player(interaction.client, interaction.user)
    if player is None or player.id is None:
        await answer(interaction, texts.NOTHING_KEPT)
        return
    async with interaction.client.database.async_session() as session:
        found = await export_player(session, player.id)
    data = json.dumps(found, ensure_ascii=False, indent=2).encode()
    await answer(interaction, texts.EXPORTED, file=discord.File(io.BytesIO(data), filename=texts.EXPORT_FILE))


async def _erase(interaction: Asked) -> None:
    await acknowledge(interaction)
    bot = interaction.client
    player = await _player(bot, interaction.user)
    if player is None or player.id is None:
        await interaction.edit_original_response(content=texts.NOTHING_KEPT, view=None)
        return
    async with bot.database.async_session() as session:
        running = [game.id for game in await unfinished_games_of(session, player.id)]
    for game_id in running:
        await bot.games.give_up(game_id, "its player erased everything")
    async with bot.database.async_writing() as session:
        games = await erase_player(session, player.id)
    log.info("player erased", games=games)
    await interaction.edit_original_response(content=texts.erased(games), view=None)


class Privacy(commands.Cog):
    """`/privacy`."""

    def __init__(self, bot: RespectBot) -> None:
        self.bot = bot

    @app_commands.command(description="What I keep about you; agree, export or erase")
    async def privacy(self, interaction: Asked) -> None:
        await acknowledge(interaction, thinking=True)
        text, view = await _panel(self.bot, interaction.user)
        await answer(interaction, text, view=view)


async def setup(bot: RespectBot) -> None:
    """Called by discord.py."""
    bot.add_dynamic_items(PrivacyButton)
    await bot.add_cog(Privacy(bot))

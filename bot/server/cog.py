"""`/setup`, for moderators: what the bot needs in this server, and the server's settings."""

from functools import partial
from typing import Any

import discord
from discord import app_commands

from bot.cogs import Cog
from bot.errors import Refusal
from bot.images import listed
from bot.language import LANGUAGES, language_of
from bot.permissions import NAMES, check_moderator, missing
from bot.respond import acknowledge, answer
from bot.server import texts
from bot.services import BotInteraction, Services
from games import GAMES
from learner.protocol import PolicyError
from store.guilds import (
    add_play_channel,
    change_guild_settings,
    drop_play_channel,
    forget_audit_channel,
    play_channels,
)
from store.models import GuildSettings, Origin

LONGEST_PAUSE = 86_400.0
LONGEST_SILENCE = 720
"""Seconds between games, and hours until a silent game ends, that a server may choose at most."""
MOST_GAMES = 1000
"""Discord lets a server have this many active threads."""
MOST_IMAGE_SETS = 10


class Setup(Cog):
    """The command `/setup`."""

    def __init__(self, bot: Services) -> None:
        self.bot = bot

    @app_commands.command(name="setup", description="See what I need here, and choose how games are played")
    @app_commands.describe(
        reports="Where I report rounds of learning, for moderators",
        audit="Where I write who did what: settings, rounds, games that moderators ended",
        play_in="One more channel for games, with a pinned Play button; then games are played in such channels only",
        not_in="A channel that is not for games any more",
        games="The games that may be played here",
        images="Figures of new games: 'classic', 'classic:N' for N of them, several with commas, or 'default'",
        cooldown="Seconds between one player's new games",
        limit="How many games may run here at the same time",
        idle="Hours without a word after which a game ends; 0 never",
        players="The role that people need to start games; @everyone for all",
        team="Whether a game may be played by everybody in its thread",
        unsure="Whether I ask what somebody means where I am unsure",
        lock="Whether the threads of finished games are locked when they are archived",
        language="What the whole server reads: reports, and the message with the Play button",
        reset="A setting that goes back to its default",
    )
    @app_commands.choices(
        games=[
            app_commands.Choice(name=texts.ALL_GAMES_LABEL, value=texts.ALL_GAMES),
            *(app_commands.Choice(name=game.words.title, value=game.name) for game in GAMES.values()),
        ],
        language=[app_commands.Choice(name=name, value=code) for code, name in LANGUAGES.items()],
        reset=[app_commands.Choice(name=what, value=name) for name, (_, what) in texts.RESET.items()],
    )
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def set_up(
        self,
        interaction: BotInteraction,
        reports: discord.TextChannel | None = None,
        audit: discord.TextChannel | None = None,
        play_in: discord.TextChannel | None = None,
        not_in: discord.TextChannel | None = None,
        games: str | None = None,
        images: str | None = None,
        cooldown: app_commands.Range[float, 0.0, LONGEST_PAUSE] | None = None,
        limit: app_commands.Range[int, 1, MOST_GAMES] | None = None,
        idle: app_commands.Range[int, 0, LONGEST_SILENCE] | None = None,
        players: discord.Role | None = None,
        team: bool | None = None,
        unsure: bool | None = None,
        lock: bool | None = None,
        language: str | None = None,
        reset: str | None = None,
    ) -> None:
        check_moderator(interaction)
        assert interaction.guild is not None
        await acknowledge(interaction, thinking=True)
        values: dict[str, Any] = {}
        if reset in texts.RESET:
            values[texts.RESET[reset][0]] = None
        if images is not None:
            await self._check_images(images)
            values["images"] = None if images == texts.DEFAULT_IMAGES else images
        if reports is not None:
            values["moderators_channel_id"] = str(reports.id)
        if audit is not None:
            values["audit_channel_id"] = str(audit.id)
        if players is not None:
            values["player_role_id"] = None if players.is_default() else str(players.id)
        if games is not None:
            values["games"] = None if games == texts.ALL_GAMES else [games]
        given = {
            "cooldown": cooldown,
            "most_games": limit,
            "idle_hours": idle,
            "team_games": team,
            "unsure": unsure,
            "lock_threads": lock,
            "locale": language,
        }
        values |= {name: value for name, value in given.items() if value is not None}
        row, channels, audit_before = await self._save(interaction.guild, values, play_in, not_in)
        given_options = dict(iter(interaction.namespace))
        if given_options:
            line = partial(texts.changed, interaction.user.id, given_options)
            self.bot.audit.here(interaction.guild.id, line, until_now=audit_before)
        lines = await self._lines(interaction, row, channels)
        changed = bool(values.keys() & {"games", "locale"})
        if play_in is not None or changed:
            for channel_id in channels:
                if not await self.bot.play_messages.show(channel_id, again=changed):
                    lines.append((False, texts.no_play_message(channel_id)))
        play = self.bot.settings.play
        await answer(
            interaction,
            texts.report(
                lines,
                row,
                channels,
                cooldown=play.cooldown,
                idle_hours=play.idle_hours,
                locale=language_of(row.locale or interaction.guild.preferred_locale),
            ),
        )

    @Cog.listener()
    async def on_guild_update(self, before: discord.Guild, after: discord.Guild) -> None:
        """Somebody changed a server's settings in Discord: its messages follow the language."""
        if before.preferred_locale != after.preferred_locale:
            async with self.bot.database.async_session() as session:
                channels = [each.channel_id for each in await play_channels(session, str(after.id))]
            for channel_id in channels:
                await self.bot.play_messages.show(channel_id, again=True)

    @Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        async with self.bot.database.async_writing() as session:
            await forget_audit_channel(session, str(channel.id))

    @set_up.autocomplete("images")
    async def offer_images(self, interaction: BotInteraction, typed: str) -> list[app_commands.Choice[str]]:
        offered = (texts.CLASSIC_IMAGES, texts.DEFAULT_IMAGES)
        return [app_commands.Choice(name=spec, value=spec) for spec in offered if spec.startswith(typed)]

    async def _check_images(self, spec: str) -> None:
        """Check image sets. Raises Refusal if games cannot be played with one of them.

        Sets in folders are refused, so that moderators cannot name paths on the operator's machine.
        """
        if spec == texts.DEFAULT_IMAGES:
            return
        specs = listed(spec)
        if not 0 < len(specs) <= MOST_IMAGE_SETS or any(not _is_classic(each) for each in specs):
            raise Refusal(texts.images_refused(spec, texts.IMAGES_TO_CHOOSE))
        for each in specs:
            try:
                await self.bot.images.open(each)
            except (ValueError, OSError) as error:
                raise Refusal(texts.images_refused(each, str(error))) from error

    async def _save(
        self,
        guild: discord.Guild,
        values: dict[str, Any],
        play_in: discord.TextChannel | None,
        not_in: discord.TextChannel | None,
    ) -> tuple[GuildSettings, list[str], str | None]:
        """(the settings, ids of the channels for games, id of the audit channel before)"""
        async with self.bot.database.async_writing() as session:
            before = await session.get(GuildSettings, str(guild.id))
            audit_before = before.audit_channel_id if before is not None else None
            row = await change_guild_settings(session, str(guild.id), **values)
            if play_in is not None:
                await add_play_channel(session, str(guild.id), str(play_in.id))
            dropped = await drop_play_channel(session, str(not_in.id)) if not_in is not None else None
            channels = [each.channel_id for each in await play_channels(session, str(guild.id))]
        if dropped is not None:
            await self.bot.play_messages.remove(dropped)
        return row, channels, audit_before

    async def _lines(
        self, interaction: BotInteraction, row: GuildSettings, channels: list[str]
    ) -> list[tuple[bool, str]]:
        """What the bot needs, and whether it is there."""
        assert interaction.guild is not None
        me = interaction.guild.me
        lacking = set(missing(interaction.app_permissions))
        lines = [(label not in lacking, label) for label in NAMES.values()]
        for channel_id in dict.fromkeys((row.moderators_channel_id, row.audit_channel_id)):
            if channel_id is not None:
                told = interaction.guild.get_channel(int(channel_id))
                granted = told.permissions_for(me) if told is not None else discord.Permissions.none()
                may_write = granted.view_channel and granted.send_messages
                lines.append((may_write, texts.may_write(channel_id)))
        for channel_id in channels:
            channel = interaction.guild.get_channel(int(channel_id))
            granted = channel.permissions_for(me) if channel is not None else discord.Permissions.none()
            lines.append((not missing(granted), texts.may_play(channel_id, missing(granted))))
            if not granted.pin_messages:
                lines.append((False, texts.PIN))
        if row.player_role_id is not None:
            role = interaction.guild.get_role(int(row.player_role_id))
            lines.append((role is not None, texts.players(row.player_role_id, role is not None)))
        if row.lock_threads:
            lines.append((me.guild_permissions.manage_threads, texts.LOCK))
        lines.append((self.bot.settings.discord.message_content, texts.MESSAGES))
        lines.append((await self._policy_answers(), texts.POLICY))
        if self.bot.settings.origin is Origin.DISCORD:
            lines.append((bool(self.bot.settings.rounds.discord_permission), texts.TRAINING))
        return lines

    async def _policy_answers(self) -> bool:
        try:
            await self.bot.policy.status()
        except PolicyError:
            return False
        return True


def _is_classic(spec: str) -> bool:
    return spec.partition(":")[0] == texts.CLASSIC_IMAGES

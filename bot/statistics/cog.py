"""The commands `/stats`, `/leaderboard` and `/replay`."""

import asyncio
import io
from datetime import datetime, timedelta

import discord
from discord import app_commands
from discord.ext import commands

from bot.cogs import Cog
from bot.errors import Refusal
from bot.language import speak
from bot.respond import acknowledge, answer
from bot.services import BotInteraction, Services
from bot.statistics import texts
from bot.statistics.learning import LearningNotes
from bot.statistics.pictures import draw_curve, draw_replay
from bot.texts import DISCORD_TROUBLE
from games import GAMES
from games.core import Outcome
from store.games import game_in_thread, turns_of
from store.models import ConsentKind, Game, Player, now
from store.players import consents, known_player
from store.standings import (
    Scope,
    Standing,
    count_learnt_from,
    finished_games_of,
    learnt_from_game,
    places,
    standings,
    tallies_by_adapter,
)

USES, PER_SECONDS = 4, 30.0
"""How often one person may use these commands, which draw and count."""
LEAST_GAMES = 5
"""Finished games in a season for a place in a leaderboard."""
LISTED, LOOKED_UP = 10, 100
"""Places shown, and the players who are looked up among the members of the server: Discord's limit of one request."""
CHOICES = 25
PUBLIC_THREADS = (discord.ChannelType.public_thread, discord.ChannelType.news_thread)


class Statistics(Cog):
    """How games went, by whom they were won, and how they were played."""

    def __init__(self, bot: Services) -> None:
        self.bot = bot
        self._notes = LearningNotes(bot.database, bot.settings)
        self._drawing = asyncio.Lock()
        self._uses = commands.CooldownMapping[BotInteraction].from_cooldown(
            USES, PER_SECONDS, lambda interaction: interaction.user.id
        )

    async def interaction_check(self, interaction: BotInteraction, /) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Limit how often a person uses the commands. Raises CommandOnCooldown."""
        bucket = self._uses.get_bucket(interaction)
        if bucket is not None and (wait := bucket.update_rate_limit()):
            raise app_commands.CommandOnCooldown(app_commands.Cooldown(USES, PER_SECONDS), wait)
        return await super().interaction_check(interaction)

    @app_commands.command(description="How games went, and what I learnt from them")
    @app_commands.describe(games="Whose games")
    @app_commands.choices(
        games=[app_commands.Choice(name=label, value=value) for value, label in texts.SCOPES.items()]
    )
    async def stats(self, interaction: BotInteraction, games: str = texts.MINE) -> None:
        await acknowledge(interaction, thinking=True)
        scope = await self._scope(interaction, games)
        async with self.bot.database.async_session() as session:
            tallies = await tallies_by_adapter(session, scope) if scope else {}
            learnt = await count_learnt_from(session, scope) if scope else 0
        if not tallies:
            raise Refusal(texts.NO_GAMES[games])
        async with self._drawing:
            png = await asyncio.to_thread(draw_curve, tallies)
        file = discord.File(io.BytesIO(png), texts.CURVE_FILE, description=texts.curve_alt(tallies))
        await answer(interaction, texts.stats(games, tallies, learnt), file=file)

    async def _scope(self, interaction: BotInteraction, games: str) -> Scope | None:
        """None for somebody who has never played. Raises Refusal."""
        if games == texts.SERVER:
            if interaction.guild_id is None:
                raise Refusal(texts.NO_SERVER)
            return Scope(guild_id=str(interaction.guild_id))
        if games == texts.BOT:
            return Scope()
        player = await self._player(interaction)
        return Scope(player_id=player.id) if player is not None else None

    async def _player(self, interaction: BotInteraction) -> Player | None:
        async with self.bot.database.async_session() as session:
            return await known_player(session, self.bot.settings.origin, str(interaction.user.id))

    @app_commands.command(description="Who describes best in this server")
    @app_commands.describe(season="Which games count")
    @app_commands.choices(season=[app_commands.Choice(name=season, value=season) for season in texts.SEASONS])
    @app_commands.guild_only()
    async def leaderboard(self, interaction: BotInteraction, season: str = texts.THIS_MONTH) -> None:
        guild = interaction.guild
        if guild is None:
            raise app_commands.NoPrivateMessage
        await acknowledge(interaction, thinking=True)
        since, until = season_of(season, now())
        player = await self._player(interaction)
        async with self.bot.database.async_session() as session:
            ranked = await standings(
                session, self.bot.settings.origin, str(guild.id), LEAST_GAMES, since, until
            )
            unlisted = (
                player is not None
                and player.id is not None
                and (await consents(session, player.id))[ConsentKind.UNLISTED]
            )
        names = await self._names(guild, ranked[:LOOKED_UP])
        present = [row for row in ranked[:LOOKED_UP] if row.user_id in names]
        placed = dict(zip((row.user_id for row in present), places(present), strict=True))
        rows = [(placed[row.user_id], names[row.user_id], row.tally) for row in present[:LISTED]]
        user_id = str(interaction.user.id)
        if unlisted:
            own = texts.OWN_UNLISTED
        elif user_id in placed:
            own = texts.own_place(placed[user_id])
        elif any(row.user_id == user_id for row in ranked):
            own = texts.own_below(len(placed))
        else:
            own = texts.OWN_MISSING
        await answer(interaction, texts.leaderboard(texts.season_title(since), rows, own, LEAST_GAMES))

    async def _names(self, guild: discord.Guild, ranked: list[Standing]) -> dict[str, str]:
        """User id -> display name in the server, of those who are still its members. Raises Refusal."""
        if not ranked:
            return {}
        try:
            members = await guild.query_members(
                user_ids=[int(row.user_id) for row in ranked], limit=LOOKED_UP, cache=False
            )
        except TimeoutError as error:
            raise Refusal(DISCORD_TROUBLE) from error
        return {str(member.id): discord.utils.escape_markdown(member.display_name) for member in members}

    @app_commands.command(description="A finished game, turn by turn, as an animated picture")
    @app_commands.describe(game="Which of your games; else this thread's, or your last one")
    async def replay(self, interaction: BotInteraction, game: str | None = None) -> None:
        await acknowledge(interaction, thinking=True)
        found = await self._game(interaction, game)
        if found.outcome is Outcome.OPEN:
            raise Refusal(texts.STILL_RUNNING)
        async with self.bot.database.async_session() as session:
            turns = await turns_of(session, found.id)
            learnt = await learnt_from_game(session, found.id)
        if not turns:
            raise Refusal(texts.NO_TURNS)
        try:
            images = await self.bot.images.open(found.images)
        except (ValueError, OSError) as error:
            raise Refusal(texts.NO_FIGURES) from error
        try:
            async with self._drawing:
                picture = await asyncio.to_thread(
                    draw_replay, found, turns, images, interaction.filesize_limit
                )
        except KeyError as error:
            raise Refusal(texts.NO_FIGURES) from error
        except ValueError as error:
            raise Refusal(texts.REPLAY_TOO_LARGE) from error
        note = await self._notes.after(found)
        if note is not None and learnt is not None:
            note = texts.learnt_from(learnt, len(turns))
        file = discord.File(io.BytesIO(picture.webp), f"replay-{found.id[:8]}.webp", description=picture.alt)
        title = GAMES[found.game].words.title
        await answer(interaction, texts.replay(title, found.outcome, len(turns), note), file=file)

    async def _game(self, interaction: BotInteraction, game_id: str | None) -> Game:
        """The game to replay: the chosen one, else the one of this thread, else the person's last. Raises Refusal
        if there is none or it is not for this person to see."""
        player = await self._player(interaction)
        player_id = player.id if player is not None else None
        async with self.bot.database.async_session() as session:
            if game_id is not None:
                found = await session.get(Game, game_id)
            else:
                found = await game_in_thread(session, str(interaction.channel_id))
                if found is None and player_id is not None:
                    found = next(iter(await finished_games_of(session, player_id, 1)), None)
        if found is None:
            raise Refusal(texts.NO_FINISHED_GAME if game_id is None else texts.NO_SUCH_GAME)
        if found.player_id != player_id and not _played_here(interaction, found):
            raise Refusal(texts.NOT_YOUR_REPLAY)
        return found

    @replay.autocomplete("game")
    async def offer_games(self, interaction: BotInteraction, typed: str) -> list[app_commands.Choice[str]]:
        speak(interaction.locale)
        player = await self._player(interaction)
        if player is None or player.id is None:
            return []
        async with self.bot.database.async_session() as session:
            games = await finished_games_of(session, player.id, CHOICES)
        choices = [
            (texts.replay_choice(GAMES[game.game].words.title, game.outcome, game.ended_at), game.id)
            for game in games
        ]
        return [
            app_commands.Choice(name=name, value=value)
            for name, value in choices
            if typed.casefold() in name.casefold()
        ]


def _played_here(interaction: BotInteraction, game: Game) -> bool:
    """Whether the interaction is in the public thread in which a game was played, so that everybody there saw it."""
    channel = interaction.channel
    return (
        channel is not None
        and str(channel.id) == game.thread_id
        and str(interaction.guild_id) == game.guild_id
        and channel.type in PUBLIC_THREADS
    )


def season_of(season: str, at: datetime) -> tuple[datetime | None, datetime | None]:
    """(start, end) of a season at a time, in UTC. None: without a bound."""
    month = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if season == texts.THIS_MONTH:
        return month, None
    if season == texts.LAST_MONTH:
        return (month - timedelta(days=1)).replace(day=1), month
    return None, None

"""Opens a game: checks the request, then creates the thread, the row in the database and the board."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import discord
import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from bot import texts
from bot.errors import OUTSIDE, AlreadyPlaying, QuizFirst, Refusal
from bot.images import ImageSets, label_of, listed
from bot.locks import KeyedLocks
from bot.permissions import missing
from bot.play.session import GameSessions
from bot.services import Policy, Wish
from bot.settings import BotSettings
from bot.study.quiz import quiz_first
from bot.study.running import RunningStudy
from games import GAMES
from games.difficulty import deal_board
from games.figures import ImageSet
from learner.protocol import PolicyError, PolicyStatus
from store.database import Database
from store.games import finished_rounds, games_played, latest_game_of, open_game_of, open_games_in
from store.guilds import guild_settings, play_channels
from store.models import Game, now
from store.players import known_player, player_of

log = structlog.get_logger(__name__)

ARCHIVE_AFTER = 1440
"""Minutes without messages after which Discord archives a game's thread. A new message reopens it."""


@dataclass(frozen=True)
class _Start:
    """The data that a new game needs from the database."""

    number: int
    round: int
    images: list[str]
    """Specs of the image sets that are offered. The first is played with if none is chosen."""
    games: list[str] | None
    """Names of the games that may be played; None for all."""
    team_games: bool
    player_role_id: str | None
    """The role that a player needs; None for no role."""
    most_games: int | None
    """Games that may run in the server at the same time; None for any number."""
    channels: tuple[str, ...]
    """Ids of the channels for games; none for all."""


class GameOpener:
    """Opens games, one at a time for each player."""

    def __init__(
        self,
        client: discord.Client,
        settings: BotSettings,
        database: Database,
        policy: Policy,
        games: GameSessions,
        images: ImageSets,
        study: RunningStudy,
    ) -> None:
        self._client = client
        self._settings = settings
        self._database = database
        self._policy = policy
        self._games = games
        self._images = images
        self._study = study
        self._locks = KeyedLocks()
        self._last_status: PolicyStatus | None = None

    async def image_sets(self, guild_id: int) -> list[str]:
        """Labels of the image sets that players of a server may choose."""
        async with self._database.async_session() as session:
            chosen = (await guild_settings(session, str(guild_id))).images
        return [label_of(spec) for spec in listed(chosen or self._settings.play.images)]

    async def open(
        self, channel: object, user: discord.Member | discord.User, locale: str, wish: Wish
    ) -> discord.Thread:
        """Open a game in a channel, or in the parent channel of a thread. Raises `Refusal` with the reason."""
        parent = await self._parent(channel)
        lacking = missing(parent.permissions_for(parent.guild.me))
        if lacking:
            raise Refusal(texts.bot_lacks(lacking))
        rules = GAMES.get(wish.game)
        if rules is None:
            raise Refusal(texts.COMMAND_CHANGED)
        async with self._locks((parent.guild.id, user.id)):
            start = await self._prepare(parent.guild.id, user)
            if start.channels and str(parent.id) not in start.channels:
                raise Refusal(texts.play_elsewhere(start.channels))
            _check_role(user, start.player_role_id, parent.guild)
            if start.games is not None and wish.game not in start.games:
                allowed = [game.words for game in GAMES.values() if game.name in start.games]
                raise Refusal(texts.not_played_here(allowed))
            if wish.team and not start.team_games:
                raise Refusal(texts.NO_TEAM_GAMES)
            async with self._database.async_session() as session:
                await _check_room(session, parent.guild.id, start.most_games)
            status = await self._status()
            default, wanted = start.images[0], _wanted(wish, start.images)
            player_id = await self._player(user, locale)
            entry = await self._study.enter(
                parent.guild.id, player_id, user.id, wish, status, None if wanted == default else wanted
            )
            if entry is not None and (quiz := await self._quiz(player_id, user.id)) is not None:
                raise quiz
            spec = entry.images if entry is not None else wanted
            images = await self._open_images(spec)
            try:
                deal = await asyncio.to_thread(deal_board, rules, images, random.Random(), wish.difficulty)
            except ValueError as error:
                raise Refusal(texts.too_few_figures(min(rules.board_sizes))) from error
            thread = await parent.create_thread(
                name=texts.thread_name(rules.words, user.display_name, start.number, team=wish.team),
                type=discord.ChannelType.news_thread
                if parent.is_news()
                else discord.ChannelType.public_thread,
                auto_archive_duration=ARCHIVE_AFTER,
            )
            game = Game(
                game=rules.name,
                images=spec,
                speaker=list(deal.speaker),
                listener=list(deal.listener),
                targets=sorted(deal.targets),
                player_id=player_id,
                team=wish.team,
                origin=self._settings.origin,
                guild_id=str(parent.guild.id),
                channel_id=str(parent.id),
                thread_id=str(thread.id),
                adapter=entry.adapter if entry is not None else status.current,
                base_model=status.base_model,
                images_hash=images.fingerprint,
                difficulty=wish.difficulty,
                round=start.round,
            )
            try:
                async with self._database.async_writing() as session:
                    await _check_room(session, parent.guild.id, start.most_games)
                    session.add(game)
                    await session.flush()
                    if entry is not None:
                        session.add(entry.row(game.id))
            except Exception:
                with suppress(*OUTSIDE):
                    await thread.delete()
                raise
        log.info("game opened", game=game.id, adapter=game.adapter, round=game.round)
        self._games.opened(game.id)
        return thread

    async def _quiz(self, player_id: int, user_id: int) -> QuizFirst | None:
        """The quiz of the study, if the player has still to answer it."""
        async with self._database.async_session() as session:
            missing_questions = await self._study.missing_questions(session, player_id)
        return quiz_first(len(missing_questions), str(user_id)) if missing_questions else None

    async def _open_images(self, spec: str) -> ImageSet:
        try:
            return await self._images.open(spec)
        except (ValueError, OSError) as error:
            log.error("image set not opened", images=spec, error=str(error))
            raise Refusal(texts.NO_IMAGES) from error

    async def _parent(self, channel: object) -> discord.TextChannel:
        if isinstance(channel, discord.Thread):
            channel = channel.parent or await self._client.fetch_channel(channel.parent_id)
        if not isinstance(channel, discord.TextChannel):
            raise Refusal(texts.TEXT_CHANNEL_ONLY)
        return channel

    async def _player(self, user: discord.Member | discord.User, locale: str) -> int:
        """The id of a player's row, which is made for those who may play."""
        async with self._database.async_writing() as session:
            player = await player_of(session, self._settings.origin, str(user.id), user.display_name, locale)
        assert player.id is not None
        return player.id

    async def _prepare(self, guild_id: int, user: discord.Member | discord.User) -> _Start:
        async with self._database.async_session() as session:
            player = await known_player(session, self._settings.origin, str(user.id))
            running, latest, played = None, None, 0
            if player is not None and player.id is not None:
                running = await open_game_of(session, player.id, str(guild_id))
                latest = await latest_game_of(session, player.id)
                played = await games_played(session, player.id)
            community = await guild_settings(session, str(guild_id))
            channels = await play_channels(session, str(guild_id))
            start = _Start(
                number=played + 1,
                round=await finished_rounds(session),
                images=listed(community.images or self._settings.play.images),
                games=community.games,
                team_games=community.team_games,
                player_role_id=community.player_role_id,
                most_games=community.most_games,
                channels=tuple(each.channel_id for each in channels),
            )
        if running is not None and await self._still_there(running):
            raise AlreadyPlaying(running)
        if latest is not None:
            since = (now() - latest.started_at).total_seconds()
            pause = self._settings.play.cooldown if community.cooldown is None else community.cooldown
            left = pause - since
            if since >= 0 and left > 0:  # a game that begins in the future: the clock was set back since
                raise Refusal(texts.cooldown(left))
        return start

    async def _still_there(self, game: Game) -> bool:
        """Whether a game's thread exists. A game without its thread is ended."""
        try:
            await self._client.fetch_channel(int(game.thread_id or 0))
        except discord.NotFound:
            await self._games.abandon(game.id)
            return False
        except OUTSIDE:
            return True
        return True

    async def _status(self) -> PolicyStatus:
        """The status of the policy or, while it is not available, the last one. New games use its current adapter."""
        try:
            self._last_status = await self._policy.status()
        except PolicyError as error:
            log.warning("policy not available", error=str(error))
            if self._last_status is None:
                raise
        return self._last_status


def _check_role(user: discord.Member | discord.User, role_id: str | None, guild: discord.Guild) -> None:
    """Raises `Refusal` if a player lacks the role that the server asks for. Moderators need none."""
    held = {str(role.id) for role in user.roles} if isinstance(user, discord.Member) else set[str]()
    moderates = isinstance(user, discord.Member) and user.guild_permissions.manage_guild
    if role_id is None or role_id in held or moderates:
        return
    raise Refusal(texts.needs_role(role_id) if guild.get_role(int(role_id)) else texts.ROLE_IS_GONE)


async def _check_room(session: AsyncSession, guild_id: int, most: int | None) -> None:
    """Raises `Refusal` if as many games run in a server as it allows."""
    if most is not None and await open_games_in(session, str(guild_id)) >= most:
        raise Refusal(texts.server_is_full(most))


def _wanted(wish: Wish, offered: Sequence[str]) -> str:
    """The spec of the image set to play with."""
    return next((spec for spec in offered if label_of(spec) == wish.images), offered[0])

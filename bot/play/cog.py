"""The commands for games, and the events in the threads of games."""

import io
from contextlib import suppress

import discord
from discord import app_commands
from discord.ext import commands

from bot import texts
from bot.cogs import Cog
from bot.components import Buttons
from bot.errors import OUTSIDE, Refusal
from bot.language import server_locale, speak
from bot.permissions import check_moderator
from bot.play.buttons import DescribeForm, EndGameButton, give_up_buttons, start_game
from bot.play.example import example_of
from bot.play.locales import Locales
from bot.play.utterances import addresses
from bot.respond import acknowledge, answer, reply
from bot.services import BotInteraction, Services, Wish
from games import DEFAULT_GAME, GAMES
from games.core import Difficulty
from games.language import N_, _
from store.games import open_game_of
from store.models import Game
from store.players import known_player

MENTIONS, MENTION_SECONDS = 3, 60.0
"""How many mentions of the bot are answered in one channel, in this number of seconds."""
REMOVED = (discord.MessageType.thread_created, discord.MessageType.pins_add)
"""Discord's lines about the bot's own threads and pinned messages, which are removed from the channel."""
ME, EVERYBODY = "me", "everybody"
_WHO = [
    app_commands.Choice(name=N_("Only me"), value=ME),
    app_commands.Choice(name=N_("Everybody in the thread, as a team"), value=EVERYBODY),
]
_DIFFICULTIES = [
    app_commands.Choice(name=N_("Near: figures that look alike"), value=Difficulty.NEAR.value),
    app_commands.Choice(name=N_("Far: figures that look different"), value=Difficulty.FAR.value),
]
_CHOICES = [app_commands.Choice(name=game.words.label, value=game.name) for game in GAMES.values()]


class Play(Cog):
    """`/play`, `/resume`, `/giveup`, `/help`, `/rules`, mentions of the bot, and the messages, edits and deletions in
    games' threads."""

    def __init__(self, bot: Services) -> None:
        self.bot = bot
        self._mentions = commands.CooldownMapping.from_cooldown(
            MENTIONS, MENTION_SECONDS, commands.BucketType.channel
        )
        self._locales = Locales(bot.database, bot.settings.origin)

    @app_commands.command(description="Play a game of tangrams with me in a thread")
    @app_commands.describe(
        game="Which game",
        who="Who may describe figures",
        images="Which figures; the list has those that this server offers",
        difficulty="How much the figures of the board look alike; any, if you don't choose",
    )
    @app_commands.choices(game=_CHOICES, who=_WHO, difficulty=_DIFFICULTIES)
    @app_commands.guild_only()
    async def play(
        self,
        interaction: BotInteraction,
        game: str = DEFAULT_GAME,
        who: str = ME,
        images: app_commands.Range[str, 1, 100] | None = None,
        difficulty: str | None = None,
    ) -> None:
        if images is not None and interaction.guild_id is not None:
            offered = await self.bot.opener.image_sets(interaction.guild_id)
            if images not in offered:
                raise Refusal(texts.images_not_offered(images, offered))
        chosen = Difficulty(difficulty) if difficulty is not None else None
        await start_game(interaction, Wish(game, who == EVERYBODY, images, chosen))

    @play.autocomplete("images")
    async def offer_images(self, interaction: BotInteraction, typed: str) -> list[app_commands.Choice[str]]:
        offered = await self.bot.opener.image_sets(interaction.guild_id) if interaction.guild_id else []
        return [app_commands.Choice(name=each[:100], value=each[:100]) for each in offered if typed in each]

    @app_commands.command(description="Give up your running game")
    @app_commands.describe(player="For moderators: whose game ends")
    @app_commands.guild_only()
    async def giveup(self, interaction: BotInteraction, player: discord.User | None = None) -> None:
        """`player` need not be a member (any more)."""
        await acknowledge(interaction, thinking=True)
        if player is not None and player.id != interaction.user.id:
            check_moderator(interaction)
            if (game := await self._open_game(player.id, interaction.guild_id)) is None:
                raise Refusal(texts.no_game_of(player.id))
            await answer(interaction, texts.end_sure(player.id), view=Buttons(EndGameButton(game.id)))
            return
        game = await self._my_game(interaction)
        await answer(interaction, texts.GIVE_UP_SURE, view=give_up_buttons(game.id, interaction.user.id))

    @app_commands.command(description="Go back to your running game")
    @app_commands.guild_only()
    async def resume(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction, thinking=True)
        game = await self._my_game(interaction)
        if game.thread_id is not None and game.board_message_id is not None:
            thread = self.bot.get_partial_messageable(int(game.thread_id), guild_id=interaction.guild_id)
            try:
                await thread.fetch_message(int(game.board_message_id))
            except discord.NotFound:
                await self.bot.games.show_again(game.id)
        await answer(interaction, texts.resumed(game.thread_id or "", game.guild_id, game.board_message_id))

    async def _my_game(self, interaction: BotInteraction) -> Game:
        """The running game of the person who asks. Raises Refusal, NoPrivateMessage outside servers."""
        if interaction.guild is None:
            raise app_commands.NoPrivateMessage
        if (game := await self._open_game(interaction.user.id, interaction.guild_id)) is None:
            raise Refusal(texts.NO_GAME)
        return game

    async def _open_game(self, user_id: int, guild_id: int | None) -> Game | None:
        async with self.bot.database.async_session() as session:
            player = await known_player(session, self.bot.settings.origin, str(user_id))
            if player is None or player.id is None:
                return None
            return await open_game_of(session, player.id, str(guild_id))

    @app_commands.command(description="How to play")
    async def help(self, interaction: BotInteraction) -> None:
        await answer(interaction, texts.how_to_play(GAMES.values()))

    @app_commands.command(description="How to play, with a picture of a board")
    @app_commands.describe(game="Which game the picture shows")
    @app_commands.choices(game=_CHOICES)
    async def rules(self, interaction: BotInteraction, game: str = DEFAULT_GAME) -> None:
        await acknowledge(interaction, thinking=True)
        board = await example_of(game, self.bot.images)
        picture = discord.File(io.BytesIO(board.png), "example.png", description=board.alt)
        text = f"{texts.how_to_play(GAMES.values())}\n{_(texts.RULES_EXAMPLE)}"
        await answer(interaction, text, file=picture)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: BotInteraction) -> None:
        await self._locales.keep(str(interaction.user.id), str(interaction.locale))
        if interaction.type is discord.InteractionType.modal_submit:
            await DescribeForm.receive(interaction)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        if message.guild is None and message.channel.type is discord.ChannelType.private:
            if not message.author.bot:
                speak(await self._locale_of(message.author.id))
                await reply(message, texts.DM_ANSWER)
            return
        if message.type in REMOVED and self.bot.user is not None and message.author.id == self.bot.user.id:
            with suppress(*OUTSIDE):
                await message.delete()
            return
        if not await self.bot.inbox.message(message):
            await self._answer_mention(message)

    async def _answer_mention(self, message: discord.Message) -> None:
        """Say how to play to somebody who wrote the bot's name; a reply to the bot is no question to it."""
        if message.author.bot or not addresses(message, self.bot.user):
            return
        bucket = self._mentions.get_bucket(message)
        if bucket is not None and not bucket.update_rate_limit():
            speak(await self._locale_of(message.author.id, message.guild))
            await reply(message, texts.how_to_play(GAMES.values()))

    async def _locale_of(self, user_id: int, guild: discord.Guild | None = None) -> str:
        """The locale of somebody who wrote a message: a player's own, else that of the server."""
        async with self.bot.database.async_session() as session:
            player = await known_player(session, self.bot.settings.origin, str(user_id))
        if player is not None:
            return player.locale
        return await server_locale(self.bot, self.bot.database, guild.id) if guild is not None else "en"

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        if payload.guild_id is not None:
            await self.bot.inbox.edited(payload.message)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        if payload.guild_id is not None:
            await self._deleted(payload.channel_id, {payload.message_id})

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        if payload.guild_id is not None:
            await self._deleted(payload.channel_id, payload.message_ids)

    async def _deleted(self, channel_id: int, message_ids: set[int]) -> None:
        await self.bot.inbox.deleted(channel_id, message_ids)
        await self.bot.play_messages.deleted(message_ids)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        await self.bot.inbox.thread_gone(payload.thread_id)

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        await self.bot.inbox.channel_gone(channel.id)
        await self.bot.play_messages.channel_gone(channel.id)

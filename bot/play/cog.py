"""Playing: commands, and what is written in games' threads."""

import discord
from discord import app_commands
from discord.ext import commands

from bot import texts
from bot.app import Asked, RespectBot
from bot.play.buttons import GiveUpYesButton, form_sent, start_game
from bot.respond import acknowledge, answer
from games import DEFAULT_GAME, GAMES
from store.games import open_game_of
from store.players import known_player


class Play(commands.Cog):
    """`/play`, `/giveup`, `/help`, and the messages, edits and deletions in games' threads."""

    def __init__(self, bot: RespectBot) -> None:
        self.bot = bot

    @app_commands.command(description="Play a game of tangrams with me in a thread")
    @app_commands.describe(game="Which game")
    @app_commands.choices(
        game=[app_commands.Choice(name=game.words.label, value=game.name) for game in GAMES.values()]
    )
    @app_commands.guild_only()
    async def play(self, interaction: Asked, game: str = DEFAULT_GAME) -> None:
        await start_game(interaction, game)

    @app_commands.command(description="Give up your running game")
    @app_commands.guild_only()
    async def giveup(self, interaction: Asked) -> None:
        await acknowledge(interaction, thinking=True)
        async with self.bot.database.async_session() as session:
            player = await known_player(session, self.bot.settings.origin, str(interaction.user.id))
            game = (
                await open_game_of(session, player.id, str(interaction.guild_id))
                if player is not None and player.id is not None
                else None
            )
        if game is None:
            await answer(interaction, texts.NO_GAME)
            return
        view = discord.ui.View(timeout=None)
        view.add_item(GiveUpYesButton(game.id, str(interaction.user.id)))
        await answer(interaction, texts.GIVE_UP_SURE, view=view)

    @app_commands.command(description="How to play")
    async def help(self, interaction: Asked) -> None:
        await answer(interaction, texts.how_to_play(GAMES.values()))

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Asked) -> None:
        if interaction.type is discord.InteractionType.modal_submit:
            await form_sent(interaction)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        if message.guild is None and message.channel.type is discord.ChannelType.private:
            if not message.author.bot:
                await self.bot.screen.answer(message, texts.DM_ANSWER)
            return
        await self.bot.hearing.message(message)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        if payload.guild_id is not None:
            await self.bot.hearing.edited(payload.message)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        if payload.guild_id is not None:
            await self.bot.hearing.deleted(payload.channel_id, {payload.message_id})

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        if payload.guild_id is not None:
            await self.bot.hearing.deleted(payload.channel_id, payload.message_ids)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        await self.bot.hearing.thread_gone(payload.thread_id)

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        await self.bot.hearing.channel_gone(channel.id)


async def setup(bot: RespectBot) -> None:
    """Called by discord.py."""
    await bot.add_cog(Play(bot))

"""The local service with a small bot on the real discord.py, for tests that drive the browser page."""

import asyncio
import io
import threading
from collections.abc import Callable
from typing import Any

import discord
from discord import app_commands
from PIL import Image

from local_discord import LocalDiscord, Person, redirect
from local_discord.client import START_SECONDS, running
from local_discord.feed import PATIENCE_SECONDS
from local_discord.local import PAGE


def board(color: str) -> discord.File:
    data = io.BytesIO()
    Image.new("RGB", (800, 500), color).save(data, "PNG")
    return discord.File(io.BytesIO(data.getvalue()), "board.png", description=f"A {color} board")


class Verdict(discord.ui.View):
    """The buttons below a board."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Right", style=discord.ButtonStyle.success, emoji="✅")
    async def right(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        button.disabled = True
        await interaction.response.edit_message(content="Thank you!", attachments=[board("green")], view=self)

    @discord.ui.button(label="Silent", style=discord.ButtonStyle.danger)
    async def silent(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        del interaction, button


class Survey(discord.ui.Modal, title="Tell us more"):
    """A form with one field in a label, as Discord has them now."""

    what = discord.ui.Label(
        text="What happened?",
        component=discord.ui.TextInput(style=discord.TextStyle.paragraph, min_length=5, max_length=200),
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.what.component, discord.ui.TextInput)
        await interaction.response.send_message(f"Noted: {self.what.component.value}", ephemeral=True)


class Bot(discord.Client):
    """Opens a thread on /play, answers messages in it, and has one command of each kind."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True, guild_messages=True, message_content=True))
        self.tree = app_commands.CommandTree(self)

    async def setup_hook(self) -> None:
        @self.tree.command(description="Start a game")
        async def play(interaction: discord.Interaction) -> None:
            assert isinstance(interaction.channel, discord.TextChannel)
            thread = await interaction.channel.create_thread(
                name="A new game", type=discord.ChannelType.public_thread
            )
            await interaction.response.send_message(f"Your game: {thread.mention}")
            await thread.send(
                f"{interaction.user.mention} **Describe** one.", file=board("white"), view=Verdict()
            )

        @self.tree.command(description="Say something to the makers")
        async def feedback(interaction: discord.Interaction) -> None:
            await interaction.response.send_modal(Survey())

        @self.tree.command(description="Look at a figure")
        async def figure(interaction: discord.Interaction, name: str) -> None:
            await interaction.response.send_message(f"This is the {name}.", ephemeral=True)

        @figure.autocomplete("name")
        async def names(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
            del interaction
            known = ("swan", "runner", "candle")
            return [app_commands.Choice(name=n, value=n) for n in known if current in n]

        rounds = app_commands.Group(
            name="round",
            description="Training rounds",
            default_permissions=discord.Permissions(manage_guild=True),
        )

        @rounds.command(description="Start a round now")
        async def start(interaction: discord.Interaction, games: app_commands.Range[int, 1, 50]) -> None:
            await interaction.response.send_message(f"A round with {games} games.")

        self.tree.add_command(rounds)
        await self.tree.sync()

    async def on_message(self, message: discord.Message) -> None:
        if isinstance(message.channel, discord.Thread) and not message.author.bot:
            await message.reply(f"You said: {message.content}")


class Stage:
    """The service and the bot in a thread with a loop of its own, so that a test can drive the browser."""

    def __init__(self) -> None:
        self.service = LocalDiscord(
            page=True,
            channels={"play": "Games", "general": "Anything"},
            bot_name="tangram-bot",
            response_window=PATIENCE_SECONDS,
        )
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.over = asyncio.Event()
        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(self.run()), daemon=True)
        self.thread.start()
        assert self.ready.wait(START_SECONDS), "the service or the bot did not start"

    async def run(self) -> None:
        async with self.service:
            with redirect(self.service.rest_url, self.service.gateway_url):
                async with running(Bot(), self.service.token):
                    self.ready.set()
                    await self.over.wait()

    def do(self, what: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Awaits `what(*args)` on the service's loop."""
        return asyncio.run_coroutine_threadsafe(what(*args, **named), self.loop).result(PATIENCE_SECONDS)

    def join(self, name: str) -> Person:
        return self.do(self.service.people.join, name)

    def sign_in(self, name: str) -> str:
        """The session token of a new person's browser."""
        person = self.join(name)
        return self.service.app[PAGE].sign_in(person)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join(PATIENCE_SECONDS)

"""The bot as an extension of somebody else's bot, with cogs and commands of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import discord
import pytest
from bot_house import House
from discord import app_commands
from discord.ext import commands

from bot import texts
from bot.connection import redirect
from local_discord import Person
from store.environment import variable

INTENTS = discord.Intents(guilds=True, guild_messages=True, message_content=True)


class Weather(commands.Cog):
    """A cog of the host."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @app_commands.command(description="The weather")
    async def weather(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message("Sunny.")

    @app_commands.command(description="Fails")
    async def storm(self, interaction: discord.Interaction[Any]) -> None:
        raise RuntimeError("no weather")

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(message.content)


class Host(commands.Bot):
    """Somebody else's bot."""

    def __init__(self, intents: discord.Intents = INTENTS) -> None:
        super().__init__(commands.when_mentioned_or("!"), intents=intents, guild_ready_timeout=0.05)
        self.weather = Weather()

    async def setup_hook(self) -> None:
        await self.add_cog(self.weather)


@pytest.fixture
def modules() -> Iterator[None]:
    """discord.py imports an extension anew and forgets its modules with it; the other tests go on with theirs."""

    def ours() -> dict[str, ModuleType]:
        return {name: module for name, module in sys.modules.items() if name.split(".")[0] == "bot"}

    before = ours()
    yield
    for name in ours():
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
async def host(stopped_house: House, modules: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    """A host that runs, and the environment with our settings."""
    for setting in type(stopped_house.settings).all():
        monkeypatch.delenv(setting.variable, raising=False)
    chosen = stopped_house.settings
    for section, name in (
        ("store", "data_dir"),
        ("store", "database_url"),
        ("discord", "api"),
        ("discord", "gateway"),
        ("service", "url"),
        ("play", "cooldown"),
        ("play", "burst"),
    ):
        value = getattr(getattr(chosen, section), name)
        monkeypatch.setenv(variable(section, name), str(value))
    redirect(chosen)
    async with Host() as host:
        running = asyncio.create_task(host.start(stopped_house.discord.token))
        await host.wait_until_ready()
        yield host
    await asyncio.gather(running, return_exceptions=True)


async def test_a_host_plays_beside_its_own_cogs(stopped_house: House, host: Host, ada: Person, bob: Person):
    house = stopped_house
    await host.load_extension("bot")
    await host.tree.sync()
    thread = await house.play(ada)
    await house.turn(ada, thread, "The Swan 🦢, please")
    assert "The Swan 🦢, please" in host.weather.heard
    await bob.slash("play", "weather")
    await bob.wait_message(lambda message: message.content == "Sunny.")
    await bob.slash("play", "resume")
    assert (await bob.wait_message(lambda message: message.ephemeral)).content == texts.NO_GAME
    bob.user.locale = "de"
    await bob.slash("play", "resume")
    await bob.wait_message(lambda message: message.content.startswith("Du hast hier kein laufendes Spiel"))
    bob.user.locale = "en-US"
    board = house.boards(ada, thread)[-1]
    await bob.press_labelled(board, "Describe")
    await bob.wait_message(lambda message: message.content == texts.not_yours(str(ada.id)))

    await host.unload_extension("bot")
    assert [command.name for command in host.tree.get_commands()] == ["weather", "storm"]
    await ada.say(thread, "no, the other one")
    await host.load_extension("bot")  # what was said meanwhile is read
    await house.next_board(ada, thread)
    assert [turn.utterance for turn in await house.turns(thread)] == [
        "The Swan 🦢, please",
        "no, the other one",
    ]


async def test_the_hooks_of_red_export_and_erase(stopped_house: House, host: Host, ada: Person):
    house = stopped_house
    await host.load_extension("bot")
    await host.tree.sync()
    cog: Any = host.get_cog("Privacy")
    thread = await house.play(ada)
    await house.turn(ada, thread, "the one like a swan")
    (file,) = (await cog.red_get_data_for_user(user_id=ada.id)).values()
    assert "the one like a swan" in file.read().decode()
    await cog.red_delete_data_for_user(requester="user", user_id=ada.id)
    assert await cog.red_get_data_for_user(user_id=ada.id) == {}
    await cog.red_delete_data_for_user(requester="owner", user_id=7)  # who never played


async def test_what_a_host_lacks_is_said(stopped_house: House, host: Host, monkeypatch: pytest.MonkeyPatch):
    blind = Host(discord.Intents(guilds=True))
    with pytest.raises(commands.ExtensionFailed, match="lacks the intents guild_messages"):
        await blind.load_extension("bot")
    monkeypatch.setenv("RESPECT_PLAY__IMAGES", "kilogram:/nowhere")
    with pytest.raises(commands.ExtensionFailed, match="RESPECT_PLAY__IMAGES"):
        await host.load_extension("bot")
    monkeypatch.delenv("RESPECT_PLAY__IMAGES")
    await host.load_extension("bot")  # nothing of the failed attempt is left


async def test_a_hosts_own_errors_are_its_own(stopped_house: House, host: Host, ada: Person):
    await host.load_extension("bot")
    told: list[str] = []

    @host.tree.error
    async def on_error(interaction: discord.Interaction[Any], error: app_commands.AppCommandError) -> None:
        told.append(str(error.__cause__))
        await interaction.response.send_message("Oops.", ephemeral=True)

    await host.tree.sync()
    await ada.slash("play", "storm")
    await ada.wait_message(lambda message: message.content == "Oops.")
    assert told == ["no weather"]

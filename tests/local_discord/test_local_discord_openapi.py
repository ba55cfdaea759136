"""Every request the real client makes fits Discord's published description of its API."""

import io
import os
from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
from discord.ext import commands

from local_discord import LocalDiscord, redirect
from local_discord.client import running
from local_discord.openapi import OpenApi
from local_discord.permissions import BOT_INVITE, Permission
from local_discord.request_log import RequestRecord

BESIDE = Path(__file__).parents[3] / "shared" / "data" / "discord-openapi.json"
DESCRIPTION = Path(os.environ.get("RESPECT_TEST_OPENAPI", BESIDE))


@pytest.fixture(scope="module")
def description() -> OpenApi:
    if not DESCRIPTION.is_file():
        pytest.skip("Discord's API description is not here; RESPECT_TEST_OPENAPI names its file")
    return OpenApi.read(DESCRIPTION)


@pytest.fixture
async def service(description: OpenApi) -> AsyncIterator[LocalDiscord]:
    staff = Permission.MANAGE_THREADS | Permission.MANAGE_MESSAGES
    async with LocalDiscord(validator=description.problems, bot_permissions=BOT_INVITE | staff) as service:
        with redirect(service.rest_url, service.gateway_url):
            yield service


class Bot(commands.Bot):
    def __init__(self) -> None:
        super().__init__(commands.when_mentioned, intents=discord.Intents.default(), guild_ready_timeout=0.05)

        @self.tree.command(name="all", description="One of everything")
        async def everything(interaction: discord.Interaction, text: str = "", count: int = 1) -> None:
            await interaction.response.defer(ephemeral=True, thinking=True)
            await interaction.edit_original_response(content="a", attachments=[_file()], view=Buttons())
            await interaction.original_response()
            more = await interaction.followup.send("b", file=_file(), wait=True)
            await more.edit(content="c")
            await more.delete()
            await interaction.delete_original_response()

        @self.tree.command(name="form", description="A form")
        async def form(interaction: discord.Interaction) -> None:
            await interaction.response.send_modal(Form())

        @self.tree.command(name="layout", description="Components V2")
        async def layout(interaction: discord.Interaction) -> None:
            await interaction.response.send_message(view=Layout(), file=_file())


class Form(discord.ui.Modal, title="A form"):
    words = discord.ui.TextInput(label="Words", custom_id="words")

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message("thanks", view=Buttons())


class Buttons(discord.ui.View):
    @discord.ui.button(label="Go", custom_id="go", emoji="👍")
    async def go(self, interaction: discord.Interaction, _: discord.ui.Button) -> None:
        await interaction.response.edit_message(content="gone", view=None)

    @discord.ui.select(custom_id="pick", options=[discord.SelectOption(label="a", description="b")])
    async def pick(self, interaction: discord.Interaction, _: discord.ui.Select) -> None:
        await interaction.response.defer()


class Layout(discord.ui.LayoutView):
    def __init__(self) -> None:
        super().__init__()
        board = discord.ui.MediaGallery(
            discord.MediaGalleryItem("attachment://board.txt", description="board")
        )
        self.add_item(discord.ui.Container(discord.ui.TextDisplay("Turn 1"), board))
        self.add_item(discord.ui.ActionRow(discord.ui.Button(label="Stop", custom_id="stop")))


def _file() -> discord.File:
    return discord.File(io.BytesIO(b"x"), "board.txt", description="alt text")


def complaints(service: LocalDiscord, description: OpenApi) -> list[str]:
    """The problems of the bot's requests and of this service's answers.

    The description gives a callback's `resource` for types 4 and 7 only, Discord sends its type for all.
    """
    asked = [problem for record in service.log for problem in record.problems or ()]
    answered = [problem for record in service.log for problem in description.answer_problems(record)]
    return asked + [problem for problem in answered if "/callback answered 200: resource" not in problem]


async def test_commands_and_interactions(service: LocalDiscord, description: OpenApi):
    async with running(Bot(), service.token) as bot:
        assert isinstance(bot, Bot)
        await bot.tree.sync()
        await bot.tree.sync(guild=discord.Object(service.guild.id))
        ada = await service.people.join("Ada")
        await ada.slash("general", "all", {"text": "x", "count": 2})
        await ada.wait_for("MESSAGE_DELETE")
        await ada.wait_for("MESSAGE_DELETE")
        await ada.slash("general", "form")
        await ada.submit_modal(await ada.wait_modal(), {"words": "a bird"})
        asked = await ada.wait_message()
        await ada.press(asked, "pick", ["a"])
        await ada.wait_for("INTERACTION_ACK")
        await ada.press(asked, "go")
        assert (await ada.wait_message()).content == "gone"
        await ada.slash("general", "layout")
        shown = await ada.wait_message()
        media = shown.components[0]["components"][1]["items"][0]["media"]
        assert media["url"].startswith(service.base_url)
    assert len(service.log) > 10
    assert complaints(service, description) == []


async def test_messages_threads_and_the_rest(service: LocalDiscord, description: OpenApi):
    async with running(Bot(), service.token) as bot:
        channel = bot.get_channel(service.channel("general").id)
        assert isinstance(channel, discord.TextChannel)
        embed = discord.Embed(title="t", description="d").add_field(name="n", value="v")
        embed.set_image(url="attachment://board.txt")
        message = await channel.send("x", file=_file(), embed=embed, view=Buttons(), nonce="n1")
        await message.edit(content="y", attachments=[])
        await message.reply("z", mention_author=False)
        await message.add_reaction("👍")
        await message.pin()
        assert [pinned async for pinned in channel.pins()]
        thread = await message.create_thread(name="a game", auto_archive_duration=60)
        ada = await service.people.join("Ada")
        await thread.add_user(discord.Object(ada.id))
        await thread.fetch_members()
        assert [m async for m in thread.history(limit=5)]
        async with thread.typing():
            await thread.send("in it")
        await thread.edit(archived=True, locked=True)
        alone = await channel.create_thread(name="alone", type=discord.ChannelType.public_thread)
        await alone.delete()
        await channel.guild.active_threads()
        assert [old async for old in channel.archived_threads()] == [thread]
        await bot.fetch_user(ada.id)
        await channel.guild.fetch_member(ada.id)
        await channel.guild.fetch_roles()
        await channel.guild.fetch_channels()
        await bot.fetch_guild(channel.guild.id)
        await bot.fetch_channel(channel.id)
        direct = await (await bot.fetch_user(ada.id)).create_dm()
        await direct.send("hi")
        await message.delete()
        await bot.application_info()
    assert len(service.log) > 25
    assert complaints(service, description) == []


def test_what_does_not_fit_is_named(description: OpenApi):
    def record(body: object, **changes: object) -> RequestRecord:
        made = {"method": "POST", "path": "/channels/1/messages", "query": {}, **changes}
        return RequestRecord(route="", body=body, files=(), status=200, seconds=0, authorized=True, **made)  # type: ignore[arg-type]

    assert description.problems(record({"content": "x"})) == []
    assert "content" in description.problems(record({"content": 5}))[0]
    assert "no such path" in description.problems(record({}, path="/nowhere"))[0]
    assert "no such method" in description.problems(record({}, method="PUT"))[0]
    assert "unknown query" in description.problems(record({}, query={"wait": "1"}))[0]

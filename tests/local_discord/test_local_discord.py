"""The local service with the real discord.py client: signing in, commands, messages, threads, components."""

import io
from collections.abc import AsyncIterator

import discord
import pytest
from discord import app_commands
from discord.ext import commands

from local_discord import ActionRefused, LocalDiscord, Upload, redirect
from local_discord.client import running
from local_discord.feed import PATIENCE_SECONDS


class Bot(commands.Bot):
    """A bot with one of everything."""

    def __init__(self) -> None:
        intents = discord.Intents.default()
        intents.message_content = True
        super().__init__(
            commands.when_mentioned, intents=intents, help_command=None, guild_ready_timeout=0.05
        )
        self.heard: list[discord.Message] = []
        group = app_commands.Group(
            name="round", description="Rounds", default_permissions=discord.Permissions(manage_guild=True)
        )
        group.command(name="start", description="Start a round")(self.round_start)
        self.tree.add_command(group)
        for callback, description in (
            (self.hello, "Greets"),
            (self.slow, "Thinks first"),
            (self.secret, "Only for you"),
            (self.form, "Opens a form"),
            (self.buttons, "Shows buttons"),
        ):
            self.tree.add_command(
                app_commands.Command(name=callback.__name__, description=description, callback=callback)
            )

    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(message)

    async def round_start(self, interaction: discord.Interaction, force: bool = False) -> None:
        await interaction.response.send_message(f"started, force={force}")

    async def hello(self, interaction: discord.Interaction, name: str) -> None:
        await interaction.response.send_message(f"Hello {name}")

    async def slow(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        await interaction.edit_original_response(content="edited")
        await interaction.followup.send("and another")

    async def secret(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message("psst", ephemeral=True)

    async def form(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Form())

    async def buttons(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message("Press", view=Buttons())


class Form(discord.ui.Modal, title="Describe"):
    text = discord.ui.TextInput(label="What is it?", custom_id="text", max_length=200)

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"You wrote {self.text.value}")


class Buttons(discord.ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Yes", custom_id="yes")
    async def yes(self, interaction: discord.Interaction, _: discord.ui.Button) -> None:
        await interaction.response.edit_message(content="Pressed yes", view=None)

    @discord.ui.select(custom_id="pick", options=[discord.SelectOption(label=x) for x in "abc"], max_values=2)
    async def pick(self, interaction: discord.Interaction, select: discord.ui.Select) -> None:
        await interaction.response.send_message("Picked " + ", ".join(select.values))


@pytest.fixture
async def service() -> AsyncIterator[LocalDiscord]:
    async with LocalDiscord() as service:
        with redirect(service.rest_url, service.gateway_url):
            yield service


@pytest.fixture
async def bot(service: LocalDiscord) -> AsyncIterator[Bot]:
    bot = Bot()
    async with running(bot, service.token):
        yield bot


@pytest.fixture
async def synced(bot: Bot, service: LocalDiscord) -> Bot:
    await bot.tree.sync()
    return bot


def place(bot: Bot, service: LocalDiscord, name: str = "general") -> discord.TextChannel:
    channel = bot.get_channel(service.channel(name).id)
    assert isinstance(channel, discord.TextChannel)
    return channel


async def test_the_client_signs_in_and_sees_the_guild(bot: Bot, service: LocalDiscord):
    guild = bot.guilds[0]
    assert guild.name == "Local Guild"
    assert [channel.name for channel in guild.text_channels] == ["general", "moderators"]
    assert guild.me.guild_permissions.send_messages and not guild.me.guild_permissions.manage_threads


async def test_a_wrong_token_is_refused(service: LocalDiscord):
    with pytest.raises(discord.LoginFailure):
        await Bot().login("wrong")


async def test_commands_sync_and_keep_their_ids(synced: Bot, service: LocalDiscord):
    first = {command.name: command.id for command in await synced.tree.fetch_commands()}
    await synced.tree.sync()
    assert {command.name: command.id for command in await synced.tree.fetch_commands()} == first
    assert set(first) == {"round", "hello", "slow", "secret", "form", "buttons"}


async def test_a_command_gets_its_options_and_answers(synced: Bot, service: LocalDiscord):
    ada = await service.people.join("Ada")
    await ada.slash("general", "hello", {"name": "world"})
    assert (await ada.wait_message()).content == "Hello world"


async def test_a_deferred_answer_is_edited_and_followed_up(synced: Bot, service: LocalDiscord):
    ada = await service.people.join("Ada")
    await ada.slash("general", "slow")
    thinking = await ada.wait_for("MESSAGE_CREATE")
    assert thinking["flags"] & 128
    edited = await ada.wait_message()
    assert (str(edited.id), edited.content) == (thinking["id"], "edited")
    assert (await ada.wait_message()).content == "and another"


async def test_an_ephemeral_answer_is_seen_by_its_user_only(synced: Bot, service: LocalDiscord):
    ada, ben = await service.people.join("Ada"), await service.people.join("Ben")
    await ada.slash("general", "secret")
    message = await ada.wait_message()
    assert message.content == "psst" and message in ada.history("general")
    assert message not in ben.history("general")
    with pytest.raises(TimeoutError):
        await ben.wait_for("MESSAGE_CREATE", timeout=0.1)
    with pytest.raises(discord.NotFound):
        await place(synced, service).fetch_message(message.id)


async def test_commands_for_moderators_are_theirs(synced: Bot, service: LocalDiscord):
    ada = await service.people.join("Ada")
    with pytest.raises(ActionRefused):
        await ada.slash("general", "round start")
    mo = await service.people.join("Mo", moderator=True)
    await mo.slash("general", "round start", {"force": True})
    assert (await mo.wait_message()).content == "started, force=True"
    root = await service.people.join("Root", administrator=True)
    await root.slash("general", "round start")


async def test_a_modal_opens_and_is_submitted(synced: Bot, service: LocalDiscord):
    ada = await service.people.join("Ada")
    await ada.slash("general", "form")
    opened = await ada.wait_modal()
    assert opened["title"] == "Describe"
    with pytest.raises(ActionRefused):
        await ada.submit_modal(opened, {"text": ""})
    await ada.submit_modal(opened, {"text": "a bird"})
    assert (await ada.wait_message()).content == "You wrote a bird"


async def test_buttons_and_selects(synced: Bot, service: LocalDiscord):
    ada = await service.people.join("Ada")
    await ada.slash("general", "buttons")
    message = await ada.wait_message()
    await ada.press(message, "pick", ["a", "c"])
    assert (await ada.wait_message()).content == "Picked a, c"
    await ada.press_labelled(message, "Yes")
    assert (await ada.wait_message()).content == "Pressed yes"
    with pytest.raises(ActionRefused):
        await ada.press(message, "yes")


async def test_a_persistent_view_works_after_a_restart(synced: Bot, service: LocalDiscord):
    ada = await service.people.join("Ada")
    await ada.slash("general", "buttons")
    message = await ada.wait_message()
    await synced.close()
    again = Bot()
    again.add_view(Buttons())
    async with running(again, service.token):
        await ada.press(message, "yes")
        assert (await ada.wait_message()).content == "Pressed yes"


async def test_the_bot_receives_what_people_write(bot: Bot, service: LocalDiscord):
    ada = await service.people.join("Ada")
    await ada.say("general", "hello there", files=[Upload("note.txt", b"hi", "text/plain")])
    await ada.typing("general")
    received = await _soon(bot, lambda m: m.content == "hello there")
    assert received.author.display_name == "Ada"
    assert await received.attachments[0].read() == b"hi"


async def _soon(bot: Bot, check) -> discord.Message:
    for message in bot.heard:
        if check(message):
            return message
    return await bot.wait_for("message", check=check, timeout=PATIENCE_SECONDS)


def picture() -> discord.File:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(data, "PNG")
    data.seek(0)
    return discord.File(data, "board.png", description="Ten figures")


async def test_a_picture_is_sent_and_replaced_by_an_edit(bot: Bot, service: LocalDiscord):
    ada = await service.people.join("Ada")
    message = await place(bot, service).send("Turn 1", file=picture())
    assert message.attachments[0].description == "Ten figures"
    assert (message.attachments[0].width, message.attachments[0].content_type) == (40, "image/png")
    edited = await message.edit(content="Turn 2", attachments=[picture()])
    assert [a.id for a in edited.attachments] != [a.id for a in message.attachments]
    seen = await ada.wait_for("MESSAGE_UPDATE")
    assert (seen["content"], len(seen["attachments"])) == ("Turn 2", 1)
    kept = await edited.edit(attachments=[*edited.attachments, picture()])
    assert len(kept.attachments) == 2


async def test_threads(bot: Bot, service: LocalDiscord):
    ada = await service.people.join("Ada")
    channel = place(bot, service)
    thread = await channel.create_thread(name="Ada's game", type=discord.ChannelType.public_thread)
    await thread.add_user(discord.Object(ada.id))
    assert (await ada.wait_for("THREAD_CREATE"))["name"] == "Ada's game"
    await ada.say("Ada's game", "the bird")
    assert (await _soon(bot, lambda m: m.content == "the bird")).channel == thread
    await thread.edit(name="Over", archived=True)
    assert (await ada.wait_for("THREAD_UPDATE"))["thread_metadata"]["archived"]
    await ada.say("Over", "one more")
    assert not service.channel("Over").archived
    with pytest.raises(discord.Forbidden):
        await thread.edit(locked=True)
    message = await channel.send("a game")
    from_message = await message.create_thread(name="Second")
    assert from_message.id == message.id
    assert {t.name for t in await channel.guild.active_threads()} == {"Over", "Second"}

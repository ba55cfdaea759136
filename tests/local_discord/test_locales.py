"""People and servers have languages: commands are shown in them, and interactions name them."""

import asyncio

import discord
import pytest
from discord import app_commands

from local_discord import LocalDiscord
from local_discord.client import redirect, running
from local_discord.invoke import ActionRefused
from local_discord.local import locale_of


class German(app_commands.Translator):
    words = {"say": "sagen", "word": "wort", "Say a word": "Sag ein Wort", "the sea": "das Meer"}  # noqa: RUF012

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: object
    ) -> str | None:
        return self.words.get(string.message) if locale is discord.Locale.german else None


async def test_commands_are_shown_and_used_in_the_language_of_a_person():
    client = discord.Client(intents=discord.Intents.none())
    tree = app_commands.CommandTree(client)
    heard: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()

    @tree.command(description="Say a word")
    @app_commands.choices(word=[app_commands.Choice(name="the sea", value="sea")])
    async def say(interaction: discord.Interaction, word: str) -> None:
        await heard.put((word, str(interaction.locale), str(interaction.guild_locale)))
        await interaction.response.send_message(word)

    async with LocalDiscord() as service:
        service.guild.locale = "fr"
        with redirect(service.rest_url, service.gateway_url):
            async with running(client, service.token):
                await tree.set_translator(German())
                await tree.sync()
                anna = await service.people.join("Anna", locale="de")
                (shown,) = anna.commands("general")
                assert (shown["name"], shown["description"]) == ("sagen", "Sag ein Wort")
                (option,) = shown["options"]
                assert (option["name"], option["choices"][0]["name"]) == ("wort", "das Meer")
                await anna.slash("general", "sagen", {"wort": "sea"})
                assert await heard.get() == ("sea", "de", "fr")
                await anna.slash("general", "say", {"word": "sea"})  # the other name works as well
                assert await heard.get() == ("sea", "de", "fr")
                ben = await service.people.join("Ben")
                assert ben.commands("general")[0]["name"] == "say"
                with pytest.raises(ActionRefused):
                    await ben.slash("general", "sagen", {"wort": "sea"})


@pytest.mark.parametrize(
    ("language", "locale"),
    [("de-AT", "de"), ("de", "de"), ("en", "en-US"), ("en-GB", "en-GB"), ("es", "es-419"), ("", "en-US")],
)  # fmt: skip
def test_the_language_of_a_browser_is_one_of_discord(language: str, locale: str):
    assert locale_of(language) == locale

"""Buttons and forms. Each carries in its custom id all it needs, so that it works after any restart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

import discord

from bot import texts
from bot.errors import AlreadyPlaying
from bot.play.utterances import LONGEST, Unplayable, Utterance, read
from bot.respond import acknowledge, answer, answer_error
from games import DEFAULT_GAME, GAMES
from games.core import Outcome
from store.models import Game

if TYPE_CHECKING:
    from bot.app import RespectBot

    Click = discord.Interaction[RespectBot]

_GAME = r"(?P<game>[0-9a-f]{32}):(?P<player>\d+)"
FORM = re.compile(rf"describe-form:{_GAME}")
FIELD = "utterance"


class GameButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"never"):
    """A button of one game, for its player only."""

    action: str
    label: str
    style = discord.ButtonStyle.secondary

    def __init__(self, game_id: str, player_id: str) -> None:
        super().__init__(
            discord.ui.Button(
                label=self.label, style=self.style, custom_id=f"{self.action}:{game_id}:{player_id}"
            )
        )
        self.game_id = game_id
        self.player_id = player_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["game"], match["player"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        try:
            if str(interaction.user.id) != self.player_id:
                await answer(interaction, texts.not_yours(int(self.player_id)))
                return
            await self.pressed(interaction)
        except Exception as error:
            await answer_error(interaction, error, game=self.game_id)

    async def pressed(self, interaction: Click) -> None:
        """The game's own player pressed it."""
        raise NotImplementedError


class DescribeButton(GameButton, template=rf"describe:{_GAME}"):
    """Opens the form, which works without the message-content intent."""

    action, label, style = "describe", texts.DESCRIBE, discord.ButtonStyle.primary

    async def pressed(self, interaction: Click) -> None:
        await interaction.response.send_modal(DescribeForm(self.game_id, self.player_id))


class GiveUpButton(GameButton, template=rf"giveup:{_GAME}"):
    """Asks whether one is sure."""

    action, label = "giveup", texts.GIVE_UP

    async def pressed(self, interaction: Click) -> None:
        view = discord.ui.View(timeout=None)
        view.add_item(GiveUpYesButton(self.game_id, self.player_id))
        await answer(interaction, texts.GIVE_UP_SURE, view=view)


class GiveUpYesButton(GameButton, template=rf"giveup-yes:{_GAME}"):
    """Ends the game."""

    action, label, style = "giveup-yes", texts.GIVE_UP_YES, discord.ButtonStyle.danger

    async def pressed(self, interaction: Click) -> None:
        await acknowledge(interaction)
        ended = await interaction.client.games.give_up(self.game_id)
        await interaction.edit_original_response(
            content=texts.GIVEN_UP if ended else texts.GAME_IS_OVER, view=None
        )


class NewGameButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"newgame(?::(?P<name>\w+))?"):
    """Starts another game of the same kind for whoever presses it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            discord.ui.Button(
                label=texts.NEW_GAME, style=discord.ButtonStyle.success, custom_id=f"newgame:{name}"
            )
        )
        self.name = name

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["name"] if match["name"] in GAMES else DEFAULT_GAME)  # old boards do not say which

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        try:
            await start_game(interaction, self.name)
        except Exception as error:
            await answer_error(interaction, error)


class DescribeForm(discord.ui.Modal, title=texts.MODAL_TITLE):
    """The form itself. What is sent in arrives at `form_sent`, also after a restart in between."""

    def __init__(self, game_id: str, player_id: str) -> None:
        super().__init__(custom_id=f"describe-form:{game_id}:{player_id}", timeout=None)
        self.add_item(
            discord.ui.Label(
                text=texts.MODAL_LABEL,
                component=discord.ui.TextInput(
                    custom_id=FIELD,
                    style=discord.TextStyle.paragraph,
                    placeholder=texts.MODAL_HINT,
                    max_length=LONGEST,
                ),
            )
        )


DYNAMIC = (DescribeButton, GiveUpButton, GiveUpYesButton, NewGameButton)


def board_view(game: Game, player_id: str) -> discord.ui.View:
    """The buttons under a board."""
    view = discord.ui.View(timeout=None)
    if game.outcome is Outcome.OPEN:
        view.add_item(DescribeButton(game.id, player_id))
        view.add_item(GiveUpButton(game.id, player_id))
    else:
        view.add_item(NewGameButton(game.game))
    return view


async def start_game(interaction: Click, name: str) -> None:
    """Open a game, by its name, for whoever asked, and say where it is."""
    await acknowledge(interaction, thinking=True)
    if interaction.guild is None:
        await answer(interaction, texts.ONLY_IN_SERVERS)
        return
    try:
        thread = await interaction.client.opener.open(
            interaction.channel, interaction.user, str(interaction.locale), name
        )
    except AlreadyPlaying as running:
        view = discord.ui.View(timeout=None)
        view.add_item(GiveUpButton(running.game.id, str(interaction.user.id)))
        await answer(interaction, str(running), view=view)
        interaction.client.games.wake(running.game.id)
        return
    await answer(interaction, texts.opened(thread.id))


async def form_sent(interaction: Click) -> None:
    """Somebody sent in the form. Other forms are left alone."""
    data: Any = interaction.data
    match = FORM.fullmatch(data.get("custom_id", ""))
    if match is None:
        return
    text = _field(data.get("components", [])).strip()
    try:
        if str(interaction.user.id) != match["player"]:
            await answer(interaction, texts.not_yours(int(match["player"])))
            return
        await acknowledge(interaction)
        match read(text):
            case Utterance(text=words):
                kept = await interaction.client.games.say(match["game"], words, str(interaction.id), "modal")
                if not kept:
                    await answer(interaction, texts.GAME_IS_OVER)
            case Unplayable(answer=sentence):
                await answer(interaction, sentence)
            case None:
                await answer(interaction, texts.WORDS_PLEASE)
    except Exception as error:
        await answer_error(interaction, error, said=text, game=match["game"])


def _field(components: list[dict[str, Any]]) -> str:
    """The form's one field, in a label or in a row."""
    for component in components:
        if component.get("custom_id") == FIELD:
            return str(component.get("value", ""))
        inner = component.get("components") or [component[key] for key in ("component",) if key in component]
        found = _field(inner) if inner else ""
        if found:
            return found
    return ""

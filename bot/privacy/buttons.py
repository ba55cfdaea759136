"""The buttons of a player's `/privacy` panel: choices, export, erasure."""

import asyncio
import io
from collections.abc import Mapping

import discord
import structlog

from bot.components import Button, Buttons
from bot.privacy import texts
from bot.privacy.data import erase, exported, player_kept
from bot.respond import acknowledge, answer
from bot.services import BotInteraction, Services, services_of
from games.language import _
from store.games import games_played
from store.models import ConsentKind, Origin
from store.players import (
    consents,
    give_consent,
    player_of,
)
from store.studies import count_answers

log = structlog.get_logger(__name__)

SOURCE, FIRST_GAME = "/privacy", "first game"
"""Where a choice was made."""


class PanelButton(Button, template=r"(?!)"):
    """A button of a panel that only the panel's owner may press."""

    def refusal(self, owner: str) -> str:
        return texts.not_your_panel()


class ConsentButton(PanelButton, template=r"privacy:(?P<kind>training|research|unlisted):(?P<owner>\d+)"):
    """Makes or withdraws a choice."""

    def __init__(self, kind: str, owner: str, granted: bool = False) -> None:
        quiet = granted or kind == ConsentKind.UNLISTED
        style = discord.ButtonStyle.secondary if quiet else discord.ButtonStyle.success
        super().__init__(f"privacy:{kind}:{owner}", owner, texts.toggle(kind, granted), style)
        self.kind = ConsentKind(kind)

    async def pressed(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction)
        await _toggle(interaction, self.kind, SOURCE)
        text, buttons = await panel(services_of(interaction), interaction.user)
        await interaction.edit_original_response(content=text, view=buttons)


class FirstChoiceButton(PanelButton, template=r"choice:(?P<kind>training|research):(?P<owner>\d+)"):
    """Makes or withdraws a choice under the notice of a player's first game."""

    def __init__(self, kind: str, owner: str, granted: bool = False) -> None:
        style = discord.ButtonStyle.secondary if granted else discord.ButtonStyle.success
        super().__init__(f"choice:{kind}:{owner}", owner, texts.toggle(kind, granted), style)
        self.kind = ConsentKind(kind)

    async def pressed(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction)
        answers = await _toggle(interaction, self.kind, FIRST_GAME)
        origin = services_of(interaction).settings.origin
        buttons = _first_choices(interaction.user, answers, origin)
        await interaction.edit_original_response(view=buttons)


class ExportButton(PanelButton, template=r"privacy:export:(?P<owner>\d+)"):
    """Sends all stored data of the player, as a file."""

    label = texts.EXPORT

    def __init__(self, owner: str) -> None:
        super().__init__(f"privacy:export:{owner}", owner)

    async def pressed(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction, thinking=True)
        bot = services_of(interaction)
        player = await player_kept(bot, interaction.user.id)
        if player is None or player.id is None:
            await answer(interaction, texts.NOTHING_KEPT)
            return
        limit = interaction.filesize_limit
        parts = await asyncio.to_thread(exported, bot.database, player.id, limit, bot.study.name)
        for number, (name, data) in enumerate(parts, 1):
            text = texts.exported(number, len(parts))
            await answer(interaction, text, file=discord.File(io.BytesIO(data), filename=name))


class EraseButton(PanelButton, template=r"privacy:erase:(?P<owner>\d+)"):
    """Asks for confirmation."""

    label, style = texts.ERASE, discord.ButtonStyle.danger

    def __init__(self, owner: str) -> None:
        super().__init__(f"privacy:erase:{owner}", owner)

    async def pressed(self, interaction: BotInteraction) -> None:
        await answer(interaction, texts.ERASE_SURE, view=Buttons(EraseYesButton(str(interaction.user.id))))


class EraseYesButton(PanelButton, template=r"privacy:erase-yes:(?P<owner>\d+)"):
    """Ends the running games and erases everything."""

    label, style = texts.ERASE_YES, discord.ButtonStyle.danger

    def __init__(self, owner: str) -> None:
        super().__init__(f"privacy:erase-yes:{owner}", owner)

    async def pressed(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction)
        bot = services_of(interaction)
        player = await player_kept(bot, interaction.user.id)
        if player is None or player.id is None:
            await interaction.edit_original_response(content=_(texts.NOTHING_KEPT), view=None)
            return
        games, adapters, at_once = await erase(bot, player.id)
        text = texts.erased(games, adapters, at_once=at_once)
        await interaction.edit_original_response(content=text, view=None)


BUTTONS = (ConsentButton, FirstChoiceButton, ExportButton, EraseButton, EraseYesButton)


async def first_choices(bot: Services, user: discord.abc.User) -> tuple[str, Buttons] | None:
    """The notice with two choices for somebody who begins the first game; None for everybody else."""
    player = await player_kept(bot, user.id)
    if player is None or player.id is None:
        return None
    async with bot.database.async_session() as session:
        if await games_played(session, player.id) != 1:
            return None
        answers = await consents(session, player.id)
    origin = bot.settings.origin
    return texts.first_choices(local=origin is not Origin.DISCORD), _first_choices(user, answers, origin)


def _first_choices(user: discord.abc.User, answers: Mapping[ConsentKind, bool], origin: Origin) -> Buttons:
    kinds = (
        [ConsentKind.TRAINING, ConsentKind.RESEARCH] if origin is Origin.DISCORD else [ConsentKind.RESEARCH]
    )
    return Buttons(*(FirstChoiceButton(kind.value, str(user.id), answers[kind]) for kind in kinds))


async def panel(bot: Services, user: discord.abc.User) -> tuple[str, Buttons]:
    """Answer with a summary of the stored data of a player and the buttons."""
    player, games, study_answers = await player_kept(bot, user.id), 0, 0
    answers = dict.fromkeys(ConsentKind, False)
    if player is not None and player.id is not None:
        async with bot.database.async_session() as session:
            answers = await consents(session, player.id)
            games = await games_played(session, player.id)
            study_answers = await count_answers(session, player.id)
    owner = str(user.id)
    local = bot.settings.origin is not Origin.DISCORD
    buttons = Buttons(
        *(
            ConsentButton(kind.value, owner, granted)
            for kind, granted in answers.items()
            if not (local and kind is ConsentKind.TRAINING)
        ),
        ExportButton(owner),
        EraseButton(owner),
    )
    text = texts.privacy(
        games,
        answers[ConsentKind.TRAINING],
        answers[ConsentKind.RESEARCH],
        listed=not answers[ConsentKind.UNLISTED],
        local=local,
    )
    if study_answers:
        text = f"{text}\n{texts.kept_answers(study_answers)}"
    return text, buttons


async def _toggle(interaction: BotInteraction, kind: ConsentKind, source: str) -> dict[ConsentKind, bool]:
    """Make a choice or withdraw it. Gives all choices after that."""
    bot, user = services_of(interaction), interaction.user
    async with bot.database.async_writing() as session:
        player = await player_of(
            session, bot.settings.origin, str(user.id), user.display_name, str(interaction.locale)
        )
        assert player.id is not None
        answers = await consents(session, player.id)
        answers[kind] = not answers[kind]
        await give_consent(session, player.id, kind, answers[kind], source)
    log.info("consent", player=player.id, kind=kind.value, granted=answers[kind])
    if kind is ConsentKind.TRAINING and not answers[kind]:
        await bot.console.leave_affected()
    return answers

"""The exit survey: a button with the final board of a player's last game in a study, and its form."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import discord
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.components import Button, Buttons, Form
from bot.errors import Refusal
from bot.respond import acknowledge, answer
from bot.services import BotInteraction, RunningStudy, Services, services_of
from bot.study import texts
from games.core import Outcome
from research.study.file import Item, Survey
from store.models import Game
from store.players import known_player
from store.studies import assignments_of, keep_survey

log = structlog.get_logger(__name__)

_ID = r"(?P<study>[a-z0-9-]{1,40}):(?P<page>\d{1,2}):(?P<owner>\d+)"


class SurveyNotes:
    """Asks for the survey with the final board of a game."""

    def __init__(self, study: RunningStudy) -> None:
        self._study = study

    async def with_board(self, game: Game, user_id: str) -> tuple[str, "SurveyButton"] | None:
        """The line and the button for a board; None if no survey is due. A board is shown without if it cannot be
        read."""
        if self._study.name is None or game.outcome is Outcome.OPEN:
            return None
        try:
            page = await self._study.survey_page(game.player_id)
        except SQLAlchemyError as error:
            log.warning("survey not looked up", game=game.id, error=str(error.__cause__ or error))
            return None
        if page is None:
            return None
        return texts.SURVEY_ASKED, SurveyButton(self._study.name, str(page), user_id)


class SurveyButton(Button, template=rf"survey:{_ID}"):
    """Opens a page of the survey."""

    label, style = texts.TAKE_SURVEY, discord.ButtonStyle.primary

    def __init__(self, study: str, page: str, owner: str) -> None:
        super().__init__(f"survey:{study}:{page}:{owner}", owner)
        self.study = study

    def refusal(self, owner: str) -> str:
        return texts.NOT_YOUR_SURVEY

    async def pressed(self, interaction: BotInteraction) -> None:
        bot = services_of(interaction)
        survey = _survey(bot, self.study)
        page = await bot.study.survey_page(await _player_id(bot, interaction.user))
        if page is None:
            raise Refusal(texts.SURVEY_ANSWERED)
        fields = [_field(item, survey.scale) for item in survey.pages[page]]
        form = SurveyForm(self.study, str(page), str(interaction.user.id), fields)
        await interaction.response.send_modal(form)


class SurveyForm(Form):
    """One page of the survey."""

    heading = texts.SURVEY_TITLE
    template = re.compile(rf"survey-form:{_ID}")

    def __init__(
        self, study: str, page: str, owner: str, fields: Sequence[discord.ui.Label[Any]] = ()
    ) -> None:
        super().__init__(f"survey-form:{study}:{page}:{owner}", owner, fields)
        self.study, self.page = study, int(page)

    def refusal(self, owner: str) -> str:
        return texts.NOT_YOUR_SURVEY

    async def submitted(self, interaction: BotInteraction, values: Mapping[str, str]) -> None:
        await acknowledge(interaction, thinking=True)
        bot = services_of(interaction)
        survey = _survey(bot, self.study)
        items = survey.pages[self.page] if self.page < len(survey.pages) else ()
        scale = {str(value): value for value in range(1, survey.scale + 1)}
        answers = {item.name: scale[values[item.name]] for item in items if values.get(item.name) in scale}
        if len(answers) < len(items):
            raise Refusal(texts.SURVEY_INCOMPLETE)
        player_id = await _player_id(bot, interaction.user)
        async with bot.database.async_writing() as session:
            played = await assignments_of(session, player_id, self.study)
            if not played:
                raise Refusal(texts.SURVEY_OVER)
            await keep_survey(session, player_id, played[-1][1].id, self.study, answers)
        page = await bot.study.survey_page(player_id)
        if page is None:
            await answer(interaction, texts.SURVEY_DONE)
            return
        button = SurveyButton(self.study, str(page), str(interaction.user.id))
        await answer(interaction, texts.survey_more(page + 1, len(survey.pages)), view=Buttons(button))


def _survey(bot: Services, study: str) -> Survey:
    """The survey of the study that a button belongs to. Raises Refusal if it does not run any more."""
    file = bot.study.file
    if file is None or file.study.name != study or file.study.survey is None:
        raise Refusal(texts.SURVEY_OVER)
    return file.study.survey


async def _player_id(bot: Services, user: discord.abc.User) -> int:
    """Raises Refusal for somebody who has not played."""
    async with bot.database.async_session() as session:
        player = await known_player(session, bot.settings.origin, str(user.id))
    if player is None or player.id is None:
        raise Refusal(texts.SURVEY_OVER)
    return player.id


def _field(item: Item, scale: int) -> discord.ui.Label[Any]:
    options = [
        discord.SelectOption(label=texts.choice(value, scale, item.low, item.high), value=str(value))
        for value in range(1, scale + 1)
    ]
    menu = discord.ui.Select[Any](custom_id=item.name, options=options)
    return discord.ui.Label(text=item.text, description=item.detail, component=menu)

"""The quiz before a player's first game in a study."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import discord

from bot.components import Button, Buttons, Form
from bot.errors import QuizFirst, Refusal
from bot.play.buttons import NewGameButton
from bot.respond import acknowledge, answer
from bot.services import BotInteraction, Services, services_of
from bot.study import texts
from research.study.file import Question, Study
from store.players import player_of
from store.study_tables import QuizAnswer


def quiz_first(questions: int, user_id: str) -> QuizFirst:
    """The refusal that asks a person to answer so many questions first."""
    return QuizFirst(texts.quiz_first(questions), Buttons(QuizButton(user_id)))


class QuizButton(Button, template=r"quiz:(?P<owner>\d+)"):
    """Opens the questions that have not been answered right."""

    label, style = texts.TAKE_QUIZ, discord.ButtonStyle.primary

    def __init__(self, owner: str) -> None:
        super().__init__(f"quiz:{owner}", owner)

    def refusal(self, owner: str) -> str:
        return texts.NOT_YOUR_QUIZ

    async def pressed(self, interaction: BotInteraction) -> None:
        bot = services_of(interaction)
        study, _, missing = await _missing(bot, interaction)
        fields = [_field(question) for question in study.quiz if question.name in missing]
        if not fields:
            raise Refusal(texts.QUIZ_OVER)
        await interaction.response.send_modal(QuizForm(str(interaction.user.id), fields))


class QuizForm(Form):
    """The questions."""

    heading = texts.QUIZ_TITLE
    template = re.compile(r"quiz-form:(?P<owner>\d+)")

    def __init__(self, owner: str, fields: Sequence[discord.ui.Label[Any]] = ()) -> None:
        super().__init__(f"quiz-form:{owner}", owner, fields)

    def refusal(self, owner: str) -> str:
        return texts.NOT_YOUR_QUIZ

    async def submitted(self, interaction: BotInteraction, values: Mapping[str, str]) -> None:
        await acknowledge(interaction, thinking=True)
        bot = services_of(interaction)
        study, player_id, missing = await _missing(bot, interaction)
        asked = [question for question in study.quiz if question.name in missing]
        given = {question.name: _chosen(question, values.get(question.name, "")) for question in asked}
        async with bot.database.async_writing() as session:
            for question in asked:
                if (choice := given[question.name]) is not None:
                    right = choice == question.answer
                    session.add(
                        QuizAnswer(
                            player_id=player_id,
                            study=study.name,
                            question=question.name,
                            answer=choice,
                            correct=right,
                        )
                    )
        wrong = [question for question in asked if given[question.name] != question.answer]
        if wrong:
            text = texts.quiz_wrong([(question.text, question.why) for question in wrong])
            await answer(interaction, text, view=Buttons(QuizButton(str(interaction.user.id))))
            return
        await answer(interaction, texts.QUIZ_PASSED, view=Buttons(NewGameButton(study.game)))


async def _missing(bot: Services, interaction: BotInteraction) -> tuple[Study, int, list[str]]:
    """(study, player id, questions not answered right yet). Raises Refusal if no study runs."""
    user = interaction.user
    if bot.study.file is None:
        raise Refusal(texts.QUIZ_OVER)
    async with bot.database.async_writing() as session:
        player = await player_of(
            session, bot.settings.origin, str(user.id), user.display_name, str(interaction.locale)
        )
        assert player.id is not None
        return (
            bot.study.file.study,
            player.id,
            await bot.study.missing_questions(session, player.id),
        )


def _chosen(question: Question, value: str) -> str | None:
    """The choice with this number, from 0; None for what is no choice."""
    number = int(value) if value.isdecimal() else len(question.choices)
    return question.choices[number] if number < len(question.choices) else None


def _field(question: Question) -> discord.ui.Label[Any]:
    options = [
        discord.SelectOption(label=choice, value=str(number))
        for number, choice in enumerate(question.choices)
    ]
    menu = discord.ui.Select[Any](custom_id=question.name, options=options)
    return discord.ui.Label(text=question.text, description=question.detail, component=menu)

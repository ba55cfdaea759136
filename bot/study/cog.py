"""Receives the forms of studies."""

import discord
from discord.ext import commands

from bot.cogs import Cog
from bot.services import BotInteraction
from bot.study.quiz import QuizForm
from bot.study.survey import SurveyForm


class StudyForms(Cog):
    """The quiz and the exit survey."""

    @commands.Cog.listener()
    async def on_interaction(self, interaction: BotInteraction) -> None:
        if interaction.type is discord.InteractionType.modal_submit:
            await QuizForm.receive(interaction)
            await SurveyForm.receive(interaction)

"""Studies: games that are assigned to arms, the quiz before them, and the survey after them."""

from bot.services import Services
from bot.study.cog import StudyForms
from bot.study.export import Export
from bot.study.quiz import QuizButton
from bot.study.survey import SurveyButton


async def setup(bot: Services) -> None:
    """Add the command, the buttons, and what receives the forms."""
    bot.add_dynamic_items(QuizButton, SurveyButton)
    await bot.add_cog(StudyForms())
    await bot.add_cog(Export(bot))

"""The texts of studies. They name neither arms nor adapters, which players must not know.

Statements, questions and choices are in the study's file, in the language of its author.
"""

from bot.language import number
from games.language import N_, _, ngettext

OWNER_ONLY = N_("That is for whoever runs me: it has games of every server.")
FORMATS = {"parquet": N_("Parquet"), "jsonl": N_("JSON lines"), "csv": N_("CSV")}
EXPORT_EMPTY = N_("No game is finished yet, so there's nothing to export.")
EXPORT_TOO_LARGE = N_("That export is too large to upload here. `respect export` writes it on my machine.")

TAKE_SURVEY = N_("Answer a few questions")
SURVEY_TITLE = N_("How was it?")
SURVEY_OVER = N_("That study has ended, so its questions can't be answered any more.")
SURVEY_DONE = N_("Thank you, I've kept your answers. `/privacy` shows and erases them.")
SURVEY_ANSWERED = N_("You've answered these questions already. Thank you!")
SURVEY_INCOMPLETE = N_("Please choose an answer to every question.")
NOT_YOUR_SURVEY = N_("These questions are for the player of this game.")
SURVEY_ASKED = N_("Those were your games in this study. Please answer a few questions about them.")

QUIZ_TITLE = N_("Before your first game")
TAKE_QUIZ = N_("Answer")
QUIZ_PASSED = N_("All right! Now you can play.")
QUIZ_OVER = N_("There are no questions any more. `/play` starts a game.")
NOT_YOUR_QUIZ = N_("These questions are for somebody else. `/play` starts your own game.")


def exported(games: int) -> str:
    """The answer to `/export`."""
    return ngettext(
        "{games} finished game of those who agreed to research, under pseudonyms.",
        "{games} finished games of those who agreed to research, under pseudonyms.",
        games,
    ).format(games=number(games))


def quiz_first(questions: int) -> str:
    """Asks to answer the quiz before the first game."""
    return ngettext(
        "Before your first game, please answer a question about how it is played. `/rules` explains it.",
        "Before your first game, please answer {questions} questions about how it is played. `/rules` explains it.",
        questions,
    ).format(questions=questions)


def quiz_wrong(reasons: list[tuple[str, str]]) -> str:
    """`reasons`: (question, why another answer is right), of those that were not answered right."""
    lines = [f"**{question}** {why}" for question, why in reasons]
    return _("Not quite:\n{reasons}\nPlease answer again.").format(reasons="\n".join(lines))


def survey_more(page: int, pages: int) -> str:
    """After a page of the survey that is not the last. `page` is the next one, from 1."""
    return _("Thank you. There are more questions, page {page} of {pages}.").format(page=page, pages=pages)


def choice(value: int, scale: int, low: str, high: str) -> str:
    """An answer on a scale, with the meaning of its ends."""
    meaning = low if value == 1 else high if value == scale else ""
    return f"{value}: {meaning}" if meaning else str(value)

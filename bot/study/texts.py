"""The texts of studies. They name neither arms nor adapters, which players must not know."""

TAKE_SURVEY = "Answer a few questions"
SURVEY_TITLE = "How was it?"
SURVEY_OVER = "That study has ended, so its questions can't be answered any more."
SURVEY_DONE = "Thank you, I've kept your answers. `/privacy` shows and erases them."
SURVEY_ANSWERED = "You've answered these questions already. Thank you!"
SURVEY_INCOMPLETE = "Please choose an answer to every question."
NOT_YOUR_SURVEY = "These questions are for the player of this game."
SURVEY_ASKED = "Those were your games in this study. Please answer a few questions about them."

QUIZ_TITLE = "Before your first game"
TAKE_QUIZ = "Answer"
PLAY_NOW = "Play"
QUIZ_PASSED = "All right! Now you can play."
QUIZ_OVER = "There are no questions any more. `/play` starts a game."
NOT_YOUR_QUIZ = "These questions are for somebody else. `/play` starts your own game."


def quiz_first(questions: int) -> str:
    """Asks to answer the quiz before the first game."""
    what = "a question" if questions == 1 else f"{questions} questions"
    return f"Before your first game, please answer {what} about how it is played. `/rules` explains it."


def quiz_wrong(reasons: list[tuple[str, str]]) -> str:
    """`reasons`: (question, why another answer is right), of those that were not answered right."""
    lines = [f"**{question}** {why}" for question, why in reasons]
    return "\n".join(["Not quite:", *lines, "Please answer again."])


def survey_more(page: int, pages: int) -> str:
    """After a page of the survey that is not the last. `page` is the next one, from 1."""
    return f"Thank you. There are more questions, page {page} of {pages}."


def choice(value: int, scale: int, low: str, high: str) -> str:
    """An answer on a scale, with the meaning of its ends."""
    meaning = low if value == 1 else high if value == scale else ""
    return f"{value}: {meaning}" if meaning else str(value)

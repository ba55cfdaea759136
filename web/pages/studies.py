"""Studies: how far each is, and what its arms, survey and quiz gave. For researchers; players are told no arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from aiohttp import web
from sqlmodel import Session

from games.core import Outcome
from research.study.comparison import ArmResult, compare
from research.study.file import Arm, Study, parse_study
from store import studies
from store.studies import Answered, Assigned, Began, PlayerGames
from store.study_tables import KeptStudy
from web.pages.chart import Share, chart_of
from web.pages.games import plain
from web.pages.site import SITE, estimate


@dataclass(frozen=True)
class ShownArm:
    """An arm with its games."""

    name: str
    arm: Arm | None
    """None if it is not in the study's file (any more)."""
    assigned: list[Assigned]
    result: ArmResult

    def count(self, *outcomes: Outcome) -> int:
        """Games with one of these outcomes; with none given, all."""
        return sum(each.games[one] for each in self.assigned for one in outcomes or Outcome)


@dataclass(frozen=True)
class Found:
    """All that is known of one study."""

    name: str
    files: Sequence[KeptStudy]
    """The newest first; none if the bot that ran it was too old to keep it."""
    began: Began | None
    assigned: list[Assigned]
    by_player: list[PlayerGames]

    @cached_property
    def study(self) -> Study | None:
        """What its newest file says; None if that is not known."""
        return parse_study(self.files[0].text) if self.files else None

    @cached_property
    def arms(self) -> list[ShownArm]:
        """Those of the file in its order, then others that games were assigned to."""
        in_file = {arm.name: arm for arm in self.study.arms} if self.study else {}
        others = sorted({each.arm for each in self.assigned} - in_file.keys())
        return [
            ShownArm(
                result.arm,
                in_file.get(result.arm),
                [each for each in self.assigned if each.arm == result.arm],
                result,
            )
            for result in compare([*in_file, *others], self.by_player)
        ]

    @property
    def least(self) -> int:
        """Finished games in the arm of the file that has the fewest."""
        return min((each.result.games for each in self.arms if each.arm is not None), default=0)

    @property
    def has_stopped(self) -> bool:
        """Whether the stop rule assigns no more games."""
        return self.study is not None and self.least >= self.study.games_per_arm


def _find(session: Session, name: str) -> Found | None:
    files, began = studies.kept_files(session, name), studies.studies_with_games(session).get(name)
    if not files and began is None:
        return None
    by_player = studies.games_by_player(session, name)
    return Found(name, files, began, studies.games_by_arm(session, name), by_player)


def _find_all(session: Session) -> list[Found]:
    names = [*studies.studies_with_games(session), *(kept.study for kept in studies.kept_files(session))]
    return [found for name in dict.fromkeys(names) if (found := _find(session, name)) is not None]


async def show_list(request: web.Request) -> web.Response:
    """`/studies`."""
    site = request.app[SITE]
    return site.render(request, "studies.html", studies=await site.ask(_find_all))


def _share(result: ArmResult) -> Share | None:
    """An arm's point on the chart; None if no game is finished."""
    found = result.success
    if found.value is None or found.low is None or found.high is None:
        return None
    about = f"{result.arm}: {estimate(found)} of {result.games:,} games"
    return Share(result.arm, about, found.value, found.low, found.high)


def mean(answers: Mapping[int, int]) -> float:
    """The mean of answers that were given so often."""
    return sum(answer * times for answer, times in answers.items()) / sum(answers.values())


async def show_one(request: web.Request) -> web.Response:
    """`/studies/NAME`."""
    site, name = request.app[SITE], plain("study", request.match_info["name"])

    def question(
        session: Session,
    ) -> tuple[Found, dict[str, dict[str, dict[int, int]]], dict[str, Answered]] | None:
        found = _find(session, name)
        if found is None:
            return None
        return found, studies.survey_by_arm(session, name), studies.quiz_results(session, name)

    answer = await site.ask(question)
    if answer is None:
        raise web.HTTPNotFound
    found, survey, quiz = answer
    study = found.study
    items = {item.name: item for item in study.survey.items} if study and study.survey else {}
    questions = {each.name: each for each in study.quiz} if study else {}
    return site.render(
        request,
        "study.html",
        found=found,
        study=study,
        scale=study.survey.scale if study and study.survey else None,
        items={key: items.get(key) for key in (*items, *(survey.keys() - items.keys()))},
        survey=survey,
        questions={key: questions.get(key) for key in (*questions, *(quiz.keys() - questions.keys()))},
        quiz=quiz,
        chart=chart_of([share for arm in found.arms if (share := _share(arm.result)) is not None]),
        mean=mean,
    )

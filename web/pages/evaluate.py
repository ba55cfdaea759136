"""The queue for human evaluation: one turn at a time, without its targets until it is judged."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlmodel import Session

from store import browse, human_eval
from store.browse import Replayed
from store.human_eval import LONGEST_RATER, Judgement, JudgementError
from store.models import Correctness, HumanEval, Satisfaction
from web.pages.access import ACCESS, SESSION
from web.pages.boards import Drawing
from web.pages.games import drawings_of, shown_turns
from web.pages.site import SITE, Site

CORRECTNESS = {
    Correctness.CORRECT: "Yes, all of it",
    Correctness.PARTLY: "Partly",
    Correctness.INCORRECT: "No",
}
SATISFACTION = {
    Satisfaction.YES: "Yes",
    Satisfaction.NO: "No",
    Satisfaction.PARTLY: "Yes, although the action was only partly correct",
    Satisfaction.INCORRECT: "Yes, although the action was incorrect",
}


@dataclass(frozen=True)
class _Waiting:
    """A turn to be judged."""

    turn_id: int
    replayed: Replayed
    figures: list[Drawing]

    @property
    def index(self) -> int:
        """Its place among the turns of its game, from 0."""
        return next(at for at, turn in enumerate(self.replayed.turns) if turn.id == self.turn_id)


def _with_game(session: Session, site: Site, turn_id: int) -> _Waiting | None:
    game_id = browse.game_of_turn(session, turn_id)
    replayed = None if game_id is None else browse.replay(session, game_id)
    return None if replayed is None else _Waiting(turn_id, replayed, drawings_of(replayed, site))


def _form(
    request: web.Request,
    waiting: _Waiting | None,
    judged: int,
    given: Mapping[str, Any],
    wrong: str | None = None,
) -> web.Response:
    site = request.app[SITE]
    turns = [] if waiting is None else shown_turns(waiting.replayed, site, frozenset())
    at = 0 if waiting is None else waiting.index
    return site.render(
        request,
        "evaluate.html",
        status=400 if wrong else 200,
        waiting=waiting,
        figures=[] if waiting is None else waiting.figures,
        earlier=turns[:at],
        shown=turns[at] if turns else None,
        following=turns[at + 1] if at + 1 < len(turns) else None,
        judged=judged,
        given=given,
        wrong=wrong,
        rater=request[SESSION].rater,
        correctness=CORRECTNESS,
        satisfaction=SATISFACTION,
        longest_rater=LONGEST_RATER,
    )


async def show_next(request: web.Request) -> web.Response:
    """`/evaluate`: a turn that nobody has judged, drawn at random, or the one after ?after=ID."""
    site, after = request.app[SITE], request.query.get("after", "")
    if after and not (after.isascii() and after.isdecimal() and len(after) <= 15):
        raise web.HTTPBadRequest(text="That is no number of a turn.")
    if request.app[ACCESS].read_only:
        raise web.HTTPForbidden(text="The page runs in read-only mode, so that no turn can be judged.")

    def question(session: Session) -> tuple[_Waiting | None, int]:
        start = int(after) if after else random.randint(0, human_eval.largest_turn_id(session))
        turn = human_eval.next_turn(session, start)
        judged = human_eval.judged_turns(session)
        return None if turn is None else _with_game(session, site, turn.id or 0), judged

    return _form(request, *await site.ask(question), given={})


async def take(request: web.Request) -> web.Response:
    """`POST /evaluate`."""
    site, form = request.app[SITE], await request.post()
    text = str(form.get("turn", ""))
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise web.HTTPBadRequest(text="That is no number of a turn.")
    turn_id = int(text)
    waiting = await site.ask(lambda session: _with_game(session, site, turn_id))
    if waiting is None:
        raise web.HTTPNotFound
    letters = {figure.letter: figure.figure_id for figure in waiting.figures}
    clicks = [str(letter) for letter in form.getall("clicks", [])]
    given = {
        "rater": str(form.get("rater", ""))[:LONGEST_RATER],
        "correctness": str(form.get("correctness", "")),
        "feedback": str(form.get("feedback", "")),
        "clicks": clicks,
    }
    try:
        judgement = Judgement(
            given["rater"],
            _choice(Correctness, given["correctness"], "Say whether the action was correct"),
            _choice(Satisfaction, given["feedback"], "Say whether the player was satisfied")
            if given["feedback"]
            else None,
            _figures(letters, clicks),
        )
        await site.write(lambda session: human_eval.judge(session, turn_id, judgement))
    except JudgementError as error:
        if not waiting.replayed.shared:
            raise web.HTTPNotFound from None
        judged = await site.ask(human_eval.judged_turns)
        return _form(request, waiting, judged, given, str(error))
    request[SESSION].rater = judgement.rater.strip()
    raise web.HTTPSeeOther(f"/evaluate/{turn_id}")


async def show_judged(request: web.Request) -> web.Response:
    """`/evaluate/TURN`: a turn that this person has judged, now with its targets."""
    site, turn_id, rater = request.app[SITE], int(request.match_info["turn"]), request[SESSION].rater

    def question(session: Session) -> tuple[_Waiting, HumanEval] | None:
        judgement = human_eval.judgement_of(session, turn_id, rater)
        waiting = _with_game(session, site, turn_id) if judgement is not None else None
        return None if judgement is None or waiting is None else (waiting, judgement)

    found = await site.ask(question)
    if found is None:
        raise web.HTTPNotFound
    waiting, judgement = found
    game = waiting.replayed.game
    turns = shown_turns(waiting.replayed, site, frozenset(game.targets), frozenset(judgement.right_clicks))
    return site.render(
        request,
        "judged.html",
        waiting=waiting,
        figures=waiting.figures,
        shown=turns[waiting.index],
        judgement=judgement,
        correctness=CORRECTNESS,
        satisfaction=SATISFACTION,
    )


def _choice(kind: Any, text: str, missing: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise JudgementError(missing) from None


def _figures(letters: Mapping[str, str], clicks: list[str]) -> set[str]:
    if set(clicks) - letters.keys():
        raise JudgementError("One of the right clicks is not on this board")
    return {letters[letter] for letter in clicks}

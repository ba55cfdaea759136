"""The first page: counts, success by round and adapter, the adapter in use, rounds."""

from dataclasses import dataclass

from aiohttp import web
from sqlmodel import Session

from games.core import Outcome
from store import browse, human_eval, rounds
from store.browse import Counts
from store.models import Round
from store.standings import Tally
from web.pages.chart import Share, chart_of
from web.pages.site import SITE, interval

ROUNDS = 10
"""Rounds that are listed."""


@dataclass(frozen=True)
class _Overview:
    counts: Counts
    tallies: dict[tuple[int, str], Tally]
    adapter: str | None
    active: Round | None
    latest: list[Round]
    judged: int


def _overview(session: Session) -> _Overview:
    return _Overview(
        browse.counts(session),
        browse.tallies_by_policy(session),
        browse.current_adapter(session),
        rounds.active_round(session),
        list(rounds.latest_rounds(session, ROUNDS)),
        human_eval.judged_turns(session),
    )


def shares(tallies: dict[tuple[int, str], Tally]) -> list[Share]:
    """The points of the curve of success."""
    return [
        Share(
            str(number),
            f"round {number}, {adapter}: {interval(tally)} of {tally.games:,} games",
            tally.success,
            *tally.success_ci95,
        )
        for (number, adapter), tally in tallies.items()
    ]


async def show(request: web.Request) -> web.Response:
    """`/`."""
    site = request.app[SITE]
    found = await site.ask(_overview)
    return site.render(
        request,
        "overview.html",
        found=found,
        games=sum(found.counts.games.values()),
        live=found.counts.games[Outcome.OPEN],
        chart=chart_of(shares(found.tallies)),
    )

"""What the handlers share: the store, pseudonyms, image sets and templates."""

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlmodel import Session

from research.report.estimate import Estimate
from store.browse import Account
from store.database import Database
from store.export.pseudonyms import Pseudonyms
from store.models import IMPORTED_ROUND
from store.standings import Tally
from web.pages.access import ACCESS, SESSION
from web.pages.boards import ImageSets

T = TypeVar("T")

HERE = Path(__file__).parent
PAGE_SIZE = 25


@dataclass(frozen=True)
class Paging:
    """One page of a list."""

    number: int
    """From 1."""
    total: int
    """Entries on all pages."""
    size: int = PAGE_SIZE

    @property
    def pages(self) -> int:
        return max(1, math.ceil(self.total / self.size))

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size


@dataclass(frozen=True)
class Site:
    """The store behind the page, and how it is shown."""

    database: Database
    pseudonyms: Pseudonyms
    show_all: bool = False
    """Whether the words of those who have not agreed to share them are shown too."""
    images: ImageSets = field(default_factory=ImageSets)

    async def ask(self, question: Callable[[Session], T]) -> T:
        """What `question` reads from the store, in another thread. Nothing that it changes is kept."""

        def run() -> T:
            with Session(self.database.engine, expire_on_commit=False) as session:
                try:
                    return question(session)
                finally:
                    session.expunge_all()
                    session.rollback()

        return await asyncio.to_thread(run)

    async def write(self, work: Callable[[Session], T]) -> T:
        """The same in a transaction that is kept."""
        return await self.database.write_in_thread(work)

    def pseudonym(self, account: Account) -> str:
        """The pseudonym of a player, as in exports with the same secret."""
        return self.pseudonyms.of(str(account.platform), account.external_id)

    def account_with(self, accounts: Iterable[Account], pseudonym: str) -> Account | None:
        """The account with a pseudonym, which only a look at all of them can find."""
        return next((each for each in accounts if self.pseudonym(each) == pseudonym), None)

    def render(self, request: web.Request, template: str, status: int = 200, **values: Any) -> web.Response:
        """A page."""
        session = request.get(SESSION)
        html = (
            _templates()
            .get_template(template)
            .render(
                site=self,
                path=request.path,
                logged_in=session is not None,
                csrf=session.csrf if session is not None else "",
                read_only=request.app[ACCESS].read_only,
                **values,
            )
        )
        return web.Response(text=html, status=status, content_type="text/html", charset="utf-8")


SITE = web.AppKey("site", Site)


def percent(share: float) -> str:
    return f"{share:.0%}"


def interval(tally: Tally) -> str:
    """ "71% (64 to 77%)"."""
    low, high = tally.success_ci95
    return f"{tally.success:.0%} ({100 * low:.0f} to {high:.0%})"


def estimate(found: Estimate) -> str:
    """The same of a share whose interval was computed elsewhere; "–" without games."""
    if found.value is None or found.low is None or found.high is None:
        return "–"
    return f"{found.value:.0%} ({100 * found.low:.0f} to {found.high:.0%})"


def points(found: Estimate | None) -> str:
    """A difference in percentage points: "+12 (−3 to +27)"."""
    if found is None or found.value is None or found.low is None or found.high is None:
        return "–"
    value, low, high = (
        f"{100 * each:+.0f}".replace("-", "−") for each in (found.value, found.low, found.high)
    )
    return f"{value} ({low} to {high})"


def round_name(number: int) -> str:
    return "imported" if number == IMPORTED_ROUND else str(number)


def when(at: datetime | None) -> str:
    """A time for people, in UTC."""
    return "–" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def probability(logp: float | None) -> str:
    """A propensity from its logarithm."""
    return "not known" if logp is None else f"{math.exp(logp):.3g}"


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "interval": interval,
        "estimate": estimate,
        "points": points,
        "round_name": round_name,
        "when": when,
        "probability": probability,
        "number": lambda value: f"{value:,}",
        "words": lambda value: str(value).replace("_", " "),
    }
    return environment


def paging_of(request: web.Request, total: int) -> Paging:
    """The page of a list that a request asks for. Raises HTTPBadRequest for what is no number of a page."""
    text = request.query.get("page") or "1"
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= 10**8):
        raise web.HTTPBadRequest(text="The page is not a number.")
    return Paging(min(int(text[:9]), Paging(1, total).pages), total)

"""Players, by pseudonym only, their answers to the opt-ins, and the adapters that must forget some of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web
from sqlmodel import Session, col, select

from store import browse
from store.browse import ListedPlayer
from store.lineage import Affected, affected_adapters
from store.models import Adapter, AdapterStatus, Consent, ConsentKind
from store.rounds import affected_since
from web.pages.games import PSEUDONYM
from web.pages.site import SITE, Paging, paging_of


@dataclass(frozen=True)
class Forgetting:
    """An adapter that learnt from what was erased or may no longer be learnt from."""

    adapter: str
    why: Affected
    current: bool
    """Whether it is in use."""
    since: datetime | None
    """When the bot noticed that it is in use."""


def _forgetting(session: Session) -> list[Forgetting]:
    """The newest adapter last."""
    affected = affected_adapters(session)
    rows = session.exec(select(Adapter.name, Adapter.status).order_by(col(Adapter.id))).all()
    return [
        Forgetting(name, affected[name], status is AdapterStatus.CURRENT, affected_since(session, name))
        for name, status in rows
        if name in affected
    ]


async def show_list(request: web.Request) -> web.Response:
    """`/players`."""
    site = request.app[SITE]

    def question(session: Session) -> tuple[list[ListedPlayer], Paging, list[Forgetting]]:
        paging = paging_of(request, browse.count_players(session))
        return browse.list_players(session, paging.offset, paging.size), paging, _forgetting(session)

    found, paging, forgetting = await site.ask(question)
    return site.render(
        request,
        "players.html",
        players=[(site.pseudonym(each.account), each) for each in found],
        paging=paging,
        kinds=list(ConsentKind),
        forgetting=forgetting,
    )


async def show_one(request: web.Request) -> web.Response:
    """`/players/PSEUDONYM`."""
    site, pseudonym = request.app[SITE], request.match_info["pseudonym"]
    if not PSEUDONYM.fullmatch(pseudonym):
        raise web.HTTPNotFound

    def question(session: Session) -> tuple[ListedPlayer, Sequence[Consent]] | None:
        account = site.account_with(browse.accounts(session), pseudonym)
        return None if account is None else browse.one_player(session, account.player_id)

    found = await site.ask(question)
    if found is None:
        raise web.HTTPNotFound
    player, answers = found
    return site.render(
        request,
        "player.html",
        player=player,
        answers=answers,
        pseudonym=pseudonym,
        kinds=list(ConsentKind),
    )

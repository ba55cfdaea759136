"""Players, by pseudonym only, and their answers to the opt-ins."""

from collections.abc import Sequence

from aiohttp import web
from sqlmodel import Session

from store import browse
from store.browse import ListedPlayer
from store.models import Consent, ConsentKind
from web.pages.games import PSEUDONYM
from web.pages.site import SITE, Paging, paging_of


async def show_list(request: web.Request) -> web.Response:
    """`/players`."""
    site = request.app[SITE]

    def question(session: Session) -> tuple[list[ListedPlayer], Paging]:
        paging = paging_of(request, browse.count_players(session))
        return browse.list_players(session, paging.offset, paging.size), paging

    found, paging = await site.ask(question)
    players = [(site.pseudonym(each.account), each) for each in found]
    return site.render(request, "players.html", players=players, paging=paging, kinds=list(ConsentKind))


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

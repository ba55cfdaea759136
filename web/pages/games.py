"""Games: a list with filters, and one game turn by turn."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from aiohttp import web
from sqlmodel import Session

from games import GAMES
from games.core import Outcome
from store import browse, studies
from store.browse import GameFilter, Listed, Replayed
from store.models import Feedback, Origin, Turn
from web.pages.access import query_of
from web.pages.boards import Cell, Drawing, cells_after, cells_before, drawings
from web.pages.site import SITE, Paging, Site, paging_of

FILTERS = ("outcome", "game", "round", "adapter", "origin", "study", "arm", "player")
PSEUDONYM = re.compile(r"[0-9a-f]{32}")
NOBODY = -1
"""An id that no player has."""
LONGEST = 200
"""Characters of an id or of an adapter's name."""
_ROUND = re.compile(r"-?\d{1,9}", re.ASCII)
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True)
class _Page:
    games: list[Listed]
    paging: Paging
    rounds: list[int]
    adapters: list[str]
    studies: list[str]
    arms: list[str]


@dataclass(frozen=True)
class ShownTurn:
    """A turn as the templates show it."""

    turn: Turn
    utterance: str | None
    """None if it may not be shown."""
    cells: list[Cell]
    verdicts: list[Feedback]


def shown_turns(
    replayed: Replayed, site: Site, targets: frozenset[str], right: frozenset[str] = frozenset()
) -> list[ShownTurn]:
    """The turns of a game. `targets` is empty where the truth is not shown."""
    game, may_show = replayed.game, replayed.shared or site.show_all
    return [
        ShownTurn(
            turn,
            turn.utterance if may_show else None,
            cells_after(game.game, game.listener, turn.state_before, turn.action, targets, right),
            replayed.verdicts.get(turn.id or 0, []),
        )
        for turn in replayed.turns
    ]


def drawings_of(replayed: Replayed, site: Site) -> list[Drawing]:
    """The figures of a game's board."""
    return drawings(site.images.of(replayed.game.images), replayed.game.listener)


def _one_of(kind: type[E], name: str, text: str | None) -> E | None:
    try:
        return None if text is None else kind(text)
    except ValueError:
        raise web.HTTPBadRequest(text=f"The {name} must be one of {', '.join(kind)}.") from None


def plain(name: str, text: str) -> str:
    """A text that is short and printable. Raises HTTPBadRequest."""
    if len(text) > LONGEST or not text.isprintable():
        raise web.HTTPBadRequest(text=f"The {name} is no name that this program writes.")
    return text


def _name(name: str, query: Mapping[str, str]) -> str | None:
    """A name in a query. Raises HTTPBadRequest."""
    return plain(name, query[name]) if name in query else None


def _filter(query: Mapping[str, str]) -> tuple[GameFilter, str | None]:
    """The filter without the player, and the player's pseudonym. Raises HTTPBadRequest."""
    game, number, player = (query.get(name) for name in ("game", "round", "player"))
    if game is not None and game not in GAMES:
        raise web.HTTPBadRequest(text=f"The game must be one of {', '.join(GAMES)}.")
    if number is not None and not _ROUND.fullmatch(number):
        raise web.HTTPBadRequest(text="The round must be a number.")
    if player is not None and not PSEUDONYM.fullmatch(player):
        raise web.HTTPBadRequest(text="A player's pseudonym has 32 hex digits.")
    return GameFilter(
        outcome=_one_of(Outcome, "outcome", query.get("outcome")),
        game=game,
        round=None if number is None else int(number),
        origin=_one_of(Origin, "origin", query.get("origin")),
        adapter=_name("adapter", query),
        study=_name("study", query),
        arm=_name("arm", query),
    ), player


async def show_list(request: web.Request) -> web.Response:
    """`/games`."""
    site = request.app[SITE]
    given = {name: value for name, value in query_of(request).items() if name in FILTERS}
    wanted, pseudonym = _filter(given)

    def question(session: Session) -> _Page:
        filtered = wanted
        if pseudonym is not None:
            account = site.account_with(browse.accounts(session), pseudonym)
            filtered = replace(wanted, player_id=NOBODY if account is None else account.player_id)
        paging = paging_of(request, browse.count_games(session, filtered))
        found = browse.list_games(session, filtered, paging.offset, paging.size)
        in_studies = list(studies.studies_with_games(session)), studies.arms_with_games(session)
        return _Page(found, paging, *browse.rounds_and_adapters(session), *in_studies)

    page = await site.ask(question)
    choices = {
        "outcome": list(Outcome),
        "game": list(GAMES),
        "round": page.rounds,
        "adapter": page.adapters,
        "origin": list(Origin),
    }
    if page.studies:
        choices |= {"study": page.studies, "arm": page.arms}
    return site.render(request, "games.html", page=page, given=given, choices=choices)


async def show_one(request: web.Request) -> web.Response:
    """`/games/ID`, with the targets of a finished game if the query says truth=1."""
    site = request.app[SITE]
    game_id = plain("game", request.match_info["game_id"])

    def question(session: Session) -> tuple[Replayed, list[Drawing]] | None:
        found = browse.replay(session, game_id)
        return None if found is None else (found, drawings_of(found, site))

    found = await site.ask(question)
    if found is None:
        raise web.HTTPNotFound
    replayed, figures = found
    game = replayed.game
    is_over = game.outcome is not Outcome.OPEN
    truth = is_over and request.query.get("truth") == "1"
    targets = frozenset(game.targets) if truth else frozenset[str]()
    start = GAMES[game.game].initial_state(game.listener)
    return site.render(
        request,
        "game.html",
        replayed=replayed,
        game=game,
        figures=figures,
        start=cells_before(game.game, game.listener, start, targets),
        turns=shown_turns(replayed, site, targets),
        truth=truth,
        is_over=is_over,
        may_show=replayed.shared or site.show_all,
        pseudonym=site.pseudonym(replayed.account),
    )

"""Games for the page to show, and how its tests read it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from html.parser import HTMLParser
from random import Random

from aiohttp import web
from aiohttp.test_utils import TestClient

from games import DEFAULT_GAME, GAMES
from games.core import Outcome
from games.figures import open_images
from store.database import Database
from store.export.pseudonyms import Pseudonyms
from store.models import (
    Game,
    Origin,
    Turn,
    now,
)

TOKEN = "a token of the tests"
SECRET = Pseudonyms(b"1" * 64)
XSS = '<script>alert("words")</script>'
XSS_NAME = '"><img src=x onerror=alert(7)>'
PRIVATE_WORDS = "the one like grandmother Ottoline"
AGREEING, SILENT = "314159265358979323", "271828182845904523"
"""Discord ids of a player who agreed to research sharing and of one who was never asked."""


@dataclass(frozen=True)
class Stored:
    """The store of a test."""

    database: Database
    targets: dict[str, list[str]]
    """Game id -> targets."""
    first_turns: dict[str, int]
    """Game id -> id of its first turn."""

    def pseudonym(self, external_id: str, platform: Origin = Origin.DISCORD) -> str:
        return SECRET.of(platform, external_id)


def play(
    game_id: str, player: int, origin: Origin, outcome: Outcome, said: list[str]
) -> tuple[Game, list[Turn]]:
    """A game in which each turn selects one more figure."""
    rules = GAMES[DEFAULT_GAME]
    deal = rules.deal(open_images("classic").ids, Random(player))
    began = now() - timedelta(hours=player)
    game = Game(
        id=game_id,
        game=rules.name,
        images="classic",
        speaker=list(deal.speaker),
        listener=list(deal.listener),
        targets=sorted(deal.targets),
        player_id=player,
        origin=origin,
        thread_id=f"9{game_id}",
        adapter="round-0001-b-sup" if player < 3 else "round-0002-b-sup",
        base_model="m",
        round=1,
        outcome=outcome,
        started_at=began,
        ended_at=None if outcome is Outcome.OPEN else began + timedelta(minutes=4),
    )
    state, turns = rules.initial_state(deal.listener), []
    for number, utterance in enumerate(said, 1):
        selected = frozenset(rules.selected(deal.listener, state))
        pick = next(figure for figure in deal.listener if figure not in selected)
        action = rules.action_to(deal.listener, state, selected | {pick})
        assert action is not None
        after = rules.apply(state, action)
        turns.append(
            Turn(
                game_id=game_id,
                number=number,
                utterance=utterance,
                state_before=state,
                action=action,
                state_after=after,
                logp=-0.5,
                adapter=game.adapter,
                base_model="m",
                seconds=0.2,
            )
        )
        state = after
    return game, turns


Client = TestClient[web.Request, web.Application]
Serve = Callable[..., Awaitable[Client]]


class Elements(HTMLParser):
    """The elements of a page, as (name, attributes), and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in ("dt", "dd", "td", "th", "li", "p", "label"):
            self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]

    def value(self, name: str) -> str:
        """The value of a form's field."""
        return next(each.get("value") or "" for each in self.named("input") if each.get("name") == name)

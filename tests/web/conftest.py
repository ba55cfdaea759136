"""A small store with what the page shows, and a browser's session with it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlmodel import select

from games.core import Outcome
from store.database import Database
from store.migrations import upgrade
from store.models import (
    Adapter,
    AdapterStatus,
    Consent,
    ConsentKind,
    Feedback,
    Game,
    Origin,
    Player,
    Round,
    RoundStatus,
    Turn,
)
from tests.postgres import copy_database, database_url
from tests.web.stored_games import (
    AGREEING,
    PRIVATE_WORDS,
    SECRET,
    SILENT,
    TOKEN,
    XSS,
    XSS_NAME,
    Client,
    Serve,
    Stored,
    play,
)
from web.pages.access import LOCAL_HOSTS, Access
from web.pages.app import make_pages
from web.pages.site import Site


@pytest.fixture
def stored(filled: Path, tmp_path: Path) -> Iterator[Stored]:
    """A copy of `filled` for one test."""
    database = Database(copy_database(filled, tmp_path))
    with database.session() as session:
        targets = {game.id: game.targets for game in session.exec(select(Game))}
        first = session.exec(select(Turn).where(Turn.number == 1)).all()
    yield Stored(database, targets, {turn.game_id: turn.id or 0 for turn in first})
    database.close()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three players; a won, a lost, a live game; two adapters and a running round."""
    folder = tmp_path_factory.mktemp("pages")
    database = Database(database_url(folder))
    upgrade(database)
    with database.session() as session:
        session.add_all(
            [
                Player(platform=Origin.DISCORD, external_id=AGREEING, name=XSS_NAME),
                Player(platform=Origin.DISCORD, external_id=SILENT, name="Ottoline Vance"),
                Player(platform=Origin.LOCAL, external_id="sim", name="Simulated Sam"),
            ]
        )
        session.flush()
        session.add_all(
            [
                Consent(player_id=1, kind=ConsentKind.RESEARCH, granted=True, source="/privacy"),
                Consent(player_id=1, kind=ConsentKind.TRAINING, granted=False, source="/privacy"),
                Round(
                    number=2,
                    requested_by=AGREEING,
                    system="b-sup",
                    status=RoundStatus.RUNNING,
                    stage="training",
                    progress={"done": 3, "total": 12},
                ),
                Adapter(
                    name="round-0001-b-sup", base_model="m", system="b-sup", status=AdapterStatus.RETIRED
                ),
                Adapter(
                    name="round-0002-b-sup",
                    base_model="m",
                    system="b-sup",
                    status=AdapterStatus.CURRENT,
                    parent="round-0001-b-sup",
                    card={
                        "games": {"won": 2},
                        "training": {"epochs": 2},
                        "metrics": {"trust": {"quarantined": {"2": 0.1}, "capped": []}},
                    },
                ),
            ]
        )
        for game_id, player, origin, outcome, said in (
            ("won", 1, Origin.DISCORD, Outcome.WON, [XSS, "yes, now\nthe boat"]),
            ("lost", 2, Origin.DISCORD, Outcome.LOST, [PRIVATE_WORDS, "no"]),
            ("live", 3, Origin.LOCAL, Outcome.OPEN, ["a swan"]),
        ):
            game, turns = play(game_id, player, origin, outcome, said)
            session.add(game)
            session.flush()
            session.add_all(turns)
        session.flush()
        first = {turn.game_id: turn.id or 0 for turn in session.exec(select(Turn).where(Turn.number == 1))}
        for game_id in ("won", "lost"):
            session.add(
                Feedback(
                    turn_id=first[game_id],
                    decoder="rules",
                    version="3",
                    scheme="binary",
                    label=1,
                    confidence=0.9,
                    p_positive=0.875,
                    cue="praise",
                )
            )
    database.scrub()
    database.close()
    return folder


@pytest.fixture
async def serve(stored: Stored, tmp_path: Path) -> AsyncIterator[Serve]:
    """Serves the page: `await serve(read_only=…, show_all=…, logged_in=…)` gives a client."""
    exported = tmp_path / "exports"
    async with AsyncExitStack() as stack:

        async def start(*, read_only: bool = False, show_all: bool = False, logged_in: bool = True) -> Client:
            access = Access(TOKEN, LOCAL_HOSTS, read_only)
            server = TestServer(make_pages(Site(stored.database, SECRET, show_all), access, exported))
            await server.start_server(access_log=None)
            client = TestClient(server, cookie_jar=aiohttp.CookieJar(unsafe=True))
            await stack.enter_async_context(client)
            if logged_in:
                response = await client.post("/login", data={"token": TOKEN}, allow_redirects=False)
                assert response.status == 303
            return client

        yield start

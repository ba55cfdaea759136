"""Words after the end of a game: whose are kept, and until when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, col, select

from games.core import Outcome
from store import players
from store.database import Database
from store.game_events import MOST_AFTER_END, note, said_after_end
from store.games import end_game
from store.migrations import upgrade
from store.models import ConsentKind, Game, GameEvent, GameEventKind, Origin, TeamPlayer, Turn, now
from store.retention import forget_words
from tests.postgres import database_url

AT = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path):
    database = Database(database_url(tmp_path))
    upgrade(database)
    yield database
    database.close()


async def over(database: Database, origin: Origin = Origin.DISCORD, *team: str) -> Game:
    """A game of one turn that Ada began and that is over."""
    async with database.async_session() as session:
        player = await players.player_of(session, origin, "ada", "Ada")
        assert player.id is not None
        figures = [f"figure-{place}" for place in range(10)]
        game = Game(
            game="multiref", images="classic", speaker=figures, listener=figures, targets=figures[:3],
            player_id=player.id, origin=origin, adapter="base", base_model="tiny", team=bool(team),
        )  # fmt: skip
        session.add(game)
        await session.flush()
        for name in team:
            mate = await players.player_of(session, origin, name, name.title())
            assert mate.id is not None
            session.add(TeamPlayer(game_id=game.id, player_id=mate.id))
        session.add(
            Turn(
                game_id=game.id, number=1, utterance="a swan", state_before="", action="select A", state_after="A",
                adapter="base", base_model="tiny", seconds=0.1,
            )
        )  # fmt: skip
        await end_game(session, game, Outcome.GIVEN_UP)
    return game


async def agree(database: Database, who: str, granted: bool = True, origin: Origin = Origin.DISCORD) -> None:
    async with database.async_session() as session:
        player = await players.player_of(session, origin, who, who.title())
        assert player.id is not None
        await players.give_consent(session, player.id, ConsentKind.RESEARCH, granted, "/privacy")


async def say(database: Database, game: Game, who: str, *words: str) -> list[str | None]:
    """Say something in the thread of a game that is over. Gives all that is kept."""
    for text in words:
        async with database.async_session() as session:
            if (event := await said_after_end(session, game, who, text, AT)) is not None:
                session.add(event)
    with database.session() as session:
        return kept(session)


def kept(session: Session) -> list[str | None]:
    return [row.text for row in session.exec(select(GameEvent).order_by(col(GameEvent.id))).all()]


async def test_nothing_is_kept_of_who_does_not_share_their_games(database: Database):
    game = await over(database)
    assert await say(database, game, "ada", "that was quick") == []
    await agree(database, "ada")
    assert await say(database, game, "ada", "well done") == ["well done"]
    assert await say(database, game, "bob", "hi") == ["well done"]


async def test_it_is_deleted_when_the_choice_is_withdrawn(database: Database):
    game = await over(database)
    await agree(database, "ada")
    async with database.async_session() as session:
        note(session, game.id, GameEventKind.EDITED, 1)
    await say(database, game, "ada", "well done")
    await agree(database, "ada", granted=False)
    with database.session() as session:
        assert [row.kind for row in session.exec(select(GameEvent))] == [GameEventKind.EDITED]


async def test_so_many_are_kept_of_a_game_and_no_more(database: Database):
    game = await over(database, Origin.LOCAL)
    words = [f"word {number}" for number in range(MOST_AFTER_END + 5)]
    assert await say(database, game, "ada", *words) == words[:MOST_AFTER_END]


async def test_of_a_team_all_must_share(database: Database):
    game = await over(database, Origin.DISCORD, "bob")
    await agree(database, "ada")
    assert await say(database, game, "bob", "we won") == []
    await agree(database, "bob")
    assert await say(database, game, "bob", "we won") == ["we won"]
    with database.session() as session:
        ada, bob = (
            players.export_player(session, row.id or 0)
            for row in session.exec(select(players.Player).order_by(col(players.Player.id)))
        )
    assert ada["games"][0]["events"][0]["text"] == players.SOMEBODY_ELSE
    assert [row["text"] for row in bob["said_in_games_of_others"]] == ["we won"]
    await agree(database, "bob", granted=False)
    with database.session() as session:
        assert kept(session) == []


async def test_it_goes_with_its_game_and_with_the_words_of_the_game(database: Database):
    game = await over(database, Origin.LOCAL)
    await say(database, game, "ada", "well done")
    with database.session() as session:
        assert forget_words(session, now() + timedelta(days=1)) == 1
        assert forget_words(session, now() + timedelta(days=1)) == 0
        assert kept(session) == [None]
        players.erase_player(session, game.player_id)
    with database.session() as session:
        assert kept(session) == []

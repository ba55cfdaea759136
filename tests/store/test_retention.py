"""What was said in old games is deleted; the rest of them stays."""

from datetime import timedelta

from sqlmodel import col, select

from games.core import Outcome
from store.columns import now
from store.database import Database
from store.models import Game, Origin, Player, Turn
from store.retention import forget_words
from store.statistics import round_statistics
from store.training import has_usable_interactions, may_be_trained_on, usable_interactions


def add(database: Database, name: str, days: float | None) -> None:
    """A game that ended so many days ago; None has not ended."""
    with database.session() as session:
        player = Player(platform=Origin.LOCAL, external_id=name, name=name)
        session.add(player)
        session.flush()
        game = Game(
            id=name, game="multiref", images="classic", listener=["a", "b"], speaker=["a", "b"], targets=["a"],
            player_id=player.id or 0, origin=Origin.LOCAL, adapter="base", base_model="m",
            outcome=Outcome.OPEN if days is None else Outcome.WON,
            ended_at=None if days is None else now() - timedelta(days=days),
        )  # fmt: skip
        session.add(game)
        session.flush()
        for number, words in enumerate(("The HOUSE’s roof", "no 🙈 the other"), 1):
            session.add(
                Turn(
                    game_id=name, number=number, utterance=words, state_before="", action="select A",
                    message_id=f"{name}{number}", earlier_message_ids=[f"{name}0"], state_after="A",
                    adapter="base", base_model="m", seconds=0.1,
                )
            )  # fmt: skip


def said(database: Database, game: str) -> list[str]:
    with database.session() as session:
        return list(
            session.exec(select(Turn.utterance).where(Turn.game_id == game).order_by(col(Turn.number)))
        )


def test_words_of_old_games_are_deleted_and_not_trained_on(database: Database):
    for name, days in (("old", 31.0), ("older", 400.0), ("new", 29.0), ("open", None)):
        add(database, name, days)
    with database.session() as session:
        before = round_statistics(session, "binary")
        assert {found.game_id for found in usable_interactions(session, None)} == {"old", "older", "new"}
    month = now() - timedelta(days=30)
    done = []
    for _ in range(3):
        with database.session() as session:
            done.append(forget_words(session, month, games=1))
    assert done == [1, 1, 0] and database.scrub()
    assert said(database, "old") == said(database, "older") == ["", ""]
    assert said(database, "new") == said(database, "open") == ["The HOUSE’s roof", "no 🙈 the other"]
    with database.session() as session:
        assert [found.game_id for found in usable_interactions(session, None)] == ["new"]
        assert may_be_trained_on(session, "new", None) and not may_be_trained_on(session, "old", None)
        for turn in session.exec(select(Turn).where(Turn.game_id == "old")):
            assert (turn.message_id, turn.earlier_message_ids, turn.action) == (None, None, "select A")
        assert round_statistics(session, "binary") == before
        forget_words(session, now())
        assert not has_usable_interactions(session, None)
    assert said(database, "open")[0] == "The HOUSE’s roof"
    if database.file is not None:  # not so with PostgreSQL, whose files keep it until the space is used again
        raw = b"".join(path.read_bytes() for path in database.file.parent.glob("respect.db*"))
        assert b"old0" not in raw and b"old1" not in raw

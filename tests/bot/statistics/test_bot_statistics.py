"""Statistics, leaderboards, replays, and the lines with boards that say what is learnt."""

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bot_house import House, ObedientPolicy
from PIL import Image
from sqlmodel import select

from bot import texts as bot_texts
from bot.statistics import texts
from bot.statistics.animation import Frame, animate
from bot.statistics.cog import LEAST_GAMES, USES, season_of
from bot.statistics.learning import LearningNotes
from games.board import draw_board
from games.core import Deal, Outcome
from games.figures import open_images
from local_discord import Person
from local_discord.model import Channel, Message
from store.migrations import upgrade
from store.models import (
    Adapter,
    AdapterStatus,
    Consent,
    ConsentKind,
    Game,
    Origin,
    Player,
    Round,
    RoundStatus,
    Turn,
    now,
)
from store.standings import Tally
from store.training import LineageEntry, record_lineage

ADAPTER = "round-0001-b-sup"


async def ask(
    house: House, person: Person, command: str, where: Channel | str = "play", **options: object
) -> Message:
    await person.slash(where, command, options)
    return await person.wait_message(lambda message: message.ephemeral)


async def finish(house: House, person: Person, *words: str, won: bool = True) -> Channel:
    """Play a game: the words, then a winning turn or giving up."""
    thread = await house.play(person)
    for utterance in words:
        await house.turn(person, thread, utterance)
    if won:
        await house.turn(person, thread, await house.winning_words(thread))
    else:
        await person.press_labelled(house.boards(person, thread)[-1], "Give up")
        sure = await person.wait_message(lambda message: message.content == bot_texts.GIVE_UP_SURE)
        await person.press_labelled(sure, "Yes, give up")
        await person.wait_message(lambda message: message.content == bot_texts.GIVEN_UP)
    await house.settled(thread)
    return thread


def train_on(house: House, rewards: tuple[float, ...], name: str = ADAPTER) -> None:
    """An adapter that has played and was trained on the first turns in the store."""
    with house.database.session() as session:
        adapter = Adapter(name=name, base_model="obedient", system="b-sup", status=AdapterStatus.RETIRED)
        session.add(adapter)
        session.flush()
        assert adapter.id is not None
        turns = session.exec(select(Turn).order_by(Turn.asked_at)).all()  # pyright: ignore[reportArgumentType]
        entries = [
            LineageEntry(turn.id or 0, reward, 1.0) for turn, reward in zip(turns, rewards, strict=False)
        ]
        record_lineage(session, adapter, entries)


def file_of(house: House, message: Message) -> bytes:
    file = house.discord.world.file(message.attachments[0].id)
    assert file is not None
    return file.data


def picture_of(house: House, message: Message) -> Image.Image:
    return Image.open(io.BytesIO(file_of(house, message)))


async def test_statistics_by_the_adapter_that_played(
    house: House, ada: Person, bob: Person, policy: ObedientPolicy
):
    assert (await ask(house, ada, "stats")).content == texts.NO_GAMES[texts.MINE]
    await finish(house, ada, "The SWAN 🦢", won=False)
    train_on(house, (1.0,))
    policy.current = ADAPTER
    await finish(house, ada)
    await finish(house, bob)
    mine = await ask(house, ada, "stats")
    assert "2 games, **50%** won" in mine.content and "I've learnt from 1 of them." in mine.content
    assert "base" in mine.content and re.search(rf"{ADAPTER} +1 +100% ", mine.content)
    (curve,) = mine.attachments
    assert picture_of(house, mine).format == "PNG"
    assert curve.description and f"{ADAPTER}: 100% (21% to 100%) of 1 game" in curve.description
    here = await ask(house, ada, "stats", games="server")
    assert here.content.startswith("**The games of this server**: 3 games, **67%** won")
    direct = await bob.direct()
    everywhere = await ask(house, bob, "stats", direct, games="bot")
    assert everywhere.content.startswith("**All games with me**: 3 games")
    assert (await ask(house, bob, "stats", direct, games="server")).content == texts.NO_SERVER


async def test_boards_say_what_was_learnt_and_what_will_be(house: House, ada: Person, policy: ObedientPolicy):
    thread = await finish(house, ada, "The SWAN 🦢")
    first, *_, last = house.boards(ada, thread)
    assert "learnt" not in first.content  # the base model has learnt from no game
    assert last.content.endswith(texts.WILL_LEARN)
    train_on(house, (1.0, -1.0))
    policy.current = ADAPTER
    began = (await house.game(thread)).started_at
    thread = await house.play(ada)
    (first,) = house.boards(ada, thread)
    assert first.content.endswith(f"I've learnt from 1 game since <t:{int(began.timestamp())}:D>.")


async def test_a_system_that_never_trains_does_not_say_that_it_will(stopped_house: House, ada: Person):
    stopped_house.with_settings(rounds={"system": "control"})
    await stopped_house.start()
    thread = await finish(stopped_house, ada)
    assert texts.WILL_LEARN not in stopped_house.boards(ada, thread)[-1].content


async def test_a_finished_game_is_replayed(house: House, ada: Person, bob: Person):
    assert (await ask(house, ada, "replay")).content == texts.NO_FINISHED_GAME
    thread = await finish(house, ada, "The SWAN 🦢", "noo, the OTHER one", won=False)
    shown = await ask(house, ada, "replay")
    assert "given up after 2 turns" in shown.content and texts.WILL_LEARN in shown.content
    (file,) = shown.attachments
    picture = picture_of(house, shown)
    assert (picture.format, picture.n_frames) == ("WEBP", 3)  # pyright: ignore[reportAttributeAccessIssue]
    assert file.filename.endswith(".webp") and file.description
    assert "1. “The SWAN 🦢”: " in file.description and "2. “noo, the OTHER one”: " in file.description
    train_on(house, (1.0, -1.0))
    again = await ask(house, bob, "replay", thread)
    assert again.attachments and "I learnt from 2 of its 2 turns" in again.content
    assert "1 taken as right, 1 as wrong" in again.content


async def test_nobody_sees_the_game_of_another_or_a_running_one(house: House, ada: Person, bob: Person):
    finished = await finish(house, ada)
    game = await house.game(finished)
    assert (await ask(house, bob, "replay", game=game.id)).content == texts.NOT_YOUR_REPLAY
    assert (await ask(house, bob, "replay", game="nonsense")).content == texts.NO_SUCH_GAME
    assert await bob.autocomplete("play", "replay", {"game": ""}, "game") == []
    (offered,) = await ada.autocomplete("play", "replay", {"game": "WON"}, "game")
    assert offered["value"] == game.id
    running = await house.play(ada)
    assert (await ask(house, bob, "replay", running)).content == texts.STILL_RUNNING
    assert (await ask(house, ada, "replay", running)).content == texts.STILL_RUNNING
    assert (await ask(house, ada, "replay", "play")).attachments  # the last finished one


def finished_game(player_id: int, origin: Origin, **values: Any) -> Game:
    board = {"speaker": ["a", "b"], "listener": ["b", "a"], "targets": ["a"]}
    about = {"game": "pick", "images": "classic", "adapter": "base", "base_model": "obedient"}
    result = {"outcome": Outcome.WON, "result_shown": True, "ended_at": now()}
    return Game(**{**board, **about, **result, "player_id": player_id, "origin": origin, **values})


def turn_of(game: Game) -> Turn:
    states = {"state_before": "none of 4", "action": "select A", "state_after": "A of 4"}
    policy = {"adapter": "base", "base_model": "obedient", "seconds": 0.1}
    return Turn(**{"game_id": game.id, "number": 1, "utterance": "a boat", **states, **policy})


async def played(house: House, person: Person, won: int, lost: int, ended: datetime) -> None:
    """Finished games in the store, each of one turn."""
    async with house.database.async_session() as session:
        player = (await session.exec(select(Player).where(Player.external_id == str(person.id)))).first()
        player = player or Player(
            platform=house.settings.origin, external_id=str(person.id), name="of long ago"
        )
        session.add(player)
        await session.flush()
        assert player.id is not None
        for number in range(won + lost):
            game = finished_game(
                player.id,
                house.settings.origin,
                guild_id=str(house.discord.guild.id),
                outcome=Outcome.WON if number < won else Outcome.LOST,
                ended_at=ended,
            )
            session.add_all([game, turn_of(game)])


async def test_a_leaderboard_lists_members_who_want_to_be_listed(house: House, ada: Person, bob: Person):
    grace, dan, eve = [await house.discord.people.join(name) for name in ("Grace*", "Dan", "Eve")]
    for person, won, lost in ((ada, 5, 1), (bob, 5, 1), (grace, 9, 0), (dan, 8, 0)):
        await played(house, person, won, lost, now())
    await played(house, eve, LEAST_GAMES - 1, 0, now())  # too few
    await house.discord.people.leave(dan)
    shown = (await ask(house, ada, "leaderboard")).content
    lines = shown.splitlines()
    assert [line.split(":")[0] for line in lines[1:-2]] == ["**1.** Grace\\*", "**2.** Ada", "**2.** Bob"]
    assert texts.own_place(2) in shown and "of long ago" not in shown and "Dan" not in shown
    await ada.slash("play", "privacy")
    panel = await ada.wait_message(lambda message: "you can be listed" in message.content)
    await ada.press_labelled(panel, "Take me off leaderboards")
    await ada.wait_message(lambda message: "you are not listed" in message.content)
    shown = (await ask(house, ada, "leaderboard", season=texts.ALL_TIME)).content
    assert "Ada" not in shown and texts.OWN_UNLISTED in shown
    assert "**2.** Bob" in shown and texts.OWN_MISSING in (await ask(house, eve, "leaderboard")).content
    shown = (await ask(house, eve, "leaderboard", season=texts.LAST_MONTH)).content
    assert "Nobody is ranked yet." in shown


async def test_the_commands_have_a_cooldown(house: House, ada: Person):
    for _ in range(USES):
        assert (await ask(house, ada, "stats")).content == texts.NO_GAMES[texts.MINE]
    assert (await ask(house, ada, "leaderboard")).content.startswith("Easy!")


def test_seasons_are_calendar_months():
    at = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    january = datetime(2026, 1, 1, tzinfo=UTC)
    assert season_of(texts.THIS_MONTH, at) == (january, None)
    assert season_of(texts.LAST_MONTH, at) == (datetime(2025, 12, 1, tzinfo=UTC), january)
    assert season_of(texts.LAST_MONTH, at + timedelta(minutes=1)) == (
        january,
        datetime(2026, 2, 1, tzinfo=UTC),
    )
    assert season_of(texts.ALL_TIME, at) == (None, None)


@pytest.fixture(scope="module")
def board() -> bytes:
    images = open_images("classic")
    ids = images.ids[:10]
    return draw_board(Deal(ids, ids, frozenset(ids[:3])), frozenset(), 0, 10, Outcome.OPEN, images).png


def test_a_replay_keeps_the_limit_of_uploads(board: bytes):
    frames = [Frame(board, f"{number}. “鳥 🐦 the kneeling man {'x' * 60 * number}”") for number in range(4)]
    whole = animate(frames, 10_000_000)
    small = animate(frames, len(whole) // 3)
    assert len(small) <= len(whole) // 3
    fewer = animate(frames, 15_000)
    with Image.open(io.BytesIO(fewer)) as picture:
        assert len(fewer) <= 15_000 and 1 <= picture.n_frames < 4  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="1000 bytes"):
        animate(frames, 1_000)


def test_texts_keep_discords_limits():
    tallies = {
        f"round-{number:04d}-a-very-long-name-of-a-system": Tally(10_000, 9_000, 99_999)
        for number in range(60)
    }
    assert len(texts.stats(texts.MINE, tallies, 1)) <= bot_texts.LONGEST_MESSAGE
    alt = texts.curve_alt(tallies)
    assert len(alt) <= texts.LONGEST_ALT and "round-0059" in alt
    assert len(texts.replay_alt(Outcome.WON, [("x" * 1000, 3, 4)] * 10, 5)) <= texts.LONGEST_ALT
    rows = [(number, "\\*" * 32, Tally(10_000, 9_000, 99_999)) for number in range(10)]
    assert len(texts.leaderboard("November 2026", rows, texts.own_below(100), 5)) <= bot_texts.LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("permission", "agrees", "distrusted", "line"),
    [
        ("permission 1", True, False, texts.WILL_LEARN_AGREED),
        ("permission 1", False, False, None),
        ("permission 1", True, True, None),
        (None, True, False, None),
    ],
)
async def test_a_game_on_discord_says_that_it_will_be_used_only_if_it_may_be(
    stopped_house: House, permission: str | None, agrees: bool, distrusted: bool, line: str | None
):
    database = stopped_house.database
    upgrade(database)
    with database.session() as session:
        player = Player(platform=Origin.DISCORD, external_id="7", name="Ada")
        session.add(player)
        session.flush()
        assert player.id is not None
        trust = {"players": 1, "quarantined": {str(player.id): 0.1} if distrusted else {}, "capped": []}
        session.add(
            Round(number=1, active=None, system="b-sup", status=RoundStatus.DONE, results={"trust": trust})
        )
        session.add(
            Consent(player_id=player.id, kind=ConsentKind.TRAINING, granted=agrees, source="/privacy")
        )
        game = finished_game(player.id, Origin.DISCORD, round=1)
        session.add_all([game, turn_of(game)])
    notes = LearningNotes(database, stopped_house.settings.changed(rounds={"discord_permission": permission}))
    assert await notes.with_board(game, turns=1) == line

"""Games that everybody in the thread plays together."""

import asyncio

import pytest
from bot_house import House, buttons
from sqlmodel import select

from bot import texts
from games.core import Outcome
from local_discord import Person
from local_discord.model import Channel
from store.games import turns_by_player
from store.models import Consent, ConsentKind, Game, Origin, Player, TeamPlayer, Turn
from store.players import SOMEBODY_ELSE, erase_player, export_player
from store.training import usable_interactions


@pytest.fixture
async def thread(house: House, ada: Person) -> Channel:
    thread = await house.play(ada, who="everybody")
    assert thread.name == "Tangrams with Ada and team #1"
    return thread


async def agree(
    house: House, name: str, kind: ConsentKind = ConsentKind.TRAINING, granted: bool = True
) -> None:
    async with house.database.async_writing() as session:
        player = (await session.exec(select(Player).where(Player.name == name))).one()
        assert player.id is not None
        session.add(Consent(player_id=player.id, kind=kind, granted=granted, source="test"))


async def test_several_people_describe_and_each_is_credited(
    house: House, ada: Person, bob: Person, thread: Channel
):
    board = house.boards(ada, thread)[0]
    assert "Everybody in this thread may describe" in board.content
    await house.turn(bob, thread, "The one like a Swan, I’d say 🦢")
    await ada.say(thread, "// lol, that was a duck")
    await house.turn(ada, thread, "no, the other one")
    await bob.press_labelled(house.boards(bob, thread)[-1], "Describe")
    form = await bob.wait_modal()
    await bob.submit_modal(form, {"utterance": await house.winning_words(thread)})
    end = await house.next_board(bob, thread)
    assert f"Described by <@{bob.id}> (2), <@{ada.id}> (1)." in end.content
    assert buttons(end) == [texts.NEW_GAME] and not end.mentions
    assert [turn.player_id is None for turn in await house.turns(thread)] == [False, True, False]


async def test_others_do_not_play_in_a_game_of_one(house: House, ada: Person, bob: Person):
    thread = await house.play(ada)
    await bob.say(thread, "the swan")
    await bob.press_labelled(house.boards(bob, thread)[0], "Describe")
    await bob.wait_message(lambda message: message.content == texts.not_yours(str(ada.id)))
    await house.turn(ada, thread, "the boat")
    assert [turn.utterance for turn in await house.turns(thread)] == ["the boat"]


async def test_only_who_began_gives_up(house: House, ada: Person, bob: Person, thread: Channel):
    await bob.press_labelled(house.boards(bob, thread)[0], "Give up")
    await bob.wait_message(lambda message: message.content == texts.not_yours(str(ada.id)))
    assert (await house.game(thread)).outcome is Outcome.OPEN


async def test_messages_of_two_people_are_two_descriptions(stopped_house: House, ada: Person, bob: Person):
    house = stopped_house
    house.with_settings(play={"burst": 0.5})
    await house.start()
    thread = await house.play(ada, who="everybody")
    await asyncio.gather(ada.say(thread, "the swan"), bob.say(thread, "the Boat"))
    await house.eventually(lambda: two_turns(house, thread))
    assert {turn.utterance for turn in await house.turns(thread)} == {"the swan", "the Boat"}


async def two_turns(house: House, thread: Channel) -> bool:
    return len(await house.turns(thread)) == 2


async def test_a_server_may_switch_them_off(house: House, ada: Person):
    grace = await house.discord.people.join("Grace", moderator=True)
    await grace.slash("play", "setup", {"team": False})
    await grace.wait_message(lambda message: "Team games: switched off" in message.content)
    await ada.slash("play", "play", {"who": "everybody"})
    assert (await ada.wait_message(lambda message: message.ephemeral)).content == texts.NO_TEAM_GAMES


async def test_it_is_learnt_from_only_if_all_agree(
    house: House, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(type(house.settings), "origin", Origin.DISCORD)
    thread = await house.play(ada, who="everybody")
    await house.turn(bob, thread, "the swan")
    await house.turn(ada, thread, await house.winning_words(thread))
    await house.settled(thread)

    def usable() -> int:
        with house.database.session() as session:
            return len(usable_interactions(session, "a letter of Discord's"))

    await agree(house, "Ada")
    assert usable() == 0
    await agree(house, "Bob")
    assert usable() == 1
    await agree(house, "Bob", granted=False)
    assert usable() == 0


async def test_erasing_one_of_a_team_erases_its_game_and_the_export_has_the_words(
    house: House, ada: Person, bob: Person, thread: Channel
):
    await house.turn(bob, thread, "the Swan, please")
    words = await house.winning_words(thread)
    await house.turn(ada, thread, words)
    game = await house.settled(thread)
    alone = await house.play(ada)
    await house.settled(alone)  # the bot writes no more
    async with house.database.async_session() as session:
        bobs = (await session.exec(select(Player).where(Player.name == "Bob"))).one().id
        assert await turns_by_player(session, game) == {str(ada.id): 1, str(bob.id): 1}
    assert bobs is not None
    with house.database.session() as session:
        found = export_player(session, bobs)
        assert [turn["utterance"] for turn in found["said_in_games_of_others"]] == ["the Swan, please"]
        game_of_ada = export_player(session, game.player_id)["games"][0]
        assert [turn["utterance"] for turn in game_of_ada["turns"]] == [SOMEBODY_ELSE, words]
        assert erase_player(session, bobs) == 1
    with house.database.session() as session:
        assert [row.thread_id for row in session.exec(select(Game))] == [str(alone.id)]
        assert not session.exec(select(Turn)).all() and not session.exec(select(TeamPlayer)).all()
        assert session.exec(select(Player)).one().name == "Ada"

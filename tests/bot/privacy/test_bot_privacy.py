"""Consent, export and erasure."""

import json
from pathlib import Path

import numpy as np
from bot_house import House
from safetensors.numpy import save_file
from sqlmodel import select

from bot import texts
from learner.registry import AdapterRegistry, Card
from local_discord import Person
from local_discord.model import Message
from store.models import ConsentKind, Game, Player, Turn, now
from store.players import consents


async def panel(person: Person) -> Message:
    await person.slash("general", "privacy")
    return await person.wait_message(lambda message: message.ephemeral)


def registry_card(game: str) -> Card:
    """The card of an adapter that learnt from a game of the first player's."""
    return Card(
        name="round-0001-b-sup",
        base_model="aaaa",
        system="b-sup",
        round=1,
        round_id=1,
        created=now(),
        games={game: 1},
        turns=1,
        training={},
        metrics={"trust": {"players": 1, "quarantined": {"1": 0.1}, "capped": []}},
    )


def write_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    save_file({"lora_A": np.ones((2, 3), np.float32)}, folder / "adapter_model.safetensors")


async def test_the_two_opt_ins_are_separate_and_off_at_first(house: House, ada: Person):
    shown = await panel(ada)
    assert shown.content.count("you don't agree") == 2
    await ada.press_labelled(shown, "Allow learning from my games")
    shown = await ada.wait_message(lambda message: "✅ you agree" in message.content)
    assert shown.content.count("you don't agree") == 1
    async with house.database.async_session() as session:
        assert await consents(session, 1) == {
            ConsentKind.TRAINING: True,
            ConsentKind.RESEARCH: False,
            ConsentKind.UNLISTED: False,
        }
    await ada.press_labelled(shown, "Stop learning from my games")
    await ada.wait_message(lambda message: message.content.count("you don't agree") == 2)


async def test_a_panel_still_works_after_a_restart(house: House, ada: Person):
    shown = await panel(ada)
    await house.stop()
    await house.start()
    await ada.press_labelled(shown, "Allow sharing with researchers")
    shown = await ada.wait_message(lambda message: "✅ you agree" in message.content)
    await house.stop()
    await house.start()
    await ada.press_labelled(shown, "Erase everything")
    sure = await ada.wait_message(lambda message: message.content == texts.ERASE_SURE)
    await ada.press_labelled(sure, "Yes, erase everything")
    await ada.wait_message(lambda message: message.content == texts.erased(0))
    with house.database.session() as session:
        assert not session.exec(select(Player)).all()


async def test_a_players_data_can_be_exported(house: House, ada: Person, bob: Person):
    thread = await house.play(ada)
    await house.turn(ada, thread, "the one like a swan")
    his = await house.play(bob)
    await house.turn(bob, his, "the one like a boat")
    await ada.press_labelled(await panel(ada), "Export my data")
    answer = await ada.wait_message(lambda message: message.ephemeral and message.attachments)
    file = house.discord.world.file(answer.attachments[0].id)
    assert file is not None
    found = json.loads(file.data)
    assert found["player"]["name"] == "Ada"
    assert [turn["utterance"] for game in found["games"] for turn in game["turns"]] == ["the one like a swan"]


async def test_everything_can_be_erased_even_in_the_middle_of_a_game(house: House, ada: Person, bob: Person):
    thread = await house.play(ada)
    await house.turn(ada, thread, "the one like a swan")
    his = await house.play(bob)
    await house.turn(bob, his, "the one like a boat")
    await ada.press_labelled(await panel(ada), "Erase everything")
    sure = await ada.wait_message(lambda message: message.content == texts.ERASE_SURE)
    await ada.press_labelled(sure, "Yes, erase everything")
    await ada.wait_message(lambda message: message.content == texts.erased(1))
    async with house.database.async_session() as session:
        assert [player.name for player in await session.exec(select(Player))] == ["Bob"]
        assert len((await session.exec(select(Game))).all()) == 1
        assert [turn.utterance for turn in await session.exec(select(Turn))] == ["the one like a boat"]
    await house.turn(bob, his, "no, the other boat")
    await house.play(ada)


async def test_export_and_erasure_without_data_say_so(house: House, ada: Person):
    shown = await panel(ada)
    await ada.press_labelled(shown, "Export my data")
    await ada.wait_message(lambda message: message.content == texts.NOTHING_KEPT)
    async with house.database.async_session() as session:
        assert not (await session.exec(select(Player))).all()


async def test_no_file_still_holds_what_was_erased(house: House, ada: Person, bob: Person):
    """Neither the database and its write-ahead log nor an adapter's card, which the bot still has open."""
    thread = await house.play(ada)
    await house.turn(ada, thread, "the one like a swan")
    game = (await house.game(thread)).id
    await house.turn(bob, await house.play(bob), "the one like a boat")
    registry = AdapterRegistry(house.settings.adapters_dir)
    card = registry_card(game)
    registry.publish(card, write_adapter)
    with house.database.session() as session:
        registry.record(session, card)
    await ada.press_labelled(await panel(ada), "Erase everything")
    sure = await ada.wait_message(lambda message: message.content == texts.ERASE_SURE)
    await ada.press_labelled(sure, "Yes, erase everything")
    await ada.wait_message(lambda message: message.content == texts.erased(1))
    files = [path for path in house.settings.store.data_dir.rglob("*") if path.is_file()]
    kept = b"".join(path.read_bytes() for path in files)
    assert b"swan" not in kept and game.encode() not in kept
    assert b"boat" in kept

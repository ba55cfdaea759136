"""Consent, export and erasure."""

import gzip
import json
import random
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bot_house import House, buttons
from safetensors.numpy import save_file
from sqlmodel import select

from bot.privacy import texts
from learner.registry import AdapterRegistry, Card
from local_discord import Person
from local_discord.model import Message
from store.models import (
    Adapter,
    AdapterTurn,
    Consent,
    ConsentKind,
    Feedback,
    Game,
    Origin,
    Player,
    Round,
    Turn,
    now,
)
from store.players import consents
from tests.postgres import sqlite_only


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


@pytest.fixture
def on_discord(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The bot takes the local service for Discord."""
    monkeypatch.setattr(type(house.settings), "origin", Origin.DISCORD)
    return house


async def test_the_two_opt_ins_are_separate_and_off_at_first(on_discord: House, ada: Person):
    house = on_discord
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


async def test_a_local_service_says_one_thing_about_learning(house: House, ada: Person):
    shown = await panel(ada)
    assert texts.LOCAL_GAMES in shown.content and shown.content.count("you don't agree") == 1
    assert "Allow learning from my games" not in buttons(shown)


async def test_the_first_game_comes_with_two_choices(on_discord: House, ada: Person):
    house = on_discord
    await ada.slash("play", "play")
    notice = await ada.wait_message(lambda message: message.ephemeral and "Two choices" in message.content)
    assert buttons(notice) == ["Allow learning from my games", "Allow sharing with researchers"]
    await ada.press_labelled(notice, "Allow learning from my games")
    notice = await ada.wait_message(lambda message: "Stop learning from my games" in buttons(message))
    assert "Your game is ready" in notice.content  # the way to the game is still there
    async with house.database.async_session() as session:
        answers = await consents(session, 1)
        sources = [row.source for row in await session.exec(select(Consent))]
    assert answers[ConsentKind.TRAINING] and not answers[ConsentKind.RESEARCH] and sources == ["first game"]
    thread = next(each for each in ada.channels() if each.is_thread)
    await ada.wait_message(lambda message: f"Hi <@{ada.id}>" in message.content)
    await house.turn(ada, thread, await house.winning_words(thread))
    await ada.slash("play", "play")
    again = await ada.wait_message(lambda message: message.ephemeral and message.id > notice.id)
    assert "Two choices" not in again.content and not again.components


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


async def test_the_export_has_verdicts_lessons_and_trust(house: House, ada: Person):
    thread = await house.play(ada)
    await house.turn(ada, thread, "the one like a swan")
    turn = (await house.turns(thread))[0]
    assert turn.id is not None
    adapter = Adapter(name="round-0001-b-sup", base_model="obedient", system="b-sup")
    trust = {"trust": {"players": 1, "quarantined": {"1": 0.1}, "capped": [1]}}
    rows = [adapter, Round(number=1, system="b-sup", active=None, results=trust)]
    async with house.database.async_writing() as session:
        session.add_all(rows)
        await session.flush()
        assert adapter.id is not None
        session.add(AdapterTurn(adapter_id=adapter.id, turn_id=turn.id, reward=-1.0, weight=0.5))
        decoder: dict[str, Any] = {"decoder": "rules", "version": "1", "scheme": "binary", "cue": "no"}
        session.add(Feedback(turn_id=turn.id, label=-1, confidence=0.9, **decoder))
    await ada.press_labelled(await panel(ada), "Export my data")
    answer = await ada.wait_message(lambda message: message.ephemeral and message.attachments)
    file = house.discord.world.file(answer.attachments[0].id)
    assert file is not None
    found = json.loads(file.data)
    exported = found["games"][0]["turns"][0]
    assert [(each["label"], each["cue"]) for each in exported["verdicts"]] == [(-1, "no")]
    assert exported["learnt_by"] == [{"adapter": "round-0001-b-sup", "reward": -1.0, "weight": 0.5}]
    assert found["trust"] == [{"round": 1, "quarantined": True, "trust": 0.1, "capped": True}]


async def test_a_large_export_comes_in_several_files(
    house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    said: list[str] = []
    for seed in range(2):
        thread = await house.play(ada)
        said.append("".join(random.Random(seed).choices(string.ascii_lowercase, k=900)))
        await house.turn(ada, thread, said[-1])
        await house.turn(ada, thread, await house.winning_words(thread))
    monkeypatch.setattr("local_discord.interactions.MAX_FILE_BYTES", 2200)
    await ada.press_labelled(await panel(ada), "Export my data")
    parts = [
        await ada.wait_message(lambda message, part=part: f"part {part} of 2" in message.content)
        for part in (1, 2)
    ]
    files = [house.discord.world.file(part.attachments[0].id) for part in parts]
    found = [json.loads(gzip.decompress(file.data)) for file in files if file is not None]
    assert [turn["utterance"] for part in found for turn in part["games"][0]["turns"][:1]] == said
    assert "player" in found[0] and all(file is not None and len(file.data) <= 2200 for file in files)


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


@sqlite_only
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

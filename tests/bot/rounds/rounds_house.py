"""What the tests of rounds share."""

import asyncio
import json
from pathlib import Path

import numpy as np
from bot_house import House
from safetensors.numpy import save_file
from sqlmodel import select

from learner.registry import CONFIG, WEIGHTS, AdapterRegistry, Card
from local_discord import Person
from local_discord.model import Message
from store.models import Adapter, AdapterStatus, Round, now
from store.rounds import latest_rounds


async def finish_a_game(house: House, person: Person) -> None:
    thread = await house.play(person)
    await house.turn(person, thread, await house.winning_words(thread))
    await house.settled(thread)


def rounds(house: House) -> list[Round]:
    with house.database.session() as session:
        return list(latest_rounds(session))


def runs(house: House) -> int:
    path = house.settings.store.data_dir / "runs"
    return len(path.read_text().split()) if path.exists() else 0


async def say(house: House, person: Person, command: str, **options: object) -> str:
    await person.slash("play", command, options)
    return (await person.wait_message(lambda message: message.ephemeral)).content


async def ask(house: House, person: Person, command: str, **options: object) -> Message:
    """Use a command and wait for its answer."""
    await person.slash("play", command, options)
    return await person.wait_message(lambda message: message.ephemeral)


async def press(person: Person, message: Message, label: str) -> str:
    """Press a button, and wait for the edit of its message or another answer."""
    await person.press_labelled(message, label)
    return (await person.wait_message(lambda found: found.id == message.id or found.ephemeral)).content


async def add_adapter(
    house: House, number: int, status: AdapterStatus = AdapterStatus.RETIRED, base_model: str = "obedient"
) -> str:
    """Add the adapter of a round to the registry and the store. Gives its name."""
    card = card_of(number, base_model)

    def add() -> None:
        registry = registry_of(house)
        registry.publish(card, write_adapter)
        with house.database.session() as session:
            row = registry.record(session, card)
            row.status = status

    await asyncio.to_thread(add)  # the bot may be writing, and needs this thread to end it
    return card.name


def card_of(number: int, base_model: str = "obedient") -> Card:
    return Card(
        name=f"round-{number:04d}-b-sup", base_model=base_model, system="b-sup", round=number, round_id=number,
        created=now(), games={}, turns=0, training={},
    )  # fmt: skip


def write_adapter(folder: Path) -> None:
    (folder / CONFIG).write_text(json.dumps({"peft_type": "LORA"}))
    save_file({"a": np.zeros(1, np.float32)}, folder / WEIGHTS)


def registry_of(house: House) -> AdapterRegistry:
    return AdapterRegistry(house.settings.adapters_dir)


async def erase_turns_of(house: House, name: str) -> None:
    """As if a player whose turns the adapter was trained on had been erased."""
    async with house.database.async_writing() as session:
        row = (await session.exec(select(Adapter).where(Adapter.name == name))).one()
        row.erased_turns = 3
        session.add(row)

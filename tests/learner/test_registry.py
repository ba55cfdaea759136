"""The adapter registry: whole folders or none, one current adapter, and a way back."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from sqlmodel import Session, select

from learner.registry import AdapterError, AdapterRegistry, Card, adapter_name, adapter_problems
from store.database import Database
from store.migrations import upgrade
from store.models import Adapter, now
from tests.postgres import database_url


def write(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    save_file({"lora_A": np.ones((2, 3), np.float32)}, folder / "adapter_model.safetensors")


def card(number: int, round_id: int = 1) -> Card:
    return Card(
        name=adapter_name(number, "b-sup"),
        base_model="aaaa",
        system="b-sup",
        round=number,
        round_id=round_id,
        created=now(),
        games={"g": 2},
        turns=2,
        training={"epochs": 1},
    )


@pytest.fixture
def registry(tmp_path: Path) -> AdapterRegistry:
    return AdapterRegistry(tmp_path / "adapters")


@pytest.fixture
def session(tmp_path: Path):
    database = Database(database_url(tmp_path))
    upgrade(database)
    with database.session() as session:
        yield session
    database.close()


def publish(registry: AdapterRegistry, session: Session, number: int) -> str:
    made = card(number)
    registry.publish(made, write)
    registry.record(session, made)
    return made.name


def statuses(session: Session) -> dict[str, str]:
    return {row.name: row.status.value for row in session.exec(select(Adapter))}


def test_promotion_and_rollback_are_the_same_move(registry: AdapterRegistry, session: Session):
    assert registry.current() == "base"
    one, two = publish(registry, session, 1), publish(registry, session, 2)
    assert registry.promote(session, one) == "base"
    assert registry.promote(session, two) == one
    assert statuses(session) == {one: "retired", two: "current"}
    assert registry.rollback(session) == one
    assert registry.current() == one
    assert statuses(session) == {one: "current", two: "retired"}
    assert registry.rollback(session) == "base"
    assert statuses(session) == {one: "retired", two: "retired"}
    with pytest.raises(AdapterError, match="nothing to go back to"):
        registry.rollback(session)


def test_promoting_what_is_current_changes_nothing(registry: AdapterRegistry, session: Session):
    one = publish(registry, session, 1)
    registry.promote(session, one)
    registry.promote(session, one)
    assert registry.previous() == "base"


def test_a_failed_write_leaves_nothing(registry: AdapterRegistry):
    def fails(folder: Path) -> None:
        write(folder)
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        registry.publish(card(1), fails)
    assert registry.names() == ()
    assert list(registry.folder.iterdir()) == []


def test_an_incomplete_adapter_is_not_published(registry: AdapterRegistry):
    with pytest.raises(AdapterError, match="round-0001-b-sup has no adapter_config"):
        registry.publish(card(1), lambda folder: None)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda weights: weights.unlink(), "has no adapter_model.safetensors"),
        (lambda weights: weights.write_bytes(weights.read_bytes()[:-4]), "is cut short"),
        (lambda weights: weights.write_bytes(b"\x00" * 100), "not a safetensors file"),
        (
            lambda weights: weights.write_bytes((9).to_bytes(8, "little") + b"{garbage!" + b"1" * 9),
            "invalid JSON in header",
        ),
        (lambda weights: weights.write_bytes((2**62).to_bytes(8, "little") + b"{}"), "header too large"),
        (lambda weights: weights.write_bytes(b""), "not a safetensors file"),
        (lambda weights: weights.write_bytes((2).to_bytes(8, "little") + b"{}"), "holds no tensors"),
    ],
)
def test_a_broken_folder_is_refused_with_a_reason(
    registry: AdapterRegistry, session: Session, damage, reason
):
    name = publish(registry, session, 1)
    assert adapter_problems(registry.path(name), "aaaa") == []
    damage(registry.path(name) / "adapter_model.safetensors")
    assert reason in adapter_problems(registry.path(name))[0]
    with pytest.raises(AdapterError, match=reason):
        registry.promote(session, name)
    assert registry.current() == "base"


def test_another_base_model_is_noticed(registry: AdapterRegistry, session: Session):
    name = publish(registry, session, 1)
    assert "trained on base model aaaa, this one is bbbb" in adapter_problems(registry.path(name), "bbbb")[0]


def test_a_card_is_read_back_as_written(registry: AdapterRegistry):
    made = registry.publish(card(1), write)
    assert registry.card(made.name) == made
    assert made.sha256.keys() == {"adapter_config.json", "adapter_model.safetensors"}
    better = made.model_copy(update={"metrics": {"gate": "passed"}})
    registry.update_card(better)
    assert registry.card(made.name) == better


def test_an_adapter_that_was_in_use_is_not_overwritten(registry: AdapterRegistry, session: Session):
    name = publish(registry, session, 1)
    registry.publish(card(1, round_id=2), write)  # a failed round's number is taken again
    registry.promote(session, name)
    with pytest.raises(AdapterError, match="cannot be written over"):
        registry.publish(card(1, round_id=3), write)


def test_an_adapter_of_erased_turns_is_refused(registry: AdapterRegistry, session: Session):
    name = publish(registry, session, 1)
    row = session.exec(select(Adapter).where(Adapter.name == name)).one()
    row.erased_turns = 3
    with pytest.raises(AdapterError, match="3 turns that have since been erased"):
        registry.promote(session, name)


def test_names_cannot_leave_the_registry(registry: AdapterRegistry, session: Session):
    for name in ("../elsewhere", "", ".hidden", "a/b"):
        with pytest.raises(AdapterError, match="is not an adapter's name"):
            registry.promote(session, name)
    with pytest.raises(AdapterError, match="There is no adapter 'round-0009-b-sup'"):
        registry.promote(session, "round-0009-b-sup")


def test_a_lost_pointer_can_be_rewritten(registry: AdapterRegistry, session: Session):
    name = publish(registry, session, 1)
    registry.promote(session, name)
    (registry.folder / "current.json").write_text("{")
    with pytest.raises(AdapterError, match="promote an adapter by name"):
        registry.current()
    registry.promote(session, name)
    assert registry.current() == name


def test_the_bot_can_use_it_without_torch():
    import subprocess

    code = "import sys, learner.registry, learner.rounds.pipeline; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_adapter_trained_from_an_affected_one_is_refused_too(registry: AdapterRegistry, session: Session):
    """Through any number of adapters; the one in use makes way for the newest that learnt nothing of it."""
    names = []
    for number, parent in ((1, None), (2, 1), (3, 2), (4, None)):
        made = card(number).model_copy(update={"parent": names[parent - 1] if parent else None})
        registry.publish(made, write)
        registry.record(session, made)
        names.append(made.name)
    sound, erased, child, other = names[0], names[1], names[2], names[3]
    for name in (sound, erased, child):
        registry.promote(session, name)
    session.exec(select(Adapter).where(Adapter.name == erased)).one().erased_turns = 5
    for name, words in (
        (erased, "was trained on 5 turns"),
        (child, f"was trained from {erased}, which learnt"),
    ):
        registry_before = registry.current()
        if name != registry_before:
            with pytest.raises(AdapterError, match=words):
                registry.promote(session, name)
    assert registry.take_out_of_service(session) == sound == registry.current()
    with pytest.raises(AdapterError, match=f"was trained from {erased}, which learnt from 5 turns"):
        registry.promote(session, child)
    registry.promote(session, other)
    assert registry.rollback(session) == sound
    assert registry.take_out_of_service(session) == "base"


def test_cards_forget_games_and_players(registry: AdapterRegistry):
    trust = {"players": 3, "quarantined": {"7": 0.1, "8": 0.2}, "capped": [7]}
    made = card(1).model_copy(update={"games": {"mine": 2, "theirs": 1}, "metrics": {"trust": trust}})
    registry.publish(made, write)
    registry.forget({"mine"}, 7)
    kept = registry.card(made.name)
    assert kept.games == {"theirs": 1}
    assert kept.metrics["trust"] == {"players": 3, "quarantined": {"8": 0.2}, "capped": []}
    assert "mine" not in (registry.path(made.name) / "card.json").read_text()


def test_adapters_are_readable_by_their_owner_alone(registry: AdapterRegistry, session: Session):
    registry.promote(session, publish(registry, session, 1))
    registry.update_card(card(1))
    modes = {path.stat().st_mode & 0o777 for path in registry.folder.rglob("*") if path.is_file()}
    folders = {path.stat().st_mode & 0o777 for path in (registry.folder, *registry.folder.glob("*/"))}
    assert (modes, folders) == ({0o600}, {0o700})

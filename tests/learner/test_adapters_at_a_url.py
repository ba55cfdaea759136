"""Adapters at a URL of fsspec: what one machine writes, another follows, checked by hash."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import fsspec
import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import save_file
from sqlmodel import select

from games.core import Outcome
from learner.registry import (
    CURRENT,
    WEIGHTS,
    AdapterError,
    AdapterRegistry,
    Card,
    adapter_name,
    adapter_problems,
)
from learner.registry.recorded import Recorded, recorded_in
from learner.settings import LearnerSettings
from store.database import Database
from store.environment import what_is_wrong
from store.migrations import upgrade
from store.models import Adapter, AdapterStatus, Origin, Player, now
from store.players import erase_player
from store.rounds import trust_without
from store.settings import OWN_STORE, StoreConfig
from store.training import LineageEntry, record_lineage
from tests.postgres import database_url
from tests.web.stored_games import play

Machines = tuple[AdapterRegistry, AdapterRegistry]


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"file://{tmp_path / 'share'}" if request.param == "file" else f"memory://{uuid4().hex}/adapters"


@pytest.fixture
def machines(url: str, recorded: Recorded, tmp_path: Path) -> Machines:
    """The registries of a worker and of a bot."""
    worker, bot = (AdapterRegistry(tmp_path / name, url, recorded) for name in ("worker", "bot"))
    return worker, bot


@pytest.fixture
def recorded(tmp_path: Path, database: Database) -> Recorded:
    """The hashes of the test's database, as each program asks for them."""
    return recorded_in(StoreConfig(data_dir=tmp_path, database_url=database_url(tmp_path)))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(database_url(tmp_path))
    upgrade(database)
    yield database
    database.close()


def make(
    registry: AdapterRegistry, database: Database, number: int, value: float = 1.0, **changes: object
) -> str:
    """What a round does before it promotes."""

    def write(folder: Path) -> None:
        (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
        save_file({"lora_A": np.full((2, 3), value, np.float32)}, folder / WEIGHTS)

    name = adapter_name(number, "b-sup")
    made = Card(
        name=name, base_model="aaaa", system="b-sup", round=number, round_id=number, created=now(),
        games={"mine": 2, "theirs": 1}, turns=3, training={},
    ).model_copy(update=changes)  # fmt: skip
    card = registry.publish(made, write)
    registry.upload(name)
    with database.session() as session:
        registry.update_card(card)
        registry.record(session, card).status = AdapterStatus.RETIRED
    return name


def promote(registry: AdapterRegistry, database: Database, name: str) -> str:
    with database.session() as session:
        return registry.promote(session, name)


def weights(registry: AdapterRegistry, name: str) -> bytes:
    return (registry.path(name) / WEIGHTS).read_bytes()


def at(url: str, path: str) -> str:
    """The URL of the file there that matches a pattern."""
    files, root = fsspec.url_to_fs(url)
    (found,) = files.glob(f"{root}/{path}")
    return files.unstrip_protocol(found)


def test_what_a_worker_promotes_is_in_use_on_the_bots_machine(machines: Machines, database: Database):
    worker, bot = machines
    bot.pull()
    assert bot.current() == "base"
    name = make(worker, database, 1)
    bot.pull()
    assert (bot.current(), bot.names()) == ("base", ())
    promote(worker, database, name)
    assert bot.current() == "base"  # nothing is looked at before it is pulled
    bot.pull()
    assert (bot.current(), bot.previous(), bot.card(name)) == (name, "base", worker.card(name))
    assert bot.since() == worker.since()
    assert weights(bot, name) == weights(worker, name) and adapter_problems(bot.path(name), "aaaa") == []
    assert {path.stat().st_mode & 0o777 for path in bot.folder.rglob("*") if path.is_file()} == {0o600}


def test_what_the_bot_goes_back_to_is_in_use_at_the_worker(machines: Machines, database: Database):
    worker, bot = machines
    one, two = make(worker, database, 1), make(worker, database, 2)
    for name in (one, two):
        promote(worker, database, name)
    with database.session() as session:
        assert list(bot.usable(session)) == [two, one, "base"]
        assert list(bot.usable(session, "bbbb")) == ["base"]
        assert bot.rollback(session) == one  # it had neither of them
    assert weights(bot, one) == weights(worker, one)
    worker.pull()
    assert worker.current() == one
    assert promote(worker, database, two) == one


@pytest.mark.parametrize("file", [f"*/{WEIGHTS}", "*/adapter_config.json"])
def test_files_with_other_hashes_are_refused_and_the_old_adapter_stays(
    machines: Machines, database: Database, url: str, file: str
):
    worker, bot = machines
    one = make(worker, database, 1)
    promote(worker, database, one)
    bot.pull()
    two = make(worker, database, 2, value=2.0)
    promote(worker, database, two)
    with fsspec.open(at(url, f"{two}/{file}"), "ab") as opened:
        opened.write(b"!")
    with pytest.raises(AdapterError, match=f"{two} is not what its card says"):
        bot.pull()
    assert (bot.current(), bot.names()) == (one, (one,))
    assert not [path for path in bot.folder.iterdir() if path.name.startswith(f".{two}")]


def replace_at(url: str, name: str, tmp_path: Path) -> None:
    """What somebody does who may write to the URL: other weights, and a card that names them."""
    files, root = fsspec.url_to_fs(url)
    other = tmp_path / "other"
    save_file({"lora_A": np.full((2, 3), 9.0, np.float32)}, other)
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    card = json.loads(files.cat_file(f"{root}/{name}/card.json"))
    card["sha256"][WEIGHTS] = digest
    files.makedirs(f"{root}/{name}/{digest}", exist_ok=True)
    files.put_file(str(other), f"{root}/{name}/{digest}/{WEIGHTS}")
    files.pipe_file(f"{root}/{name}/card.json", json.dumps(card).encode())


def test_weights_that_were_replaced_together_with_their_card_are_refused(
    machines: Machines, database: Database, url: str, tmp_path: Path
):
    worker, bot = machines
    one, two = make(worker, database, 1), make(worker, database, 2, value=2.0)
    promote(worker, database, one)
    bot.pull()
    replace_at(url, two, tmp_path)
    promote(worker, database, two)  # it plays with what it has itself
    for fetch in (bot.pull, lambda: bot.fetch(two), lambda: promote(bot, database, two)):
        with pytest.raises(AdapterError, match=f"{two} at .* is not what its round recorded in the database"):
            fetch()
    assert (bot.current(), bot.names()) == (one, (one,))
    replace_at(url, one, tmp_path)
    assert bot.refresh(one) == bot.path(one) and weights(bot, one) == weights(worker, one)


def test_an_adapter_that_no_round_made_is_refused_and_without_a_database_believed(
    machines: Machines, database: Database, url: str, tmp_path: Path
):
    worker, bot = machines
    name = make(worker, database, 1)
    with database.session() as session:
        session.delete(session.exec(select(Adapter)).one())
    with pytest.raises(AdapterError, match="the database does not know its files"):
        bot.fetch(name)
    elsewhere = recorded_in(StoreConfig(data_dir=tmp_path / "elsewhere"))  # a policy service without one
    third = AdapterRegistry(tmp_path / "third", url, elsewhere)
    third.fetch(name)
    assert weights(third, name) == weights(worker, name)


def test_hashes_of_adapters_of_earlier_versions_are_recorded_afterwards(
    machines: Machines, database: Database
):
    worker, bot = machines
    name = make(worker, database, 1)
    with database.session() as session:
        row = session.exec(select(Adapter)).one()
        row.card = {key: value for key, value in row.card.items() if key != "sha256"}
    with pytest.raises(AdapterError, match="run `respect round upload` where it was made"):
        bot.fetch(name)
    with database.session() as session:
        worker.record_files(session)
    assert weights(bot, bot.fetch(name).name) == weights(worker, name)


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        (CURRENT, "{", "current.json at RESPECT_STORE__ADAPTERS_URL cannot be read"),
        (CURRENT, '{"name": "../../elsewhere", "before": []}', "is not an adapter's name"),
        (
            CURRENT,
            '{"name": "round-0009-b-sup", "before": []}',
            "round-0009-b-sup has no adapter_config.json",
        ),
        ("round-0001-b-sup/card.json", "[]", "card.json at RESPECT_STORE__ADAPTERS_URL cannot be read"),
    ],
)
def test_what_is_no_registry_at_the_url_is_a_sentence(
    machines: Machines, database: Database, url: str, path: str, text: str, reason: str
):
    worker, bot = machines
    promote(worker, database, make(worker, database, 1))
    with fsspec.open(at(url, path), "w") as opened:
        opened.write(text)
    with pytest.raises(AdapterError, match=reason):
        bot.pull()
    assert (bot.current(), bot.names()) == ("base", ())


def test_an_adapter_of_a_failed_round_is_replaced_everywhere(machines: Machines, database: Database):
    worker, bot = machines
    name = make(worker, database, 1)
    bot.fetch(name)
    old = weights(bot, name)
    make(worker, database, 1, value=2.0, round_id=2)
    bot.fetch(name)
    assert weights(bot, name) == old  # what is here is not asked for again
    promote(bot, database, name)
    assert weights(bot, name) == weights(worker, name) != old


def test_without_the_url_what_is_here_goes_on(tmp_path: Path, database: Database):
    share = tmp_path / "share"
    worker, bot = (AdapterRegistry(tmp_path / name, f"file://{share}") for name in ("worker", "bot"))
    one, two = make(worker, database, 1), make(worker, database, 2)
    for name in (one, two):
        promote(worker, database, name)
    bot.pull()
    bot.fetch(one)
    share.rename(tmp_path / "away")
    share.write_text("no folder")
    for change in (bot.pull, lambda: promote(bot, database, one), lambda: bot.fetch("round-0003-b-sup")):
        with pytest.raises(AdapterError, match="The adapters at RESPECT_STORE__ADAPTERS_URL cannot be read"):
            change()
    assert bot.current() == two
    assert bot.fetch(one) == bot.refresh(one) == bot.path(one)
    with database.session() as session:
        assert list(bot.usable(session)) == [two, one, "base"]


def test_an_erasure_reaches_the_url_and_at_the_next_round_other_machines(
    machines: Machines, database: Database, url: str
):
    worker, bot = machines
    names = [make(worker, database, 1), make(worker, database, 2)]
    promote(worker, database, names[0])
    bot.pull()  # it has one of the two
    bot.forget({"mine"}, 7)
    for name in names:
        assert "mine" not in fsspec.open(at(url, f"{name}/card.json"), "r").open().read()
    assert bot.card(names[0]).games == {"theirs": 1}
    worker.pull(cards=True)
    assert [worker.card(name).games for name in names] == [{"theirs": 1}] * 2


def test_an_erasure_that_the_url_missed_is_made_up_for(tmp_path: Path, database: Database):
    share = tmp_path / "share"
    bot = AdapterRegistry(tmp_path / "bot", f"file://{share}")
    trust = {"quarantined": {"7": 0.1, "8": 0.2}, "capped": [7, 8]}
    name = make(bot, database, 1, metrics={"trust": trust, "gate": {"passed": True}})
    untouched = make(bot, database, 2, games={"theirs": 1})
    before = (share / untouched / "card.json").stat().st_mtime_ns
    share.rename(tmp_path / "away")
    share.write_text("no folder")
    with database.session() as session:
        session.add(Player(id=7, platform=Origin.DISCORD, external_id="7", name="Ada"))
        session.add(Player(id=8, platform=Origin.DISCORD, external_id="8", name="Bob"))
        session.flush()
        game, turns = play("mine", 7, Origin.DISCORD, Outcome.LOST, ["a swan"])
        session.add(game)
        session.flush()
        session.add_all(turns)
        session.flush()
        adapter = session.exec(select(Adapter).where(Adapter.name == name)).one()
        record_lineage(session, adapter, [LineageEntry(turns[0].id or 0, 1.0, 1.0)])
    with pytest.raises(AdapterError):
        bot.forget({"mine"}, 7)
    with database.session() as session:
        erase_player(session, 7)
        with pytest.raises(AdapterError):
            bot.forget_erased(session)
    share.unlink()
    (tmp_path / "away").rename(share)
    for _ in range(2):
        with database.session() as session:
            bot.forget_erased(session)
        card = json.loads((share / name / "card.json").read_text())
        assert card["games"] == {"theirs": 1} and card["metrics"]["gate"] == {"passed": True}
        assert card["metrics"]["trust"] == trust_without(trust, 7) != trust
    assert (share / untouched / "card.json").stat().st_mtime_ns == before


def test_many_processes_of_a_machine_may_follow_at_once(machines: Machines, database: Database, url: str):
    worker, bot = machines
    for number in range(1, 4):
        promote(worker, database, make(worker, database, number, value=number))
        others = [AdapterRegistry(bot.folder, url) for _ in range(6)]
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(lambda registry: registry.pull(), others))
        assert bot.current() == adapter_name(number, "b-sup") and not adapter_problems(
            bot.path(bot.current())
        )


def test_adapters_that_were_made_without_a_url_are_copied_once(
    machines: Machines, database: Database, url: str, tmp_path: Path
):
    _, bot = machines
    before = AdapterRegistry(tmp_path / "before")
    names = [make(before, database, 1), make(before, database, 2)]
    plain = before.path(names[0]) / "card.json"  # of an earlier version
    plain.write_text(json.dumps({**json.loads(plain.read_text()), "sha256": {}}))
    promote(before, database, names[0])
    promote(before, database, names[1])
    with pytest.raises(AdapterError, match="set RESPECT_STORE__ADAPTERS_URL"):
        before.upload_all()
    with_url = AdapterRegistry(before.folder, url)
    assert with_url.upload_all() == tuple(names)
    with pytest.raises(AdapterError, match="nothing was copied"):
        with_url.upload_all()
    with database.session() as session:
        assert bot.rollback(session) == names[0]
    assert weights(bot, names[0]) == weights(before, names[0])


def test_storage_that_is_not_known_here_is_a_sentence(tmp_path: Path):
    with pytest.raises(AdapterError, match="ADAPTERS_URL cannot be used: Protocol not known: nosuch"):
        AdapterRegistry(tmp_path, "nosuch://place/adapters").pull()


def test_a_url_that_cannot_be_written_is_found_before_a_round_is_trained(tmp_path: Path):
    share = tmp_path / "share"
    AdapterRegistry(tmp_path / "here", f"file://{share}").check_url()
    assert list(share.iterdir()) == []
    for url in ("file:///proc/nowhere/adapters", "nosuch://place/adapters"):
        with pytest.raises(AdapterError, match="ADAPTERS_URL cannot be"):
            AdapterRegistry(tmp_path / "here", url).check_url()


@pytest.mark.parametrize("url", ["bucket/adapters", "/mnt/share", "s3:bucket", "C:\\adapters"])
def test_what_is_no_url_is_refused(url: str):
    with pytest.raises(ValidationError) as error:
        StoreConfig(adapters_url=url)
    assert "this is no URL" in what_is_wrong(error.value)[0]


def test_a_simulation_keeps_its_adapters_to_itself(tmp_path: Path):
    settings = LearnerSettings().changed(store={"data_dir": tmp_path, "adapters_url": "memory://operator"})
    assert AdapterRegistry.of(settings).has_url
    assert not AdapterRegistry.of(settings.changed(store=OWN_STORE)).has_url

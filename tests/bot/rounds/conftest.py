"""A round's process that reports, waits for a file named "go" and ends well; and a moderator."""

import sys
from pathlib import Path

import pytest
from bot_house import House

from local_discord import Person

ROOT = Path(__file__).parents[3]
STAND_IN = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from store.database import Database
from store.rounds import finish, report
from store.settings import StoreSettings
settings, round_id = StoreSettings(), int(sys.argv[1])
(settings.store.data_dir / "runs").open("a").write("run ")
database = Database(settings.store.url)
with database.session() as session:
    report(session, round_id, "train", done=3, total=8, loss=0.5, seconds_left=90.0)
while not (settings.store.data_dir / "go").exists():
    time.sleep(0.02)
with database.session() as session:
    finish(session, round_id, adapter="round-0001-b-sup", promoted=True, why={"text": "better", "values": {}})
"""
"""A round's process that reports, waits for a file named "go" and ends well."""


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.rounds.schedule.POLL_SECONDS", 0.1)
    monkeypatch.setattr(
        "learner.rounds.process.command",
        lambda round_id, processes: [sys.executable, "-c", STAND_IN, str(round_id), str(ROOT)],
    )


@pytest.fixture
async def grace(house: House) -> Person:
    return await house.discord.people.join("Grace", moderator=True)

"""A round's process that reports, waits for a file named "go" and ends well; and a moderator."""

import sys

import pytest
from bot_house import House

from local_discord import Person

STAND_IN = """
import os, sys, time
from pathlib import Path
url, folder = os.environ["RESPECT_STORE__DATABASE_URL"], Path(os.environ["RESPECT_STORE__DATA_DIR"])
if url.startswith("sqlite"):
    from sqlite3 import connect
    url = url.removeprefix("sqlite:///")
else:
    from psycopg import connect
def change(columns):
    with connect(url) as database:
        database.execute(f"UPDATE round SET {columns} WHERE id = {sys.argv[1]} AND active")
change('''status = 'running', started_at = coalesce(started_at, CURRENT_TIMESTAMP), stage = 'train',
    progress = '{"done": 3, "total": 8, "loss": 0.5, "seconds_left": 90.0}' ''')
(folder / "runs").open("a").write("run ")
while not (folder / "go").exists():
    time.sleep(0.02)
change('''status = 'done', active = NULL, ended_at = CURRENT_TIMESTAMP, stage = 'done',
    results = '{"adapter": "round-0001-b-sup", "promoted": true, "why": {"text": "better", "values": {}}}' ''')
"""
"""A round's process that reports, waits for a file named "go" and ends well. It starts quickly: it imports no store."""


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.rounds.schedule.POLL_SECONDS", 0.1)
    monkeypatch.setattr(
        "learner.rounds.process.command",
        lambda round_id, processes: [sys.executable, "-c", STAND_IN, str(round_id)],
    )


@pytest.fixture
async def grace(house: House) -> Person:
    return await house.discord.people.join("Grace", moderator=True)

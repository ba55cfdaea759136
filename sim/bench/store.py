"""Benchmark of the export: generates a database of any size, and measures an export's time and memory.

The games are random clicks with utterances from a short list: realistic in size, not in content.
"""

import multiprocessing
import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from games import DEFAULT_GAME, GAMES
from games.core import Outcome
from games.figures import open_images
from store.database import Database
from store.export import Format
from store.migrations import upgrade
from store.models import Feedback, Game, Origin, Player, Turn

GAMES_AT_A_TIME = 1000
GAMES_A_ROUND = 330
PLAYERS = 500
IMAGES = "classic"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
UTTERANCES = (
    "the one that looks like a kneeling man",
    "yes, now a bird with its beak to the left",
    "no, deselect that one and take the house with two chimneys",
    "good, the last is a boat",
    "try again, a running dog",
)


@dataclass(frozen=True)
class StoreBench:
    """What was measured."""

    turns: int
    games: int
    megabytes: float
    """Size of the database, in megabytes."""
    generate_seconds: float
    export_seconds: float
    export_megabytes: float
    """Size of the exported folder, in megabytes."""
    export_peak_memory_megabytes: float
    """Peak resident memory, in megabytes, of a process that only exports."""


def generate(database: Database, turns: int, seed: int = 0) -> int:
    """Fill a migrated database with games and verdicts until there are `turns` turns. Returns the number of
    turns."""
    rng, figures, rules = random.Random(seed), open_images(IMAGES).ids, GAMES[DEFAULT_GAME]
    with database.engine.begin() as connection:
        connection.execute(
            sa.insert(Player),
            [
                {"platform": Origin.SIMULATED, "external_id": str(i), "name": f"player {i}", "locale": "en"}
                | {"created_at": BEGAN}
                for i in range(PLAYERS)
            ],
        )
        players = list(connection.execute(sa.select(col(Player.id))).scalars())
    made = number = 0
    while made < turns:
        games: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        verdicts: list[dict[str, Any]] = []
        for _ in range(GAMES_AT_A_TIME):
            if made >= turns:
                break
            began = BEGAN + timedelta(minutes=number)
            deal = rules.deal(figures, rng)
            state = rules.initial_state(deal.listener)
            length = rng.randint(4, rules.max_turns)
            for turn in range(1, length + 1):
                made += 1
                action = None
                while action is None:
                    wanted = frozenset(rng.sample(deal.listener, rng.randint(1, rules.max_targets)))
                    action = rules.action_to(deal.listener, state, wanted)
                after = rules.apply(state, action)
                rows.append(
                    {
                        "id": made,
                        "game_id": f"{number:08d}",
                        "number": turn,
                        "utterance": rng.choice(UTTERANCES),
                        "source": "generated",
                        "state_before": state,
                        "action": action,
                        "state_after": after,
                        "logp": -rng.random() * 5,
                        "adapter": "base",
                        "base_model": "generated",
                        "seconds": 0.1,
                        "temperature": 1.0,
                        "seed": 0,
                        "asked_at": began + timedelta(seconds=20 * turn),
                        "answered_at": began + timedelta(seconds=20 * turn + 1),
                    }
                )
                if turn < length:
                    verdicts.append(
                        {
                            "turn_id": made,
                            "decoder": "generated",
                            "version": "1",
                            "scheme": "binary",
                            "label": rng.choice((-1, 1)),
                            "confidence": 0.9,
                            "p_positive": 0.5,
                            "cue": "generated",
                            "decoded_at": began,
                        }
                    )
                state = after
            games.append(
                {
                    "id": f"{number:08d}",
                    "game": rules.name,
                    "images": IMAGES,
                    "speaker": list(deal.speaker),
                    "listener": list(deal.listener),
                    "targets": sorted(deal.targets),
                    "player_id": rng.choice(players),
                    "origin": Origin.SIMULATED,
                    "result_shown": True,
                    "adapter": "base",
                    "base_model": "generated",
                    "round": number // GAMES_A_ROUND,
                    "outcome": rng.choice((Outcome.WON, Outcome.LOST)),
                    "started_at": began,
                    "ended_at": began + timedelta(seconds=20 * length + 20),
                }
            )
            number += 1
        with database.engine.begin() as connection:
            connection.execute(sa.insert(Game), games)
            connection.execute(sa.insert(Turn), rows)
            connection.execute(sa.insert(Feedback), verdicts)
    return made


def bench_store(turns: int, kind: Format = Format.PARQUET) -> StoreBench:
    """Generate a database and export it in a subprocess."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(f"sqlite:///{folder / 'respect.db'}")
        upgrade(database)
        began = time.monotonic()
        made = generate(database, turns)
        generated = time.monotonic() - began
        with database.engine.connect() as connection:
            games = connection.execute(sa.select(sa.func.count()).select_from(Game)).scalar_one()
        database.close()
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            seconds, peak = pool.submit(_export, str(database.url), folder, kind).result()
        return StoreBench(
            turns=made,
            games=games,
            megabytes=(folder / "respect.db").stat().st_size / 1e6,
            generate_seconds=generated,
            export_seconds=seconds,
            export_megabytes=sum(
                file.stat().st_size for file in (folder / "export").rglob("*") if file.is_file()
            )
            / 1e6,
            export_peak_memory_megabytes=peak,
        )


def _export(url: str, folder: Path, kind: Format) -> tuple[float, float]:
    """(seconds, peak resident memory in megabytes) of an export."""
    from store.export.export import export  # imported only in the measured process
    from store.export.pseudonyms import Pseudonyms

    database, began = Database(url), time.monotonic()
    export(database, folder / "export", Pseudonyms.from_file(folder / "secret"), kind)
    database.close()
    seconds = time.monotonic() - began
    import resource  # POSIX only

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, peak / 1e6 if sys.platform == "darwin" else peak / 1e3

"""Benchmark of the store: time and memory of what bot and learner ask of databases that `sim.bench.generated` made.

The bot's questions are measured in one process, and so are the stages of a round; the statistics and the export in one
each.
"""

import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sqlmodel import Session, col, func, select

from sim.bench.generated import BASE_MODEL, generate
from store import games
from store.database import Database
from store.export import Format
from store.lineage import affected_adapters
from store.migrations import upgrade
from store.models import Adapter, Game, Origin
from store.players import consents
from store.rounds import active_round, games_since_last_round, latest_rounds
from store.standings import Scope, learnt_by, standings, tallies_by_adapter
from store.statistics import round_statistics, success_by_adapter
from store.training import has_usable_interactions, usable_interactions

PERMISSION = "bench"
"""Stands for the reference of Discord's permission."""
EVERY_GAMES = 330
SHOWN = 10
"""Rounds in the bot's table."""
REPEATS = 5
"""The bot's questions are asked this often after a first time that does not count; the median is given."""


@dataclass(frozen=True)
class Measured:
    """One question."""

    seconds: float
    cpu_seconds: float
    """Processor time: less than `seconds` where something else had the processor or the disk."""
    peak_memory_megabytes: float
    """Peak resident memory of its process so far, programs and libraries included."""


@dataclass(frozen=True)
class StoreBench:
    """What was measured on one database."""

    turns: int
    games: int
    megabytes: float
    """Size of the database, in megabytes."""
    generate_seconds: float
    bot: dict[str, Measured]
    """The bot's questions."""
    learner: dict[str, Measured]
    """Those of a round's process and of the command line."""


def bench_store(turns: int, kind: Format = Format.PARQUET) -> StoreBench:
    """Generate a database and measure on it."""
    with tempfile.TemporaryDirectory(prefix="respect-bench-") as folder:
        database = Database(f"sqlite:///{Path(folder) / 'respect.db'}")
        upgrade(database)
        began = time.monotonic()
        generate(database, turns)
        return measure_store(database, Path(folder), kind, time.monotonic() - began)


def measure_store(
    database: Database, folder: Path, kind: Format = Format.PARQUET, generated: float = 0.0
) -> StoreBench:
    """Measure on a generated database. The verdicts of its newest games are added to it. Exports into `folder`."""
    with database.session() as session:
        turns, played = (
            session.exec(select(func.count()).select_from(table)).one() for table in (games.Turn, Game)
        )
    database.scrub()
    database.close()
    url, file = str(database.url), database.file
    return StoreBench(
        turns=turns,
        games=played,
        megabytes=file.stat().st_size / 1e6 if file is not None else 0.0,
        generate_seconds=generated,
        bot=_in_a_process(_bot, url),
        learner={
            **_in_a_process(_statistics, url),
            **_in_a_process(_round, url),
            **_in_a_process(_export, url, folder, kind),
        },
    )


def _in_a_process(measure: Callable[..., dict[str, Measured]], *arguments: Any) -> dict[str, Measured]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


class _Watch:
    """Measures since it was made, or since it was last asked."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def lap(self) -> Measured:
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        self._began, self._cpu = time.perf_counter(), time.process_time()
        return Measured(seconds, cpu, _peak_megabytes())


def _peak_megabytes() -> float:
    """Peak resident memory of this process. Linux counts the process that started it in `ru_maxrss`."""
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1e3
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


# --- the bot ----------------------------------------------------------------------------------------------


def _bot(url: str) -> dict[str, Measured]:
    database = Database(url)
    watch = _Watch()
    upgrade(database)
    found = {"start: migrations": watch.lap()}
    return found | asyncio.run(_ask_all(database))


async def _ask_all(database: Database) -> dict[str, Measured]:
    """Each of the bot's questions, for the player and the thread with most to read."""
    with database.session() as session:
        of_discord = select(Game.player_id).where(Game.origin == Origin.DISCORD).group_by(col(Game.player_id))
        player = session.exec(of_discord.order_by(func.count().desc()).limit(1)).one()
        game = session.exec(select(Game).where(Game.player_id == player).limit(1)).one()
        thread, guild = game.thread_id or "", game.guild_id or ""
        newest = session.exec(select(Adapter.name).order_by(col(Adapter.id).desc()).limit(1)).one()

    async def catch_up(session: games.AsyncSession) -> None:
        await games.unshown_games(session)
        await games.open_games(session)

    async def a_message(session: games.AsyncSession) -> None:
        game = await games.game_in_thread(session, thread)
        assert game is not None
        await games.turns_of(session, game.id)
        await games.waiting_instructions(session, game.id)

    async def a_game(session: games.AsyncSession) -> None:
        await games.open_game_of(session, player, "1")
        await games.latest_game_of(session, player)
        await games.games_played(session, player)
        await games.finished_rounds(session)

    def status(session: Session) -> None:
        active_round(session)
        affected_adapters(session)
        success_by_adapter(session)

    in_loop: dict[str, Callable[[games.AsyncSession], Awaitable[object]]] = {
        "start: open games": catch_up,
        "a message": a_message,
        "/play": a_game,
        "/privacy": lambda session: consents(session, player),
        "a first board: learnt from what?": lambda session: learnt_by(session, newest),
        "/stats of all games": lambda session: tallies_by_adapter(session, Scope()),
        "/leaderboard": lambda session: standings(session, Origin.DISCORD, guild, 1),
    }
    in_thread: dict[str, Callable[[Session], object]] = {
        "/round status": status,
        "/round history": lambda session: latest_rounds(session, SHOWN),
        "/round start: anything to learn?": lambda session: has_usable_interactions(session, PERMISSION),
        "the same, training off": lambda session: has_usable_interactions(session, None),
        "a game ended: round due?": lambda session: games_since_last_round(session, EVERY_GAMES),
        "announcement": lambda session: success_by_adapter(session),
    }
    found: dict[str, Measured] = {}
    for name, ask in in_loop.items():
        laps = []
        for _ in range(REPEATS + 1):
            watch = _Watch()
            async with database.async_session() as session:
                await ask(session)
            laps.append(watch.lap())
        found[name] = _middle(laps[1:])
    for name, ask in in_thread.items():
        laps = []
        for _ in range(REPEATS + 1):
            watch = _Watch()
            with database.session() as session:
                ask(session)
            laps.append(watch.lap())
        found[name] = _middle(laps[1:])
    await database.aclose()
    return found


def _middle(laps: list[Measured]) -> Measured:
    return Measured(
        median(lap.seconds for lap in laps),
        median(lap.cpu_seconds for lap in laps),
        max(lap.peak_memory_megabytes for lap in laps),
    )


# --- the learner ------------------------------------------------------------------------------------------


def _statistics(url: str) -> dict[str, Measured]:
    database, watch = Database(url), _Watch()
    with database.session() as session:
        round_statistics(session)
    database.close()
    return {"statistics": watch.lap()}


def _round(url: str) -> dict[str, Measured]:
    """The stages of a round up to the training set's digest."""
    from learner.examples.build import build_examples  # the bot's process does not load these
    from learner.examples.hindsight import Hindsight
    from learner.examples.labels import digest
    from learner.examples.trust import filter_by_trust
    from learner.feedback import open_decoder
    from learner.feedback.decode import decode_interactions
    from learner.settings import RoundsConfig

    hindsight, found = Hindsight.parse(RoundsConfig().hindsight), {}
    database, watch = Database(url), _Watch()
    with database.session() as session:
        interactions = usable_interactions(session, PERMISSION)
    found["round: collect"] = watch.lap()
    verdicts = decode_interactions(database, interactions, open_decoder("rules"))
    found["round: verdicts, and those of new games"] = watch.lap()
    interactions = filter_by_trust(interactions, verdicts).interactions
    found["round: trust"] = watch.lap()
    examples = build_examples(interactions, verdicts, "sup", BASE_MODEL, hindsight)
    found["round: examples"] = watch.lap()
    digest(examples)
    found["round: digest"] = watch.lap()
    database.close()
    return found


def _export(url: str, folder: Path, kind: Format) -> dict[str, Measured]:
    from store.export.export import export  # imported only in the measured process
    from store.export.pseudonyms import Pseudonyms

    database, watch = Database(url), _Watch()
    export(database, folder / "export", Pseudonyms.from_file(folder / "secret"), kind)
    database.close()
    return {"export": watch.lap()}

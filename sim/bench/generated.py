"""Generates a database as a community would have filled it: servers, players, games, verdicts, rounds, adapters.

The words are short descriptions by the figures' names and typical feedback. The clicks follow the rules, and are
right more often from round to round. Deterministic for a seed.
"""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from games import DEFAULT_GAME, GAMES
from games.core import Deal, Outcome
from games.figures import ImageSet, open_images
from learner.examples.trust import Trust
from learner.feedback import open_decoder
from store.database import Database
from store.models import (
    IMPORTED_ROUND,
    Adapter,
    AdapterStatus,
    AdapterTurn,
    Consent,
    ConsentKind,
    Feedback,
    Game,
    Instruction,
    Origin,
    Player,
    Round,
    RoundStatus,
    Turn,
    now,
)
from store.postgres import set_sequences
from store.training import count_by_player

BASE_MODEL = "generated"
IMAGES = "classic"
GAMES_AT_A_TIME = 1000
LINEAGE_AT_A_TIME = 50_000
GUILDS = 20
OPEN_GAMES = 20
TURNS_PER_PLAYER = 500
"""On average; the share of the n-th player goes with n to the power of -0.8."""
TURNS_PER_ROUND, MIN_ROUNDS, MAX_ROUNDS = 20_000, 3, 30
ORIGINS = {Origin.DISCORD: 0.9, Origin.LOCAL: 0.05, Origin.IMPORTED: 0.05}
TRAINING_SHARE, WITHDRAWN_SHARE, RESEARCH_SHARE = 0.7, 0.05, 0.4
"""Shares of the players who opt in to training, of those who withdraw it later, and who opt in to research."""
POISONER_SHARE = 0.02
GIVEN_UP_SHARE = 0.03
DECODER_ERROR = 0.05

Row = dict[str, Any]


@dataclass(frozen=True)
class _Member:
    """A player as generated."""

    id: int
    origin: Origin
    guild: str
    agreed: bool
    """Whether the player has agreed to training, perhaps for some time only."""
    poisons: bool


@dataclass
class _Community:
    """What has been generated so far and is not read back from the database."""

    rng: random.Random
    images: ImageSet
    members: list[_Member]
    shares: list[float]
    """Cumulative shares of the games, by member."""
    rounds: int
    began: datetime
    turns: int = 0
    games: int = 0
    learnt: list[tuple[int, int]] = field(default_factory=list)
    """(turn id, round) of turns with positive feedback of players who agreed."""
    trained_games: list[tuple[str, int, int]] = field(default_factory=list)
    """(game id, number of those turns, round)."""


@dataclass
class _Rows:
    """Rows to be inserted together."""

    games: list[Row] = field(default_factory=list)
    turns: list[Row] = field(default_factory=list)
    feedback: list[Row] = field(default_factory=list)
    instructions: list[Row] = field(default_factory=list)


def generate(database: Database, turns: int, seed: int = 0, origins: Mapping[Origin, float] = ORIGINS) -> int:
    """Fill a migrated, empty database with `turns` turns or a few more. Returns their number.

    `origins`: shares of the players. Games on Discord are also left in progress.
    """
    rng = random.Random(seed)
    rounds = min(MAX_ROUNDS, max(MIN_ROUNDS, turns // TURNS_PER_ROUND))
    began = now().replace(microsecond=0) - timedelta(minutes=turns)
    members = _members(database, rng, max(20, turns // TURNS_PER_PLAYER), began, origins)
    shares = list(accumulate((n + 1) ** -0.8 for n in range(len(members))))
    community = _Community(rng, open_images(IMAGES), members, shares, rounds, began)
    while community.turns < turns:
        rows = _Rows()
        for _ in range(GAMES_AT_A_TIME):
            if community.turns < turns:
                number = community.turns * (rounds + 1) // turns  # of the rounds that are done by then
                _play(community, rows, number)
        _insert(database, rows)
    rows = _Rows()
    on_discord = [one for one in members if one.origin is Origin.DISCORD]
    for _ in range(OPEN_GAMES if on_discord else 0):
        _play(community, rows, rounds, open_for=rng.choice(on_discord))
    _insert(database, rows)
    _learn(database, community)
    if database.on_postgres:
        with database.session() as session:
            set_sequences(session.connection(), SQLModel.metadata.sorted_tables)
    return community.turns


def adapter_of(number: int) -> str:
    """The adapter that round `number` made; "base" before the first round."""
    return f"round-{number:04d}-b-sup" if number else "base"


def _members(
    database: Database, rng: random.Random, count: int, began: datetime, origins: Mapping[Origin, float]
) -> list[_Member]:
    players: list[Row] = []
    consents: list[Row] = []
    members: list[_Member] = []
    for number in range(1, count + 1):
        (origin,) = rng.choices(list(origins), list(origins.values()))
        agreed = rng.random() < TRAINING_SHARE
        guild = str(10**17 + rng.randrange(GUILDS))
        members.append(_Member(number, origin, guild, agreed, rng.random() < POISONER_SHARE))
        players.append(
            {
                "id": number,
                "platform": origin,
                "external_id": str(2 * 10**17 + number),
                "name": f"player {number}",
                "locale": "en",
                "created_at": began,
            }
        )
        answers = [(ConsentKind.TRAINING, agreed), (ConsentKind.RESEARCH, rng.random() < RESEARCH_SHARE)]
        if agreed and rng.random() < WITHDRAWN_SHARE:
            answers.append((ConsentKind.TRAINING, False))
        consents += [
            {"player_id": number, "kind": kind, "granted": granted, "source": "/privacy", "at": began}
            for kind, granted in answers
        ]
    with database.engine.begin() as connection:
        connection.execute(sa.insert(Player), players)
        connection.execute(sa.insert(Consent), consents)
    return members


def _play(community: _Community, rows: _Rows, number: int, open_for: _Member | None = None) -> None:
    """Add one game after `number` rounds: of a random member, or one in progress of `open_for`.

    Every fourth round the adapter was rolled back.
    """
    rng, rules = community.rng, GAMES[DEFAULT_GAME]
    is_open = open_for is not None
    member = open_for or rng.choices(community.members, cum_weights=community.shares)[0]
    deal = rules.deal(community.images.ids, rng)
    game_id = f"{rng.getrandbits(128):032x}"
    went_back = number > 1 and number % 4 == 0 and rng.random() < 0.5
    imported = member.origin is Origin.IMPORTED
    adapter = "base" if imported else adapter_of(number - 1 if went_back else number)
    started = community.began + timedelta(minutes=community.turns)
    state, length, outcome, positive = rules.initial_state(deal.listener), 0, Outcome.OPEN, 0
    version = open_decoder("rules").version
    while outcome is Outcome.OPEN and not (is_open and length == 2):
        length += 1
        community.turns += 1
        action, utterance, is_right = _turn(community, deal, state, number)
        after = rules.apply(state, action)
        rows.turns.append(
            {
                "id": community.turns,
                "game_id": game_id,
                "number": length,
                "utterance": utterance,
                "message_id": None if imported else str(3 * 10**17 + community.turns),
                "source": "message",
                "state_before": state,
                "action": action,
                "state_after": after,
                "logp": None if imported else -rng.expovariate(2.0 if is_right else 0.7),
                "adapter": adapter,
                "base_model": BASE_MODEL,
                "seconds": 0.1,
                "temperature": 1.0,
                "seed": 0,
                "asked_at": started + timedelta(seconds=20 * length),
                "answered_at": started + timedelta(seconds=20 * length + 1),
            }
        )
        outcome = rules.outcome(deal, after, length)
        if outcome is Outcome.OPEN and not is_open and rng.random() < GIVEN_UP_SHARE / rules.max_turns:
            outcome = Outcome.GIVEN_UP
        if number < community.rounds and outcome is Outcome.OPEN:  # the next round has decoded it
            praised = is_right != (member.poisons or rng.random() < DECODER_ERROR)
            confidence = rng.choice((0.95, 0.9, 0.7, 0.6))
            rows.feedback.append(
                {
                    "turn_id": community.turns,
                    "decoder": "rules",
                    "version": version,
                    "scheme": "binary",
                    "label": 1 if praised else -1,
                    "confidence": confidence,
                    "p_positive": confidence if praised else 1 - confidence,
                    "cue": "praise" if praised else "rejection",
                    "decoded_at": started + timedelta(days=1),
                }
            )
            if praised and member.agreed and not member.poisons and member.origin is not Origin.LOCAL:
                community.learnt.append((community.turns, number))
                positive += 1
        state = after
    community.games += 1
    if positive:
        community.trained_games.append((game_id, positive, number))
    if is_open:
        rows.instructions.append(
            {
                "game_id": game_id,
                "message_id": str(4 * 10**17 + community.games),
                "source": "message",
                "text": "the one beside it",
                "received_at": started,
            }
        )
    in_thread = member.origin in (Origin.DISCORD, Origin.LOCAL)
    rows.games.append(
        {
            "id": game_id,
            "game": rules.name,
            "images": IMAGES,
            "speaker": list(deal.speaker),
            "listener": list(deal.listener),
            "targets": sorted(deal.targets),
            "player_id": member.id,
            "origin": member.origin,
            "guild_id": member.guild if in_thread else None,
            "channel_id": member.guild if in_thread else None,
            "thread_id": str(5 * 10**17 + community.games) if in_thread else None,
            "shown_turns": length if in_thread else None,
            "result_shown": in_thread and not is_open,
            "adapter": adapter,
            "base_model": BASE_MODEL,
            "round": IMPORTED_ROUND if imported else number,
            "outcome": outcome,
            "started_at": started,
            "ended_at": None if is_open else started + timedelta(seconds=20 * length + 20),
        }
    )


def _turn(community: _Community, deal: Deal, state: str, number: int) -> tuple[str, str, bool]:
    """(action, utterance, whether all clicks are right) of a listener after `number` rounds."""
    rng, rules = community.rng, GAMES[DEFAULT_GAME]
    selected = frozenset(rules.selected(deal.listener, state))
    missing, mistaken = sorted(deal.targets - selected), sorted(selected - deal.targets)
    understood = rng.random() < 0.95 - 0.55 * math.exp(-number / 3)
    free = sorted(set(deal.listener) - selected)
    meant = (missing or mistaken)[0]
    pick = meant if understood and missing else rng.choice(free)
    dropped = set(mistaken[:1]) if mistaken and (understood or not missing) else set[str]()
    wanted = selected - dropped if dropped and not missing else selected - dropped | {pick}
    action = rules.action_to(deal.listener, state, wanted)
    assert action is not None
    words = rng.choice(community.images[meant].names)
    if not missing:
        utterance = f"everything is there, but deselect the {words} please"
    elif mistaken:
        utterance = f"No, that is wrong. I meant the one that looks like {words}"
    else:
        utterance = f"{rng.choice(('Yes!', 'great', 'ok,', 'good one,'))} now the one that looks like {words}"
    is_right = wanted - selected <= deal.targets and not (dropped & deal.targets)
    return action, utterance, is_right


def _insert(database: Database, rows: _Rows) -> None:
    with database.engine.begin() as connection:
        for table, values in (
            (Game, rows.games),
            (Turn, rows.turns),
            (Feedback, rows.feedback),
            (Instruction, rows.instructions),
        ):
            if values:
                connection.execute(sa.insert(table), values)


def _learn(database: Database, community: _Community) -> None:
    """Add the rounds with their adapters and lineage."""
    trusts = {str(one.id): round(Trust(2.0, 20.0).mean, 3) for one in community.members if one.poisons}
    minutes = community.turns // (community.rounds + 1)
    for number in range(1, community.rounds + 1):
        ended = community.began + timedelta(minutes=minutes * number)
        games = {game: turns for game, turns, at in community.trained_games if at < number}
        trust = {"players": len(community.members), "quarantined": trusts, "capped": []}
        is_current = number == community.rounds
        with database.engine.begin() as connection:
            connection.execute(
                sa.insert(Adapter),
                {
                    "id": number,
                    "name": adapter_of(number),
                    "base_model": BASE_MODEL,
                    "parent": adapter_of(number - 1) if number > 1 else None,
                    "system": "b-sup",
                    "status": AdapterStatus.CURRENT if is_current else AdapterStatus.RETIRED,
                    "card": {"name": adapter_of(number), "games": games, "metrics": {"trust": trust}},
                    "erased_turns": 0,
                    "created_at": ended,
                },
            )
            connection.execute(
                sa.insert(Round),
                {
                    "number": number,
                    "active": None,
                    "system": "b-sup",
                    "status": RoundStatus.DONE,
                    "stage": "done",
                    "progress": {},
                    "results": {
                        "adapter": adapter_of(number),
                        "promoted": True,
                        "train_games": len(games),
                        "train_turns": sum(games.values()),
                        "trust": trust,
                    },
                    "trigger": "games",
                    "interactions": len(games),
                    "adapter_id": number,
                    "created_at": ended - timedelta(minutes=1),
                    "started_at": ended - timedelta(minutes=1),
                    "heartbeat_at": ended,
                    "ended_at": ended,
                },
            )
            for part in _parts([turn for turn, at in community.learnt if at < number]):
                connection.execute(
                    sa.insert(AdapterTurn),
                    [{"adapter_id": number, "turn_id": turn, "reward": 1.0, "weight": 1.0} for turn in part],
                )
        with database.session() as session:
            count_by_player(session, number)


def _parts(turns: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(turns), LINEAGE_AT_A_TIME):
        yield turns[start : start + LINEAGE_AT_A_TIME]

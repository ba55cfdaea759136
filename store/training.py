"""The games that a round may train on: finished games whose players and platform allow it, without targets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import groupby, islice
from sys import intern
from typing import Any, cast

import sqlalchemy as sa
from sqlmodel import Session, and_, col, delete, func, or_, select

from games.core import Outcome, Step
from store.models import (
    Adapter,
    AdapterPlayer,
    AdapterTurn,
    ConsentKind,
    Feedback,
    Game,
    Origin,
    Turn,
)
from store.players import all_agreed
from store.retention import has_words
from store.rounds import quarantined

GAMES_AT_A_TIME = 1_000
VERDICTS_AT_A_TIME = 10_000
LINEAGE_AT_A_TIME = 10_000
"""Rows of one query or insert; SQLite allows 32,766 parameters."""


_GAME, _TURN = (cast(Any, model).__table__.c for model in (Game, Turn))


@dataclass(frozen=True, slots=True)
class Interaction:
    """A finished game for training. It has no field for targets.

    `won` is revealed by the interaction itself: the final selection was right.
    """

    game_id: str
    game: str
    images: str
    context: tuple[str, ...]
    """Figure ids in the listener's order."""
    steps: tuple[Step, ...]
    turn_ids: tuple[int, ...]
    logps: tuple[float | None, ...]
    """log π(a|x), in nats, of each executed action under the policy that sampled it; None if not known."""
    base_model: str
    adapter: str
    player_id: int
    round: int
    won: bool
    difficulty: str | None = None
    chosen: frozenset[int] = frozenset()
    """Places in `steps` of the turns whose action the player chose (`store.models.Turn.chosen`)."""
    retracted: Mapping[int, str] = field(default_factory=dict)
    """Place in `steps` -> what was said before it and taken back (`store.models.Turn.retracted`)."""
    in_quarantine: bool = False
    """Whether its player was in quarantine, so that feedback was left out of its prompts."""


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """What is learnt from a decoder's verdict on a turn (`store.models.Feedback`)."""

    label: int
    """+1 positive, 0 neutral, -1 negative."""
    confidence: float


@dataclass(frozen=True, slots=True)
class LineageEntry:
    """One turn of a training set, with its reward and its weight."""

    turn_id: int
    reward: float
    weight: float


def usable_interactions(
    session: Session,
    discord_permission: str | None,
    images: str | None = None,
    until: datetime | None = None,
    *,
    local_games: bool = False,
) -> list[Interaction]:
    """Finished games that may be trained on, oldest first; with `until`, only those that had ended by then.

    Discord forbids training on message content without its express permission (Developer Policy, rule 21):
    its games are left out unless `discord_permission` is that permission's reference, and then only games whose
    players all opted in are used. Games on the local service and simulated games are not restricted, but in a store
    that also has games from Discord those on the local service are only used with `local_games`. Games whose words
    were deleted (`store.retention`) are left out.
    """
    query = sa.select(
        _GAME.id, _GAME.game, _GAME.images, _GAME.listener, _GAME.base_model, _GAME.adapter, _GAME.player_id,
        _GAME.round, _GAME.outcome, _GAME.difficulty,
    )  # fmt: skip
    query = query.where(or_(*_usable(session, discord_permission, local_games)))
    query = query.where(col(Game.outcome) != Outcome.OPEN, has_words()).order_by(
        col(Game.ended_at), col(Game.id)
    )
    if images is not None:
        query = query.where(col(Game.images) == images)
    if until is not None:
        query = query.where(col(Game.ended_at) <= until)
    distrusted: dict[int, frozenset[int]] = {}
    found: list[Interaction] = []
    for games in session.execute(query.execution_options(yield_per=GAMES_AT_A_TIME)).partitions():
        turns = _turns_by_game(session, [game.id for game in games])
        for game in games:
            if game.round not in distrusted:
                distrusted[game.round] = quarantined(session, game.round)
            if game.id in turns:
                in_quarantine = game.player_id in distrusted[game.round]
                found.append(_interaction(game, turns[game.id], in_quarantine))
    return found


def has_usable_interactions(
    session: Session, discord_permission: str | None, *, local_games: bool = False
) -> bool:
    """Whether `usable_interactions` would give any, without reading them."""
    return any(  # one query each, so that an index answers it
        session.exec(
            select(Game.id).where(usable, Game.outcome != Outcome.OPEN, has_words()).limit(1)
        ).first()
        for usable in _usable(session, discord_permission, local_games)
    )


def may_be_trained_on(
    session: Session, game_id: str, discord_permission: str | None, *, local_games: bool = False
) -> bool:
    """Whether `usable_interactions` would give this game."""
    usable = or_(*_usable(session, discord_permission, local_games))
    query = select(Game.id).where(Game.id == game_id, Game.outcome != Outcome.OPEN, usable, has_words())
    return session.exec(query).first() is not None


def _usable(
    session: Session, discord_permission: str | None, local_games: bool
) -> list[sa.ColumnElement[bool]]:
    """Conditions on the origin of games, one of which must hold for those that may be trained on."""
    on_discord = col(Game.origin) == Origin.DISCORD
    origins = set(Origin) - {Origin.DISCORD}
    if not local_games and session.exec(select(Game.id).where(on_discord).limit(1)).first() is not None:
        origins.remove(Origin.LOCAL)
    conditions: list[sa.ColumnElement[bool]] = [col(Game.origin).in_(sorted(origins))]
    if discord_permission:
        conditions.append(and_(on_discord, all_agreed(ConsentKind.TRAINING)))
    return conditions


def _turns_by_game(session: Session, games: Sequence[str]) -> dict[str, list[sa.Row[Any]]]:
    """Game id -> its turns in order, with the columns that `Interaction` has."""
    query = (
        sa.select(
            _TURN.game_id,
            _TURN.id,
            _TURN.utterance,
            _TURN.state_before,
            _TURN.action,
            _TURN.logp,
            _TURN.retracted,
            _TURN.chosen,
        )
        .where(col(Turn.game_id).in_(games))
        .order_by(col(Turn.game_id), col(Turn.number))
    )
    return {game: list(rows) for game, rows in groupby(session.execute(query), lambda turn: turn.game_id)}


def _interaction(game: sa.Row[Any], turns: Sequence[sa.Row[Any]], in_quarantine: bool) -> Interaction:
    """Equal strings are one object in memory, except for the words."""
    return Interaction(
        game_id=game.id,
        game=intern(game.game),
        images=intern(game.images),
        context=tuple(map(intern, game.listener)),
        steps=tuple(Step(intern(turn.state_before), turn.utterance, intern(turn.action)) for turn in turns),
        turn_ids=tuple(turn.id for turn in turns),
        logps=tuple(turn.logp for turn in turns),
        base_model=intern(game.base_model),
        adapter=intern(game.adapter),
        player_id=game.player_id,
        round=game.round,
        won=game.outcome == Outcome.WON,
        difficulty=game.difficulty,
        chosen=frozenset(number for number, turn in enumerate(turns) if turn.chosen),
        retracted={number: turn.retracted for number, turn in enumerate(turns) if turn.retracted},
        in_quarantine=in_quarantine,
    )


def verdicts(session: Session, decoder: str, version: str, scheme: str) -> dict[int, StoredVerdict]:
    """turn id -> verdict, for the turns that this decoder has decoded."""
    query = select(Feedback.turn_id, Feedback.label, Feedback.confidence).where(
        Feedback.decoder == decoder, Feedback.version == version, Feedback.scheme == scheme
    )
    rows = session.exec(query.execution_options(yield_per=VERDICTS_AT_A_TIME))
    return {turn_id: stored_verdict(label, confidence) for turn_id, label, confidence in rows}


@lru_cache(maxsize=10_000)
def stored_verdict(label: int, confidence: float) -> StoredVerdict:
    """Equal verdicts as one object in memory."""
    return StoredVerdict(label, confidence)


def record_lineage(session: Session, adapter: Adapter, entries: Iterable[LineageEntry]) -> None:
    """Write which turns an adapter was trained on, and how many of each player, replacing earlier entries.

    Turns that were erased while it was trained are counted in `Adapter.erased_turns`, like those erased later.
    """
    assert adapter.id is not None
    for table in (AdapterTurn, AdapterPlayer):
        session.exec(delete(table).where(col(table.adapter_id) == adapter.id))
    rows = iter(
        {"adapter_id": adapter.id, "turn_id": entry.turn_id, "reward": entry.reward, "weight": entry.weight}
        for entry in entries
    )
    while part := list(islice(rows, LINEAGE_AT_A_TIME)):
        kept = kept_turns(session, [row["turn_id"] for row in part])
        adapter.erased_turns += len(part) - len(kept)
        if written := [row for row in part if row["turn_id"] in kept]:
            session.execute(sa.insert(AdapterTurn), written)
    session.add(adapter)
    count_by_player(session, adapter.id)


def kept_turns(session: Session, turns: Sequence[int]) -> set[int]:
    """Those of these turns that were not erased meanwhile."""
    return _kept(session, col(Turn.id), turns)


def kept_games(session: Session, games: Sequence[str]) -> set[str]:
    """Those of these games that were not erased meanwhile."""
    return _kept(session, col(Game.id), games)


def _kept(session: Session, column: Any, ids: Sequence[Any]) -> set[Any]:
    parts = (ids[start : start + GAMES_AT_A_TIME] for start in range(0, len(ids), GAMES_AT_A_TIME))
    return {each for part in parts for each in session.exec(select(column).where(column.in_(part)))}


def weight_by_player(session: Session, adapter: str | None) -> dict[int, float]:
    """Player id -> the sum of the weights of the player's turns that an adapter, given by name, was trained on."""
    query = (
        select(Game.player_id, func.sum(AdapterTurn.weight))
        .join(Turn, col(Turn.game_id) == Game.id)
        .join(AdapterTurn, col(AdapterTurn.turn_id) == Turn.id)
        .join(Adapter, col(Adapter.id) == AdapterTurn.adapter_id)
        .where(Adapter.name == adapter)
        .group_by(col(Game.player_id))
    )
    return dict(session.exec(query).all())


def games_trained_on(session: Session, games: Sequence[str]) -> set[str]:
    """Those of these games that any adapter was trained on."""
    found: set[str] = set()
    for start in range(0, len(games), GAMES_AT_A_TIME):
        query = (
            select(Turn.game_id)
            .join(AdapterTurn, col(AdapterTurn.turn_id) == Turn.id)
            .where(col(Turn.game_id).in_(games[start : start + GAMES_AT_A_TIME]))
            .distinct()
        )
        found.update(session.exec(query))
    return found


def count_by_player(session: Session, adapter_id: int) -> None:
    """Write how many turns and games of each player an adapter was trained on, once its turns are written."""
    games, since = func.count(_GAME.id.distinct()), func.min(_GAME.started_at)
    by_player = (
        sa.select(_GAME.player_id, col(AdapterTurn.adapter_id), func.count(), games, since)
        .select_from(AdapterTurn)
        .join(Turn, col(Turn.id) == AdapterTurn.turn_id)
        .join(Game, col(Game.id) == Turn.game_id)
        .where(col(AdapterTurn.adapter_id) == adapter_id)
        .group_by(col(Game.player_id), col(AdapterTurn.adapter_id))
    )
    columns = ["player_id", "adapter_id", "turns", "games", "since"]
    session.execute(sa.insert(AdapterPlayer).from_select(columns, by_player))

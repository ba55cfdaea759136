"""The games that a round may train on: finished games whose players and platform allow it, without targets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, delete, select

from games.core import Outcome, Step
from store.games import steps_of
from store.models import Adapter, AdapterTurn, ConsentKind, Feedback, Game, Origin, Turn
from store.players import agreed
from store.rounds import quarantined


@dataclass(frozen=True)
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
    in_quarantine: bool = False
    """Whether its player was in quarantine, so that feedback was left out of its prompts."""


@dataclass(frozen=True)
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
    its games are left out unless `discord_permission` is that permission's reference, and then only games of
    players who opted in are used. Games on the local service and simulated games are not restricted, but in a store
    that also has games from Discord those on the local service are only used with `local_games`.
    """
    query = select(Game).where(*_usable(session, discord_permission, local_games))
    query = query.order_by(col(Game.ended_at), col(Game.id))
    if images is not None:
        query = query.where(Game.images == images)
    if until is not None:
        query = query.where(col(Game.ended_at) <= until)
    games = session.exec(query).all()
    turns: dict[str, list[Turn]] = {game.id: [] for game in games}
    for turn in session.exec(select(Turn).order_by(col(Turn.game_id), col(Turn.number))):
        if turn.game_id in turns:
            turns[turn.game_id].append(turn)
    distrusted = {number: quarantined(session, number) for number in {game.round for game in games}}
    return [
        _interaction(game, turns[game.id], game.player_id in distrusted[game.round])
        for game in games
        if turns[game.id]
    ]


def has_usable_interactions(
    session: Session, discord_permission: str | None, *, local_games: bool = False
) -> bool:
    """Whether `usable_interactions` would give any, without reading them."""
    has_turns = select(Turn.id).where(Turn.game_id == Game.id).exists()
    query = select(Game.id).where(*_usable(session, discord_permission, local_games), has_turns).limit(1)
    return session.exec(query).first() is not None


def may_be_trained_on(
    session: Session, game_id: str, discord_permission: str | None, *, local_games: bool = False
) -> bool:
    """Whether `usable_interactions` would give this game."""
    has_turns = select(Turn.id).where(Turn.game_id == Game.id).exists()
    query = select(Game.id).where(
        Game.id == game_id, *_usable(session, discord_permission, local_games), has_turns
    )
    return session.exec(query).first() is not None


def _usable(session: Session, discord_permission: str | None, local_games: bool) -> list[ColumnElement[bool]]:
    """The conditions on games that may be trained on."""
    conditions = [col(Game.outcome) != Outcome.OPEN]
    on_discord = col(Game.origin) == Origin.DISCORD
    if discord_permission:
        conditions.append(~on_discord | col(Game.player_id).in_(agreed(ConsentKind.TRAINING)))
    else:
        conditions.append(~on_discord)
    if not local_games and session.exec(select(Game.id).where(on_discord).limit(1)).first() is not None:
        conditions.append(col(Game.origin) != Origin.LOCAL)
    return conditions


def _interaction(game: Game, turns: Sequence[Turn], in_quarantine: bool) -> Interaction:
    return Interaction(
        game_id=game.id,
        game=game.game,
        images=game.images,
        context=tuple(game.listener),
        steps=tuple(steps_of(turns)),
        turn_ids=tuple(turn.id for turn in turns if turn.id is not None),
        logps=tuple(turn.logp for turn in turns),
        base_model=game.base_model,
        adapter=game.adapter,
        player_id=game.player_id,
        round=game.round,
        won=game.outcome == Outcome.WON,
        in_quarantine=in_quarantine,
    )


def verdicts(session: Session, decoder: str, version: str, scheme: str) -> dict[int, Feedback]:
    """turn id -> verdict, for the turns that this decoder has decoded."""
    query = select(Feedback).where(
        Feedback.decoder == decoder, Feedback.version == version, Feedback.scheme == scheme
    )
    return {row.turn_id: row for row in session.exec(query)}


def record_lineage(session: Session, adapter: Adapter, entries: Iterable[LineageEntry]) -> None:
    """Write which turns an adapter was trained on, replacing earlier entries."""
    assert adapter.id is not None
    session.exec(delete(AdapterTurn).where(col(AdapterTurn.adapter_id) == adapter.id))
    session.add_all(
        AdapterTurn(adapter_id=adapter.id, turn_id=row.turn_id, reward=row.reward, weight=row.weight)
        for row in entries
    )

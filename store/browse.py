"""What the page for researchers lists and shows. Reads only; sync, to be called off the event loop."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, case, col, func, select

from games.core import Outcome
from store.models import (
    Adapter,
    AdapterPlayer,
    AdapterStatus,
    Consent,
    ConsentKind,
    Feedback,
    Game,
    GameEvent,
    GameEventKind,
    HumanEval,
    Origin,
    Player,
    Turn,
)
from store.players import shared
from store.standings import Tally
from store.statistics import FINISHED_HERE
from store.study_tables import Assignment


@dataclass(frozen=True)
class Account:
    """A player's account, from which the pseudonym is made. Never shown."""

    player_id: int
    platform: Origin
    external_id: str


@dataclass(frozen=True)
class Counts:
    """Numbers of rows."""

    players: int
    games: dict[Outcome, int]
    turns: int
    decoded_turns: int
    adapters: int


@dataclass(frozen=True)
class GameFilter:
    """Which games are listed; None is any."""

    outcome: Outcome | None = None
    game: str | None = None
    round: int | None = None
    adapter: str | None = None
    origin: Origin | None = None
    player_id: int | None = None
    study: str | None = None
    arm: str | None = None
    """Of any study, if `study` is None."""

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """The conditions on `Game`."""
        wanted = {
            Game.outcome: self.outcome,
            Game.game: self.game,
            Game.round: self.round,
            Game.adapter: self.adapter,
            Game.origin: self.origin,
            Game.player_id: self.player_id,
        }
        assigned = {Assignment.study: self.study, Assignment.arm: self.arm}
        found = [col(column) == value for column, value in wanted.items() if value is not None]
        given = [col(column) == value for column, value in assigned.items() if value is not None]
        if given:
            found.append(col(Game.id).in_(select(Assignment.game_id).where(*given)))
        return found


@dataclass(frozen=True)
class Listed:
    """A game in a list."""

    game: Game
    account: Account
    turns: int


@dataclass(frozen=True)
class Replayed:
    """A game with all that is known of its turns."""

    game: Game
    account: Account
    turns: Sequence[Turn]
    verdicts: dict[int, list[Feedback]]
    """Turn id -> the newest verdict of each scheme."""
    shared: bool
    """Whether the player's words may be shown to researchers."""
    assignment: Assignment | None
    """If the game is in a study."""
    events: Sequence[GameEvent]
    """What happened besides turns and boards, in order."""
    judgements: dict[int, list[HumanEval]]
    """Turn id -> what people judged of it."""


@dataclass(frozen=True)
class ListedPlayer:
    """A player in a list."""

    account: Account
    created_at: datetime
    tally: Tally | None
    """None without a finished game."""
    consents: dict[ConsentKind, bool]


@dataclass(frozen=True)
class ListedAdapter:
    """An adapter in a list, without its card."""

    name: str
    parent: str | None
    system: str
    status: AdapterStatus
    created_at: datetime
    trained_turns: int
    """Turns that it was trained on and that are still kept."""
    erased_turns: int


def counts(session: Session) -> Counts:
    """Number of rows of each kind."""
    by_outcome = session.exec(select(Game.outcome, func.count()).group_by(col(Game.outcome))).all()
    return Counts(
        players=_count(session, Player.id),
        games={outcome: dict(by_outcome).get(outcome, 0) for outcome in Outcome},
        turns=_count(session, Turn.id),
        decoded_turns=session.exec(select(func.count(sa.distinct(col(Feedback.turn_id))))).one(),
        adapters=_count(session, Adapter.id),
    )


def _count(session: Session, column: Any) -> int:
    return session.exec(select(func.count(column))).one()


def tallies_by_policy(session: Session) -> dict[tuple[int, str], Tally]:
    """(round, adapter) -> tally of the finished games played with it, in order, without imported games."""
    key = (col(Game.round), col(Game.adapter))
    won = func.sum(case((col(Game.outcome) == Outcome.WON, 1), else_=0))
    games = select(*key, func.count(), won).where(*FINISHED_HERE).group_by(*key).order_by(*key)
    turns = select(*key, func.count(col(Turn.id))).join(Turn).where(*FINISHED_HERE).group_by(*key)
    counted = {(number, adapter): count for number, adapter, count in session.exec(turns)}
    return {
        (number, adapter): Tally(played, int(wins), counted.get((number, adapter), 0))
        for number, adapter, played, wins in session.exec(games)
    }


def count_games(session: Session, wanted: GameFilter) -> int:
    """Number of games that a filter leaves."""
    return session.exec(select(func.count()).select_from(Game).where(*wanted.conditions())).one()


def list_games(session: Session, wanted: GameFilter, offset: int, limit: int) -> list[Listed]:
    """Part of the games that a filter leaves, the newest first."""
    query = (
        select(Game, Player)
        .join(Player)
        .where(*wanted.conditions())
        .order_by(col(Game.started_at).desc(), col(Game.id).desc())
        .offset(offset)
        .limit(limit)
    )
    rows = session.exec(query).all()
    ids = [game.id for game, _ in rows]
    counting = select(Turn.game_id, func.count()).where(col(Turn.game_id).in_(ids)).group_by(Turn.game_id)
    turns = dict(session.exec(counting).all())
    return [Listed(game, _account(player), turns.get(game.id, 0)) for game, player in rows]


def rounds_and_adapters(session: Session) -> tuple[list[int], list[str]]:
    """The rounds and adapters that games were played with, for the choices of a filter."""
    pairs = session.exec(select(Game.round, Game.adapter).distinct()).all()
    return sorted({number for number, _ in pairs}), sorted({adapter for _, adapter in pairs})


def replay(session: Session, game_id: str) -> Replayed | None:
    """A game with its turns and verdicts; None if there is no such game."""
    query = select(Game, Player, sa.type_coerce(shared(), sa.Boolean)).join(Player).where(Game.id == game_id)
    found = session.exec(query).first()
    if found is None:
        return None
    game, player, is_shared = found
    turns = session.exec(select(Turn).where(Turn.game_id == game_id).order_by(col(Turn.number))).all()
    verdicts: dict[int, dict[str, Feedback]] = {}
    of_game = select(Feedback).join(Turn).where(Turn.game_id == game_id).order_by(col(Feedback.id))
    for row in session.exec(of_game):
        verdicts.setdefault(row.turn_id, {})[row.scheme] = row
    newest = {turn_id: list(by_scheme.values()) for turn_id, by_scheme in verdicts.items()}
    judgements: dict[int, list[HumanEval]] = {}
    judged = select(HumanEval).join(Turn).where(Turn.game_id == game_id).order_by(col(HumanEval.id))
    for row in session.exec(judged):
        judgements.setdefault(row.turn_id, []).append(row)
    assignment = session.get(Assignment, game_id)
    happened = select(GameEvent).where(GameEvent.game_id == game_id, GameEvent.kind != GameEventKind.BOARD)
    events = session.exec(happened.order_by(col(GameEvent.at), col(GameEvent.id))).all()
    return Replayed(game, _account(player), turns, newest, bool(is_shared), assignment, events, judgements)


def game_of_turn(session: Session, turn_id: int) -> str | None:
    """The id of the game that a turn belongs to."""
    return session.exec(select(Turn.game_id).where(Turn.id == turn_id)).first()


def accounts(session: Session) -> Iterable[Account]:
    """The account of every player."""
    query = select(Player.id, Player.platform, Player.external_id)
    return (
        Account(player_id or 0, Origin(platform), external_id)
        for player_id, platform, external_id in session.exec(query)
    )


def list_players(session: Session, offset: int, limit: int) -> list[ListedPlayer]:
    """Part of the players, in order of arrival."""
    query = select(Player).order_by(col(Player.id)).offset(offset).limit(limit)
    return _with_facts(session, session.exec(query).all())


def count_players(session: Session) -> int:
    """Number of players."""
    return _count(session, Player.id)


def one_player(session: Session, player_id: int) -> tuple[ListedPlayer, Sequence[Consent]] | None:
    """A player and all answers to the opt-ins, the newest first."""
    player = session.get(Player, player_id)
    if player is None:
        return None
    answers = select(Consent).where(Consent.player_id == player_id).order_by(col(Consent.id).desc())
    return _with_facts(session, [player])[0], session.exec(answers).all()


def _with_facts(session: Session, players: Sequence[Player]) -> list[ListedPlayer]:
    ids = [player.id or 0 for player in players]
    won = func.sum(case((col(Game.outcome) == Outcome.WON, 1), else_=0))
    of_them = (col(Game.player_id).in_(ids), col(Game.outcome) != Outcome.OPEN)
    games = select(Game.player_id, func.count(), won).where(*of_them).group_by(col(Game.player_id))
    turns = select(Game.player_id, func.count(col(Turn.id))).join(Turn).where(*of_them)
    counted = dict(session.exec(turns.group_by(col(Game.player_id))).all())
    tallies = {one: Tally(n, int(wins), counted.get(one, 0)) for one, n, wins in session.exec(games)}
    consents = {one: dict.fromkeys(ConsentKind, False) for one in ids}
    answers = select(Consent).where(col(Consent.player_id).in_(ids)).order_by(col(Consent.id))
    for row in session.exec(answers):
        consents[row.player_id][ConsentKind(row.kind)] = row.granted
    return [
        ListedPlayer(_account(player), player.created_at, tallies.get(one), consents[one])
        for one, player in zip(ids, players, strict=True)
    ]


def list_adapters(session: Session) -> list[ListedAdapter]:
    """The adapters, the newest first."""
    learnt = select(AdapterPlayer.adapter_id, func.sum(AdapterPlayer.turns)).group_by(
        col(AdapterPlayer.adapter_id)
    )
    turns = {adapter_id: int(count) for adapter_id, count in session.exec(learnt)}
    query = sa.select(
        col(Adapter.id),
        col(Adapter.name),
        col(Adapter.parent),
        col(Adapter.system),
        col(Adapter.status),
        col(Adapter.created_at),
        col(Adapter.erased_turns),
    ).order_by(col(Adapter.id).desc())
    return [
        ListedAdapter(
            row.name,
            row.parent,
            row.system,
            row.status,
            row.created_at,
            turns.get(row.id, 0),
            row.erased_turns,
        )
        for row in session.execute(query)
    ]


def card_of(session: Session, name: str) -> dict[str, Any] | None:
    """An adapter's card, without the ids of the games that it was trained on; None if there is no such adapter."""
    card = session.exec(select(Adapter.card).where(Adapter.name == name)).first()
    return None if card is None else {key: value for key, value in card.items() if key != "games"}


def current_adapter(session: Session) -> str | None:
    """The adapter that new games are played with; None is the base model."""
    return session.exec(select(Adapter.name).where(Adapter.status == AdapterStatus.CURRENT)).first()


def _account(player: Player) -> Account:
    assert player.id is not None
    return Account(player.id, player.platform, player.external_id)

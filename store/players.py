"""Players, their consents, and the export and erasure of their data."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, SQLModel, and_, col, delete, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from games.words import storable
from store.models import (
    Adapter,
    AdapterPlayer,
    AdapterTurn,
    Consent,
    ConsentKind,
    Feedback,
    Game,
    GameEvent,
    GameEventKind,
    Instruction,
    Origin,
    Player,
    PlayerTrust,
    Round,
    RoundEvent,
    TeamPlayer,
    Turn,
)
from store.rounds import forget_trust, trust_of, trust_without
from store.study_tables import Assignment, QuizAnswer, SurveyAnswer

SOMEBODY_ELSE = "(somebody else's)"
"""In a player's export, in place of the words of others of a team."""
KEPT_BACK = "kept back until the study has ended"
SHOWS_ARM = ("adapter", "arm", "seed", "probability", "eligible_arms")


async def player_of(
    session: AsyncSession, platform: Origin, external_id: str, name: str, locale: str = "en"
) -> Player:
    """The player with this id on a platform; created or renamed if needed."""
    name = storable(name)
    found = await known_player(session, platform, external_id)
    player = found or Player(platform=platform, external_id=external_id, name=name, locale=locale)
    player.name, player.locale = name, locale
    session.add(player)
    await session.flush()
    return player


async def change_locale(session: AsyncSession, platform: Origin, external_id: str, locale: str) -> None:
    """Set the locale of the player with this id on a platform, if there is a row."""
    same = (col(Player.platform) == platform, col(Player.external_id) == external_id)
    await session.exec(update(Player).where(*same, col(Player.locale) != locale).values(locale=locale))


async def team_player_id(session: AsyncSession, game: Game, external_id: str, name: str) -> int | None:
    """The id of somebody who instructs in a game, created if needed; None for who began it."""
    player = await known_player(session, game.origin, external_id)
    player = player or await player_of(session, game.origin, external_id, name)
    return None if player.id == game.player_id else player.id


async def known_player(session: AsyncSession, platform: Origin, external_id: str) -> Player | None:
    """The player with this id on a platform, if there is a row."""
    query = select(Player).where(Player.platform == platform, Player.external_id == external_id)
    return (await session.exec(query)).one_or_none()


async def give_consent(
    session: AsyncSession, player_id: int, kind: ConsentKind, granted: bool, source: str
) -> None:
    """Record an answer to an opt-in. Answers are only added, and the latest counts.

    Who no longer shares games with researchers has what was said after their end deleted, as it is kept only for them.
    """
    session.add(Consent(player_id=player_id, kind=kind, granted=granted, source=source))
    if kind is ConsentKind.RESEARCH and not granted:
        await _forget_after_end(session, player_id)


async def _forget_after_end(session: AsyncSession, player_id: int) -> None:
    """Delete what was said after the end of a player's games, and of those of teams in which the player instructed."""
    own = select(Game.id).where(Game.player_id == player_id)
    others = select(TeamPlayer.game_id).where(TeamPlayer.player_id == player_id)
    games = col(GameEvent.game_id)
    await session.exec(
        delete(GameEvent).where(
            col(GameEvent.kind) == GameEventKind.SAID_AFTER, games.in_(own) | games.in_(others)
        )
    )


async def consents(session: AsyncSession, player_id: int) -> dict[ConsentKind, bool]:
    """A player's current consents. No answer means no."""
    rows = await session.exec(select(Consent).where(Consent.player_id == player_id).order_by(col(Consent.id)))
    answers = dict.fromkeys(ConsentKind, False)
    for row in rows:
        answers[ConsentKind(row.kind)] = row.granted
    return answers


def export_player(session: Session, player_id: int, running_study: str | None = None) -> dict[str, Any]:
    """Everything stored about a player, in JSON-compatible form. It can be much: not for the bot's loop.

    Players must not know their arm while a study runs: of its games, adapters and arms are `KEPT_BACK` until then.
    """
    player = session.get_one(Player, player_id)
    own = Game.player_id == player_id
    said = select(Turn).where(Turn.player_id == player_id).order_by(col(Turn.id))
    games = session.exec(select(Game).where(own).order_by(col(Game.started_at))).all()
    trusted = select(PlayerTrust).where(PlayerTrust.player_id == player_id)
    events = session.exec(select(GameEvent).join(Game).where(own).order_by(col(GameEvent.id))).all()
    said_after = select(GameEvent).where(GameEvent.player_id == player_id).order_by(col(GameEvent.id))
    turns = session.exec(select(Turn).join(Game).where(own).order_by(col(Turn.id))).all()
    answers = session.exec(select(Consent).where(Consent.player_id == player_id)).all()
    waiting = session.exec(select(Instruction).join(Game).where(own)).all()
    verdicts, learnt = _verdicts_of(session, own), _learnt_from(session, own)
    asked = session.exec(select(Round).where(Round.requested_by == player.external_id)).all()
    acts = session.exec(select(RoundEvent).where(RoundEvent.by == player.external_id)).all()
    of_game: dict[str, list[dict[str, Any]]] = {game.id: [] for game in games}
    happened: dict[str, list[dict[str, Any]]] = {game.id: [] for game in games}
    assignments = session.exec(select(Assignment).join(Game).where(own)).all()
    blind = {row.game_id for row in assignments if row.study == running_study}
    for turn in turns:
        known = {"verdicts": verdicts.get(turn.id, []), "learnt_by": learnt.get(turn.id, [])}
        of_game[turn.game_id].append(
            _own_words(_blinded(turn, turn.game_id in blind), "utterance", "retracted") | known
        )
    for event in events:
        happened[event.game_id].append(_own_words(event.model_dump(mode="json"), "text"))
    return {
        "player": player.model_dump(mode="json"),
        "consents": [answer.model_dump(mode="json") for answer in answers],
        "games": [
            {**_blinded(game, game.id in blind), "turns": of_game[game.id], "events": happened[game.id]}
            for game in games
        ],
        "assignments": [_blinded(row, row.game_id in blind) for row in assignments],
        "survey_answers": _rows_of(session, SurveyAnswer, player_id),
        "quiz_answers": _rows_of(session, QuizAnswer, player_id),
        "waiting": [_own_words(instruction.model_dump(mode="json"), "text") for instruction in waiting],
        "said_in_games_of_others": [
            row.model_dump(mode="json") for query in (said, said_after) for row in session.exec(query)
        ],
        "trust": trust_of(session, player_id),
        "trust_by_round": [row.model_dump(mode="json") for row in session.exec(trusted)],
        "rounds": [{"number": row.number, "requested_at": row.created_at.isoformat()} for row in asked],
        "round_events": [event.model_dump(mode="json") for event in acts],
    }


def _own_words(row: dict[str, Any], *words: str) -> dict[str, Any]:
    """A turn or a waiting utterance of a game that the player began, without the words of others of its team."""
    if row["player_id"] is None:
        return row
    return {**row, **{name: SOMEBODY_ELSE for name in (*words, "player_id") if row[name] is not None}}


def _blinded(row: SQLModel, blind: bool) -> dict[str, Any]:
    """A row in JSON-compatible form, without what shows the arm of a study if it is `blind`."""
    found = row.model_dump(mode="json")
    return {name: KEPT_BACK if blind and name in SHOWS_ARM else value for name, value in found.items()}


def _rows_of(
    session: Session, kind: type[SurveyAnswer] | type[QuizAnswer], player_id: int
) -> list[dict[str, Any]]:
    rows = session.exec(select(kind).where(kind.player_id == player_id).order_by(col(kind.id)))
    return [row.model_dump(mode="json") for row in rows]


def _verdicts_of(session: Session, own: Any) -> dict[int | None, list[dict[str, Any]]]:
    """Turn id -> what decoders read in the words that followed it."""
    found: dict[int | None, list[dict[str, Any]]] = {}
    for row in session.exec(select(Feedback).join(Turn).join(Game).where(own).order_by(col(Feedback.id))):
        found.setdefault(row.turn_id, []).append(row.model_dump(mode="json", exclude={"id", "turn_id"}))
    return found


def _learnt_from(session: Session, own: Any) -> dict[int | None, list[dict[str, Any]]]:
    """Turn id -> the adapters that were trained on it, with reward and weight."""
    query = select(AdapterTurn, Adapter.name).join(Adapter).join(Turn).join(Game).where(own)
    found: dict[int | None, list[dict[str, Any]]] = {}
    for row, name in session.exec(query.order_by(col(Adapter.id))):
        entry = {"adapter": name, "reward": row.reward, "weight": row.weight}
        found.setdefault(row.turn_id, []).append(entry)
    return found


async def adapters_that_learnt_from(session: AsyncSession, player_id: int) -> int:
    """Number of adapters that were trained on turns of a player."""
    query = select(func.count()).select_from(AdapterPlayer).where(AdapterPlayer.player_id == player_id)
    return (await session.exec(query)).one()


def game_ids_of(session: Session, player_id: int) -> frozenset[str]:
    """Ids of a player's games, and of those of others in which the player instructed."""
    own = session.exec(select(Game.id).where(Game.player_id == player_id)).all()
    return frozenset(own) | _team_games_of(session, player_id)


def _team_games_of(session: Session, player_id: int) -> frozenset[str]:
    query = select(TeamPlayer.game_id).where(TeamPlayer.player_id == player_id)
    return frozenset(session.exec(query).all())


def card_without(card: Mapping[str, Any], games: Collection[str], player_id: int) -> dict[str, Any]:
    """An adapter's card (`learner.registry.Card` as JSON) without the ids of these games and this player."""
    kept = {
        **card,
        "games": {game: turns for game, turns in card.get("games", {}).items() if game not in games},
    }
    metrics = card.get("metrics") or {}
    if trust := metrics.get("trust"):
        kept["metrics"] = {**metrics, "trust": trust_without(trust, player_id)}
    return kept


def erase_player(session: Session, player_id: int) -> int:
    """Delete a player with all games, turns, verdicts and trust results. Returns the number of games.

    Games of a team in which the player instructed are deleted too: later turns answer to the player's words.

    Adapters trained on the erased turns keep a count of them (`Adapter.erased_turns`): the next round starts
    again from the base model without those turns, and such an adapter and those trained from it are not used again
    (`store.lineage`). Call `Database.scrub` once this is committed. It rewrites large cards: not for the bot's loop.
    """
    shared = _team_games_of(session, player_id)
    learnt = select(AdapterPlayer.adapter_id, AdapterPlayer.turns).where(AdapterPlayer.player_id == player_id)
    with_team = (
        select(AdapterTurn.adapter_id, func.count())
        .join(Turn)
        .where(col(Turn.game_id).in_(shared))
        .group_by(col(AdapterTurn.adapter_id))
    )
    for adapter_id, turns in [*session.exec(learnt), *session.exec(with_team)]:
        session.exec(
            update(Adapter)
            .where(col(Adapter.id) == adapter_id)
            .values(erased_turns=Adapter.erased_turns + turns)
        )
    player = session.get_one(Player, player_id)
    session.exec(update(Round).where(col(Round.requested_by) == player.external_id).values(requested_by=None))
    session.exec(update(RoundEvent).where(col(RoundEvent.by) == player.external_id).values(by=None))
    forget_trust(session, player_id)
    erased = game_ids_of(session, player_id)
    for adapter in session.exec(select(Adapter)).all():
        adapter.card = card_without(adapter.card, erased, player_id)
        session.add(adapter)
    session.flush()
    session.exec(delete(Game).where(col(Game.id).in_(shared)))
    session.exec(delete(Player).where(col(Player.id) == player_id))
    return len(erased)


def agreed(kind: ConsentKind) -> SelectOfScalar[int]:
    """The query for the ids of the players whose latest answer to an opt-in is yes."""
    latest = select(func.max(Consent.id)).where(Consent.kind == kind).group_by(col(Consent.player_id))
    return select(Consent.player_id).where(col(Consent.id).in_(latest), col(Consent.granted))


def all_agreed(kind: ConsentKind) -> ColumnElement[bool]:
    """The condition on `Game` that the latest answer to an opt-in is yes, of its player and of its whole team."""
    agree = agreed(kind)
    others = select(TeamPlayer.game_id).where(TeamPlayer.game_id == Game.id)
    return and_(
        col(Game.player_id).in_(agree), ~others.where(col(TeamPlayer.player_id).not_in(agree)).exists()
    )


def shared() -> ColumnElement[bool]:
    """The condition on `Game` for being shared with researchers: it was not played on Discord, or all agreed to it."""
    return or_(col(Game.origin) != Origin.DISCORD, all_agreed(ConsentKind.RESEARCH))

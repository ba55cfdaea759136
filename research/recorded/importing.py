"""Imports finished games from files into the store, so that rounds train on them, with people's judgements of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, select

from games.core import Outcome
from games.figures import ImageSet
from research.recorded.judgements import RecordedJudgements
from research.recorded.reading import RecordedGame
from store import models
from store.human_eval import Judgement, add_imported
from store.models import IMPORTED_ROUND, Origin

IMPORTED = "imported"
"""Stands for the adapter, the base model and the program that played, which nobody knows here."""


@dataclass(frozen=True)
class Imported:
    """Counts of an import."""

    games: int
    turns: int
    players: int
    """Players who had no game in the store before."""
    known: int
    """Games that were already in the store, or earlier in the file."""
    without_clicks: int
    """Games without any click, which cannot be trained on."""
    judgements: int = 0
    """Judgements of turns that were added."""
    known_judgements: int = 0
    """Judgements that were already in the store."""
    judgements_without_turn: int = 0
    """Judgements that were left out, because their turn is not in the folder or has no click."""


def import_games(
    session: Session,
    games: Sequence[RecordedGame],
    images: ImageSet,
    judgements: RecordedJudgements | None = None,
) -> Imported:
    """Add games that are not in the store yet, and people's judgements of any of `games`; the transaction is the
    session's, so all are added or none.

    A game's id is its key, its time the time of the import, and its round `IMPORTED_ROUND`. It has no propensities,
    so objectives that need them skip its turns. A game is won if its last selection is its targets, even if its
    line says otherwise.
    """
    judgements = judgements or RecordedJudgements()
    playable = [game for game in games if game.steps]
    new = {_id(game.key): game for game in playable}
    for known in session.exec(select(models.Game.id).where(models.Game.origin == Origin.IMPORTED)):
        new.pop(known, None)
    players = {
        player.external_id: player
        for player in session.exec(select(models.Player).where(models.Player.platform == Origin.IMPORTED))
    }
    strangers = {
        speaker: models.Player(platform=Origin.IMPORTED, external_id=speaker, name=speaker or "unknown")
        for speaker in dict.fromkeys(game.speaker for game in new.values())
        if speaker not in players
    }
    session.add_all(strangers.values())
    session.flush()
    players |= strangers
    at = models.now()
    session.add_all(_row(game, game_id, players[game.speaker], images, at) for game_id, game in new.items())
    session.flush()
    for game_id, game in new.items():
        session.add_all(_turns(game, game_id, at))
    session.flush()
    judged: dict[tuple[str, int], list[Judgement]] = {}
    for row in judgements.found:
        judged.setdefault((_id(row.key), row.number), []).append(
            Judgement(IMPORTED, row.correctness, row.feedback, row.right_clicks)
        )
    added = add_imported(session, judged)
    return Imported(
        games=len(new),
        turns=sum(len(game.steps) for game in new.values()),
        players=len(strangers),
        known=len(playable) - len(new),
        without_clicks=len(games) - len(playable),
        judgements=added,
        known_judgements=len(judgements.found) - added,
        judgements_without_turn=judgements.without_turn,
    )


def _id(key: str) -> str:
    """The id of a game in the store."""
    return f"{IMPORTED}-{key}"


def _row(
    game: RecordedGame, game_id: str, player: models.Player, images: ImageSet, at: datetime
) -> models.Game:
    assert player.id is not None
    last = game.steps[-1]
    outcome = game.rules.outcome(game.deal, game.rules.apply(last.state, last.action), len(game.steps))
    return models.Game(
        id=game_id,
        game=game.game,
        images=images.spec,
        speaker=list(game.deal.speaker),
        listener=list(game.deal.listener),
        targets=sorted(game.deal.targets),
        player_id=player.id,
        origin=Origin.IMPORTED,
        adapter=IMPORTED,
        base_model=IMPORTED,
        images_hash=images.fingerprint,
        code_version=IMPORTED,
        round=IMPORTED_ROUND,
        recorded_round=game.round,
        outcome=Outcome.GIVEN_UP if outcome == Outcome.OPEN else outcome,
        started_at=at,
        ended_at=at,
    )


def _turns(game: RecordedGame, game_id: str, at: datetime) -> list[models.Turn]:
    return [
        models.Turn(
            game_id=game_id,
            number=number,
            utterance=step.utterance,
            source="import",
            state_before=step.state,
            action=step.action,
            state_after=game.rules.apply(step.state, step.action),
            logp=None,
            adapter=IMPORTED,
            base_model=IMPORTED,
            seconds=0.0,
            asked_at=at,
            answered_at=at,
        )
        for number, step in enumerate(game.steps, 1)
    ]

"""What the store's queries give, computed plainly from all rows in Python."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
from sqlmodel import Session, select

from games import GAMES
from games.core import Deal, Outcome, Step, clicks_right
from store.models import AdapterTurn, Consent, ConsentKind, Feedback, Game, Origin, Turn
from store.rounds import quarantined
from store.statistics import RoundStatistics, bootstrap_ci95
from store.training import Interaction


def agreeing(session: Session) -> set[int]:
    """Ids of the players whose last answer to training is yes."""
    answers = sorted(session.exec(select(Consent)).all(), key=lambda row: row.id or 0)
    last = {row.player_id: row.granted for row in answers if row.kind is ConsentKind.TRAINING}
    return {player for player, granted in last.items() if granted}


def turns_by_game(session: Session) -> dict[str, list[Turn]]:
    turns = sorted(session.exec(select(Turn)).all(), key=lambda turn: (turn.game_id, turn.number))
    return {game: list(rows) for game, rows in groupby(turns, lambda turn: turn.game_id)}


def statistics(session: Session, scheme: str = "binary") -> list[RoundStatistics]:
    games = [
        game
        for game in session.exec(select(Game)).all()
        if game.outcome is not Outcome.OPEN and game.origin is not Origin.IMPORTED
    ]
    games.sort(key=lambda game: (game.round, game.adapter, game.id))
    feedback = sorted(session.exec(select(Feedback)).all(), key=lambda row: row.id or 0)
    positive = {row.turn_id: row.label > 0 for row in feedback if row.scheme == scheme}
    turns = turns_by_game(session)
    return [
        _of_policy(number, adapter, list(played), turns, positive)
        for (number, adapter), played in groupby(games, lambda game: (game.round, game.adapter))
    ]


def _of_policy(
    number: int,
    adapter: str,
    games: Sequence[Game],
    turns: Mapping[str, Sequence[Turn]],
    positive: Mapping[int, bool],
) -> RoundStatistics:
    rows = [(game, turn) for game in games for turn in turns.get(game.id, ())]
    clicks = {turn.id or 0: _clicks(game, turn) for game, turn in rows}
    faultless = {turn for turn, (right, total) in clicks.items() if right == total}
    decoded = clicks.keys() & positive.keys()
    praised = {turn for turn in decoded if positive[turn]}
    won = [float(game.outcome is Outcome.WON) for game in games]
    total = sum(total for _, total in clicks.values())
    return RoundStatistics(
        round=number,
        adapter=adapter,
        interactions=len(games),
        success=float(np.mean(won)),
        success_ci95=bootstrap_ci95(won),
        turns=float(np.mean([len(turns.get(game.id, ())) for game in games])),
        click_accuracy=sum(right for right, _ in clicks.values()) / total if total else 0.0,
        positive_rate=len(praised) / len(rows) if decoded else None,
        decoder_precision=len(praised & faultless) / len(praised) if praised else None,
        decoder_recall=len(praised & faultless) / len(decoded & faultless) if decoded & faultless else None,
    )


def _clicks(game: Game, turn: Turn) -> tuple[int, int]:
    deal = Deal(tuple(game.speaker), tuple(game.listener), frozenset(game.targets))
    return clicks_right(GAMES[game.game], deal, turn.state_before, turn.action)


def usable(session: Session, permission: str | None, local_games: bool) -> Iterator[Interaction]:
    """The interactions that a round may train on."""
    games, turns, agreed = session.exec(select(Game)).all(), turns_by_game(session), agreeing(session)
    beside_discord = any(game.origin is Origin.DISCORD for game in games)
    finished = [game for game in games if game.outcome is not Outcome.OPEN and game.id in turns]
    for game in sorted(finished, key=lambda game: (game.ended_at, game.id)):
        if game.origin is Origin.DISCORD and not (permission and game.player_id in agreed):
            continue
        if game.origin is Origin.LOCAL and beside_discord and not local_games:
            continue
        played = turns[game.id]
        yield Interaction(
            game_id=game.id,
            game=game.game,
            images=game.images,
            context=tuple(game.listener),
            steps=tuple(Step(turn.state_before, turn.utterance, turn.action) for turn in played),
            turn_ids=tuple(turn.id or 0 for turn in played),
            logps=tuple(turn.logp for turn in played),
            base_model=game.base_model,
            adapter=game.adapter,
            player_id=game.player_id,
            round=game.round,
            won=game.outcome is Outcome.WON,
            in_quarantine=game.player_id in quarantined(session, game.round),
        )


def withdrawn_turns(session: Session) -> dict[int, int]:
    """Adapter id -> turns of games on Discord whose players do not agree to training, or no longer."""
    games = {game.id: game for game in session.exec(select(Game)).all()}
    game_of = {turn.id: games[turn.game_id] for turn in session.exec(select(Turn)).all()}
    agreed, found = agreeing(session), dict[int, int]()
    for row in session.exec(select(AdapterTurn)).all():
        game = game_of[row.turn_id]
        if game.origin is Origin.DISCORD and game.player_id not in agreed:
            found[row.adapter_id] = found.get(row.adapter_id, 0) + 1
    return found

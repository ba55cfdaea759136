"""One turn: the request to the policy, and the row with its answer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from bot.play.burst import Burst
from learner.protocol import TurnRequest, turn_request
from store.games import Answer, finished_turn, state_of, steps_of
from store.models import Game, Turn


def request_of(game: Game, turns: Sequence[Turn], burst: Burst, verdicts_heard: bool) -> TurnRequest:
    """The request for the turn after `turns`."""
    return turn_request(
        game_id=game.id,
        game=game.game,
        images=game.images,
        context=game.listener,
        steps=steps_of(turns),
        state=state_of(game, turns),
        utterance=burst.utterance,
        verdicts_heard=verdicts_heard,
        adapter=game.adapter,
        community=game.guild_id or "",
        # The words are part of the id, so that the answer to an edited message is not used for its new words.
        key=hashlib.sha256(burst.utterance.encode()).hexdigest()[:8],
    )


@dataclass(frozen=True)
class _Chosen:
    """An action that a player chose in place of the policy, and that therefore has no propensity."""

    action: str
    adapter: str
    base_model: str
    logp: float | None = None
    seconds: float = 0.0
    temperature: float | None = None
    seed: int | None = None


def chosen_turn(game: Game, turns: Sequence[Turn], burst: Burst) -> Turn | None:
    """The row of the turn after `turns`, if its player chose the action. Raises `IllegalAction`."""
    action = burst.last.chosen
    return turn_of(game, turns, burst, _Chosen(action, game.adapter, game.base_model)) if action else None


def turn_of(game: Game, turns: Sequence[Turn], burst: Burst, answer: Answer) -> Turn:
    """The row of the turn after `turns`. Raises `IllegalAction` for an illegal action."""
    return finished_turn(
        game,
        len(turns) + 1,
        state_of(game, turns),
        burst.utterance,
        answer,
        source=burst.last.source,
        asked_at=burst.last.received_at,
        message_id=burst.last.message_id,
        earlier_message_ids=burst.earlier_message_ids,
        player_id=burst.last.player_id,
        retracted=burst.retracted_words,
        chosen=burst.last.chosen is not None,
    )

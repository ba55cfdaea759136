"""The conversation that a turn is: the same words for every way of serving a policy. Loads no torch."""

from collections.abc import Callable, Mapping

from games import DEFAULT_GAME, GAMES
from games.core import Game, Message, Step
from games.figures import open_images
from learner.feedback.rules.decoder import without_verdict
from learner.protocol import TurnRequest, turn_request

RASTER = 224
"""Pixels of a figure's square picture for models other than the embedded one; their processors scale it."""


PROBE_IMAGES = "classic"


def game_of(games: Mapping[str, Game], name: str) -> Game:
    """The rules of a game. Raises ValueError for one that is not played here."""
    try:
        return games[name]
    except KeyError:
        raise ValueError(f"Unknown game {name!r}: this policy plays {sorted(games)}") from None


def conversation_of(
    game: Game, request: TurnRequest, spell: Callable[[str], str] = lambda utterance: utterance
) -> list[Message]:
    """What the listener is shown before the turn of a request; `spell` writes utterances as the model needs them."""

    def heard(utterance: str) -> str:
        return spell(utterance if request.verdicts_heard else without_verdict(utterance))

    history = [Step(past.state, heard(past.utterance), past.action) for past in request.history]
    return game.prompt(request.context, history, request.state, heard(request.utterance))


def probe_request(adapter: str) -> TurnRequest:
    """A turn to try an adapter with, of no game that is played."""
    game = GAMES[DEFAULT_GAME]
    context = open_images(PROBE_IMAGES).ids[: max(game.board_sizes)]
    return turn_request(
        game_id="probe",
        game=game.name,
        images=PROBE_IMAGES,
        context=context,
        steps=(),
        state=game.initial_state(context),
        utterance=game.words.probe,
        adapter=adapter,
    )

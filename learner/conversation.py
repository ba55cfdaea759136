"""Builds the conversation that the model sees for a turn, the same for every way of serving. Does not import
torch."""

from collections.abc import Callable, Mapping

from games import DEFAULT_GAME, GAMES
from games.core import Game, Message, Step
from games.figures import open_images
from learner.feedback.rules.decoder import without_verdict
from learner.protocol import TurnRequest, turn_request

RASTER = 224
"""Width and height, in pixels, of a figure's picture for models other than the embedded one. Their processors scale
it."""


PROBE_IMAGES = "classic"


def game_of(games: Mapping[str, Game], name: str) -> Game:
    """The rules of the game `name`. Raises ValueError if there is no such game."""
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
    """A turn of no real game, to test that an adapter can be played with."""
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

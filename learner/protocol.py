"""The requests and responses of the policy service: plain values, the same over HTTP and in process.

No message has a field for targets, because the listener never sees them.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from games import DEFAULT_GAME
from games.core import Step

PROTOCOL_VERSION = 2

BASE_ADAPTER = "base"
"""The name of the base model without an adapter, the policy of round 0."""


MAX_NAME, MAX_STATE, MAX_UTTERANCE = 256, 512, 4_000
"""Characters of an id or name, of a state or action, and of an utterance. How many tokens a game's utterances may
have in all depends on the model (`learner.policy.Policy.check_length`)."""
MAX_SPEC = 4_096
"""Characters of an image set's spec, which may hold a path."""
MAX_FIGURES, MAX_STEPS = 64, 64
"""Figures of a board, and finished turns of a game."""

Name = Annotated[str, Field(max_length=MAX_NAME)]
State = Annotated[str, Field(max_length=MAX_STATE)]
UtteranceText = Annotated[str, Field(max_length=MAX_UTTERANCE)]


class PastStep(BaseModel):
    """One finished turn as the listener saw it (`games.core.Step`)."""

    model_config = ConfigDict(frozen=True)

    state: State
    utterance: UtteranceText
    action: State


class TurnRequest(BaseModel):
    """One turn to play: x of π(a|x)."""

    model_config = ConfigDict(frozen=True)

    request_id: Name
    """"{game id}:{turn}". A request that is sent again with the same id is answered with the same action."""
    game_id: Name
    """Turns of one game share a KV cache."""
    game: Name = DEFAULT_GAME
    images: Annotated[str, Field(max_length=MAX_SPEC)]
    """Image set spec (`games.figures.open_images`)."""
    context: Annotated[tuple[Name, ...], Field(max_length=MAX_FIGURES)]
    """Figure ids in the listener's order."""
    history: Annotated[tuple[PastStep, ...], Field(max_length=MAX_STEPS)] = ()
    state: State
    utterance: UtteranceText
    verdicts_heard: bool = True
    """Whether the words of positive and negative feedback are kept in the prompt. They are removed for a player in
    quarantine, who could reject right picks to have them deselected."""
    adapter: Name
    """The adapter the game is pinned to, or `BASE_ADAPTER`."""
    community: Name = ""
    """Tenant of the service's round-robin queue: a guild's id."""
    protocol: int = PROTOCOL_VERSION


def turn_request(
    *,
    game_id: str,
    game: str,
    images: str,
    context: Sequence[str],
    steps: Sequence[Step],
    state: str,
    utterance: str,
    adapter: str,
    verdicts_heard: bool = True,
    community: str = "",
    key: str = "",
) -> TurnRequest:
    """The request for the turn that follows `steps`. `key` is appended to the request id, so that the same turn can
    be requested again as a new request.

    Raises `TurnTooLong` if something is over the limits of the protocol.
    """
    request_id = f"{game_id}:{len(steps) + 1}"
    try:
        return TurnRequest(
            request_id=f"{request_id}:{key}" if key else request_id,
            game_id=game_id,
            game=game,
            images=images,
            context=tuple(context),
            history=tuple(
                PastStep(state=step.state, utterance=step.utterance, action=step.action) for step in steps
            ),
            state=state,
            utterance=utterance,
            verdicts_heard=verdicts_heard,
            adapter=adapter,
            community=community,
        )
    except ValidationError as error:
        raise TurnTooLong(over_limits(error)) from None  # the error itself quotes what a person said


def over_limits(error: ValidationError) -> str:
    """What is wrong with a request, by its fields and without their values."""
    found = [
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)
    ]
    return f"Not a turn request: {'; '.join(found[:5])}"


class TurnAnswer(BaseModel):
    """The action sampled under the state's grammar, with its exact propensity."""

    model_config = ConfigDict(frozen=True)

    action: str
    logp: float = Field(le=0.0)
    """log π(a|x), in nats, under the distribution that the action was sampled from."""
    adapter: str
    base_model: str
    """Fingerprint of the base model's weights."""
    seconds: float
    """Seconds from the request's arrival at the service to its answer, queueing included."""
    temperature: float | None = None
    """Sampling temperature."""
    seed: int | None = None
    """The service's seed. It and the request's id determine what is sampled."""


class GameFinished(BaseModel):
    """Tells the service that a game is over, so that its KV cache and its adapter can be released."""

    model_config = ConfigDict(frozen=True)

    game_id: str


class PolicyStatus(BaseModel):
    """The state of the service."""

    model_config = ConfigDict(frozen=True)

    protocol: int = PROTOCOL_VERSION
    base_model: str
    current: str
    """The adapter that new games are pinned to."""
    loaded: tuple[str, ...]
    turns: int
    waiting: int
    uptime_seconds: float


class PolicyError(Exception):
    """A turn that could not be played. `retry` tells whether sending the same request again can help."""

    def __init__(self, message: str, retry: bool = True) -> None:
        super().__init__(message)
        self.retry = retry


class TurnTooLong(PolicyError):
    """An utterance, or all of a game's together, is more than the policy takes. It may be said in fewer words."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry=False)

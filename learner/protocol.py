"""What the policy service and its clients say to each other: plain values, the same over HTTP and in process.

It has no field for targets: the listener never sees them.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from games import DEFAULT_GAME
from games.core import Step

PROTOCOL_VERSION = 2

BASE_ADAPTER = "base"
"""The name of the base model without an adapter, the policy of round 0."""


class PastStep(BaseModel):
    """One finished turn as the listener saw it (`games.core.Step`)."""

    model_config = ConfigDict(frozen=True)

    state: str
    utterance: str
    action: str


class TurnRequest(BaseModel):
    """One turn to play: x of π(a|x)."""

    model_config = ConfigDict(frozen=True)

    request_id: str
    """The same id is answered with the same action, however often it is sent ("{game id}:{turn}")."""
    game_id: str
    """Turns of one game share a cached prefix."""
    game: str = DEFAULT_GAME
    images: str
    """Image set spec (`games.figures.open_images`)."""
    context: tuple[str, ...]
    """Figure ids in the listener's order."""
    history: tuple[PastStep, ...] = ()
    state: str
    utterance: str
    verdicts_heard: bool = True
    """Whether the listener is given praise and rejection: not those of a player in quarantine, who rejects right
    picks to have them taken back."""
    adapter: str
    """The adapter the game is pinned to, or `BASE_ADAPTER`."""
    community: str = ""
    """Whose turns are served in one line: a guild."""
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
    """The turn after `steps`. A `key` makes its id another than that of the same turn with another key."""
    request_id = f"{game_id}:{len(steps) + 1}"
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


class TurnAnswer(BaseModel):
    """The action sampled under the state's grammar, with its exact propensity."""

    model_config = ConfigDict(frozen=True)

    action: str
    logp: float = Field(le=0.0)
    """log π(a|x) under the very distribution the action was sampled from."""
    adapter: str
    base_model: str
    """Fingerprint of the base model's weights."""
    seconds: float
    """Time in the service, waiting included."""
    temperature: float | None = None
    """Sampling temperature."""
    seed: int | None = None
    """The service's seed; a turn's draw depends on it and on the request's id."""


class GameFinished(BaseModel):
    """A game that will have no more turns: what is kept for it may go."""

    model_config = ConfigDict(frozen=True)

    game_id: str


class PolicyStatus(BaseModel):
    """What the service says of itself."""

    model_config = ConfigDict(frozen=True)

    protocol: int = PROTOCOL_VERSION
    base_model: str
    current: str
    """The adapter that new games take."""
    loaded: tuple[str, ...]
    turns: int
    waiting: int
    uptime_seconds: float


class PolicyError(Exception):
    """A turn that could not be played. `retry` says whether the same request may be sent again."""

    def __init__(self, message: str, retry: bool = True) -> None:
        super().__init__(message)
        self.retry = retry

"""Whether the policy is unsure what an utterance means, by its propensities, and what it may mean then."""

from collections.abc import Awaitable, Callable
from math import exp

from learner.protocol import TurnAnswer, TurnRequest

SURE = 0.5
"""The policy is sure if one action has at least this propensity: it is likelier than all others together."""
MORE_SAMPLES = 4
"""How often an unsure policy is asked again. Every sample comes with its exact propensity."""
CHOICES = 3
"""Actions that the player is asked about, at most."""


async def doubts(
    request: TurnRequest, answer: TurnAnswer, ask: Callable[[TurnRequest], Awaitable[TurnAnswer | None]]
) -> list[str]:
    """The actions that an unsure policy thinks likeliest, the likeliest first; none if it is sure.

    Where it is sure of another action than `answer` has, the answer is played all the same: it is a sample of the
    policy like any other. What `ask` raises is raised.
    """
    found = {answer.action: answer.logp}
    for number in range(MORE_SAMPLES):
        if exp(max(found.values())) >= SURE:
            break
        again = request.model_copy(update={"request_id": f"{request.request_id}:{number}"})
        more = await ask(again)
        if more is None:  # the game was given up meanwhile
            return []
        found[more.action] = more.logp
    if exp(max(found.values())) >= SURE:
        return []
    return sorted(found, key=lambda action: -found[action])[:CHOICES]

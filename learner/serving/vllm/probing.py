"""Whether a vLLM server can be played through: the right model, its words, and probabilities that are meant."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from learner.conversation import probe_request
from learner.protocol import PolicyError
from learner.serving.vllm.messages import Conversations, text
from learner.serving.vllm.server import TOP_LOGPROBS, Completion, Model, VllmServer

MARK = "QQQQ"
"""No model says this of itself: where it must, its probability tells whether the grammar is counted in."""
CLOSE = 1e-3
"""How near to 1 probabilities have to add up."""


@dataclass(frozen=True)
class Checked:
    """What is known of a server that may be played through."""

    model: str
    """The base model's name there."""
    lead: str
    """What the chat template writes between the call for an answer and the answer."""
    end: int
    """The token that finishes an answer."""


async def look_at(
    server: VllmServer, policy: str, models: Sequence[Model], conversations: Conversations
) -> Checked:
    """Look at a server that is to serve the base model `policy`. Raises `PolicyError`, saying how to fix it."""
    model = _served(server, policy, models)
    asked = [{"role": "user", "content": [text("a")]}]
    closed = [*asked, {"role": "assistant", "content": [text(MARK)]}]
    opened = await server.rendered(model, asked, answering=True)
    before, _, tail = (await server.rendered(model, closed, answering=False)).partition(MARK)
    if not before.startswith(opened):
        raise _unsuited(f"the chat template of {policy} does not let a conversation grow turn by turn")
    lead = before[len(opened) :]
    end = (await probe(server, model, lead, conversations)).token_ids[-1]
    ends = await server.tokens(model, tail) if tail else [end]
    if ends[0] != end:
        raise _unsuited(f"it finishes answers with token {end}, its chat template with {ends[0]}")
    return Checked(model, lead, end)


async def probe(server: VllmServer, model: str, lead: str, conversations: Conversations) -> Completion:
    """A whole turn with a single choice, where all probabilities are known.

    Each token that goes on with the choice may come, in whatever pieces, and nothing else: theirs add up to 1,
    and the end is certain. Without the grammar they would hardly be above 0. Raises `PolicyError`.
    """
    messages = await asyncio.to_thread(conversations.of, probe_request(model))
    answer = await server.complete(model, messages, [lead + MARK], seed=0, top=TOP_LOGPROBS)
    if answer.text != lead + MARK:
        raise PolicyError(
            f"The vLLM server answered {answer.text[:80]!r} where {lead + MARK!r} was the only choice: it must know "
            "the parameter structured_outputs (vLLM 0.12 or newer)",
            retry=False,
        )
    *written, last = answer.drawn
    if "".join(drawn.token for drawn in written) != answer.text:
        raise _unsuited("its tokens do not add up to its text")
    left, totals = answer.text, [math.exp(last.logprob)]
    for drawn in written:
        possible = [chance for chance in drawn.top_logprobs if chance.token and left.startswith(chance.token)]
        totals.append(math.fsum(math.exp(chance.logprob) for chance in possible))
        left = left[len(drawn.token) :]
    wrong = [total for total in totals if not abs(total - 1.0) < CLOSE]  # NaN included
    if wrong:
        raise PolicyError(
            f"The vLLM server's log-probabilities under {model} are not those of what it samples: they add up to "
            f"{wrong[0]:.4g} in place of 1. Start it with --logprobs-mode processed_logprobs",
            retry=False,
        )
    return answer


def _served(server: VllmServer, policy: str, models: Sequence[Model]) -> str:
    """The name under which the base model is served."""
    bases = [model for model in models if model.parent is None]
    for model in bases:
        if policy in (model.id, model.root):
            return model.id
    served = ", ".join(model.root or model.id for model in bases)
    raise PolicyError(
        f"The vLLM server at {server.url} serves {served}, RESPECT_POLICY__MODEL is {policy}: start it with "
        f"that model, or with --served-model-name {policy} if it is the same under another name",
        retry=False,
    )


def _unsuited(why: str) -> PolicyError:
    return PolicyError(f"Models of this class cannot be played through vLLM: {why}", retry=False)

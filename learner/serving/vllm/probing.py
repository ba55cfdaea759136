"""Checks whether a vLLM server can be used: its model, its chat template, and its log-probabilities."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from learner.conversation import probe_request
from learner.protocol import PolicyError
from learner.serving.vllm.messages import Conversations, text
from learner.serving.vllm.server import TOP_LOGPROBS, Completion, Model, VllmServer

MARK = "QQQQ"
"""A text that no model would write unforced: its probability shows whether log-probabilities include the
grammar."""
CLOSE = 1e-3
"""Largest accepted deviation from 1 of a sum of probabilities."""


@dataclass(frozen=True)
class Checked:
    """Properties of a server that passed the checks."""

    model: str
    """The base model's name there."""
    lead: str
    """Text that the chat template writes between the generation prompt and the answer."""
    end: int
    """Id of the token that ends an answer."""


async def look_at(
    server: VllmServer, policy: str, models: Sequence[Model], conversations: Conversations
) -> Checked:
    """Check a server of the base model `policy`. Raises `PolicyError` that says how to fix a problem."""
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
    """Complete a turn with a single choice, where all probabilities are known.

    Only tokens that continue the choice are legal: their probabilities sum to 1, and the end token has probability
    1. Without the grammar they would be close to 0. Raises `PolicyError`.
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
    """The name under which the server serves the base model."""
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

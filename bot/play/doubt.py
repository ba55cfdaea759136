"""Whether the policy is unsure what an utterance means, by its propensities, and what it may mean then.

Training weighs each action by the propensity with which it was played, so whether to ask must not depend on the action
that is played if the bot does not ask: an action that is only played where it is likely has another propensity than
the policy says. Hence this looks at samples of its own, which are never played, and the turn's action is sampled after
it. What the bot plays of itself is distributed as without questions.
"""

import re
from collections.abc import Awaitable, Callable
from math import exp

from games.words import spoken
from learner.protocol import TurnAnswer, TurnRequest

SURE = 0.7
"""The policy is sure if one action has at least this propensity. How often the embedded policy is unsure, and how often
it would be right: docs/results.md, "When the bot asks"."""
SAMPLES = 5
"""Samples without such an action after which the policy is unsure. Where there is one they all miss it in at most 0.3%
of the cases, and one sample usually shows it."""
CHOICES = 3
"""Actions that the player is asked about, at most."""

_YES = re.compile("yes|y|yeah|yep|yup|sure|correct|right|exactly|ja|genau|richtig|stimmt")
_NO = re.compile(
    "no|n|nope|nah|no one|none|(?:none|neither)(?: of (?:these|those|them))?|nein|ne|keine?s?(?: davon)?"
)
_NUMBER = re.compile(
    r"(?:(?:the|das|die|der) )?(?:(?:number|picture|nummer|bild) |(?:no|nr) (?=\d))?"
    r"(?:(1|1st|one|first|eins|erstes?)|(2|2nd|two|second|zwei|zweites?)|(3|3rd|three|third|drei|drittes?))"
    r"(?: (?:one|picture|bild))?"
)
_BEFORE = re.compile(r"(?:(?:yes|yeah|ok|its|it is|i mean|i meant|ja|ich meine) )+")
_AFTER = re.compile(r"(?: (?:please|pls|thanks|thx|bitte|danke))+$")
"""What changes nothing in an answer: before a number, and after any."""


def number_of(words: str, pictures: int) -> int | None:
    """The picture, from 1, that a typed answer to the question means, 0 for none; None if it is no such answer."""
    said = " ".join(re.sub(r"[^\w\s]", " ", spoken(words).replace("'", "")).split())
    said = _AFTER.sub("", said)
    if _NO.fullmatch(said):
        return 0
    if pictures == 1 and _YES.fullmatch(said):
        return 1
    before = _BEFORE.match(said)
    found = _NUMBER.fullmatch(said, before.end() if before else 0)
    return found.lastindex if found and (found.lastindex or 0) <= pictures else None


async def doubts(
    request: TurnRequest, ask: Callable[[TurnRequest], Awaitable[TurnAnswer | None]]
) -> list[str] | None:
    """The actions that an unsure policy thinks likeliest, the likeliest first; none if it is sure.

    None if `ask` gives None, because the game was given up meanwhile. What it raises is raised.
    """
    found: dict[str, float] = {}
    for number in range(SAMPLES):
        # Another id is another sample.
        sample = await ask(request.model_copy(update={"request_id": f"{request.request_id}:{number}"}))
        if sample is None:
            return None
        if exp(sample.logp) >= SURE:
            return []
        found[sample.action] = sample.logp
    return sorted(found, key=lambda action: -found[action])[:CHOICES]

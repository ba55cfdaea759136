"""Input and output of feedback decoders. There is no field for targets: no decoder sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from games.core import Change, Game, Step, change_of

Scheme = Literal["binary", "ternary"]
"""Binary: positive or negative, where neutral feedback counts as negative. Ternary: also neutral."""

Label = Literal[-1, 0, 1]
"""+1 positive, 0 neutral (ternary only), -1 negative."""

LABEL_NAMES: dict[Label, str] = {1: "positive", 0: "neutral", -1: "negative"}


@dataclass(frozen=True)
class Exchange:
    """One turn and the utterance that follows it."""

    utterance: str
    """What the speaker asked for in this turn."""
    action: str
    """What the listener did, as `games.core.Game` writes actions."""
    next_utterance: str
    """The speaker's next utterance: the feedback to decode."""
    change: Change
    """The change of selection by `action`."""
    max_targets: int
    """Of the game."""
    setting: str
    """Description of the game's roles (`games.core.Words.setting`)."""
    previous_action: str = ""
    """The action of the turn before, empty on the first turn."""
    earlier: tuple[str, ...] = ()
    """Utterances of the turns before this one, oldest first."""


def exchange_of(game: Game, context: Sequence[str], steps: Sequence[Step], said: str) -> Exchange:
    """The last of `steps` with the utterance `said` after it. Raises `IllegalAction` for an illegal action."""
    *earlier, step = steps
    return Exchange(
        utterance=step.utterance,
        action=step.action,
        next_utterance=said,
        change=change_of(game, context, step.state, step.action),
        max_targets=game.max_targets,
        setting=game.words.setting,
        previous_action=earlier[-1].action if earlier else "",
        earlier=tuple(past.utterance for past in earlier),
    )


@dataclass(frozen=True)
class Verdict:
    """A decoder's result for one exchange."""

    label: Label
    confidence: float
    """The decoder's probability of `label`, 0 to 1. It may be below 0.5: a doubtful action is not labelled positive
    even if it is more probably right than wrong."""
    decoder: str
    version: str
    """Must change whenever the same exchange could be decoded differently."""
    scheme: Scheme
    p_positive: float
    """The decoder's probability that the action was right, 0 to 1."""
    cue: str = ""
    """The reason for the label, for audits."""


class Confident(Protocol):
    """What has a confidence: a `Verdict`, or its row in the store."""

    @property
    def confidence(self) -> float: ...


def says_something(verdict: Confident | None) -> bool:
    """Whether there is a verdict, and one to learn from: a confidence of 0 means that nothing was recognised."""
    return verdict is not None and verdict.confidence > 0


class Decoder(Protocol):
    """Decodes feedback of finished exchanges. Does not raise for any text that people type."""

    name: str
    version: str
    scheme: Scheme

    def decode(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """One verdict for each exchange, in order."""
        ...
